"""Rank one's own image folder for a text and write the page."""

import json
from pathlib import Path

from _glue import job, say, settings_of

with job(snakemake):
    from icl.apps.search import page, search
    from icl.apps.settings import SearchSettings
    from icl.errors import InputError
    from icl.fields import typed
    from icl.mllm.backends.registry import adapter_of, open_backend

    asked = typed(SearchSettings, snakemake.params.search)
    if not asked.query or not asked.gallery:
        given = "--config 'search={query: a man in a red jacket, gallery: path/to/folder}'"
        raise InputError("config key search", "no query or no gallery", "both", f"Give them: {given}")
    gallery, retriever = Path(asked.gallery), Path(snakemake.input.model).parent
    if asked.thi:
        mllm = settings_of(snakemake).mllm
        backend = open_backend(mllm, adapter_of("lora", snakemake.input.adapter))
        xi = json.loads(Path(snakemake.input.xi).read_text())["xi"]
        thi = settings_of(snakemake).thi
        found = search(asked.query, gallery, retriever, backend, mllm, thi, xi)
    else:
        found = search(asked.query, gallery, retriever)
    Path(snakemake.output[0]).write_text(page(asked.query, gallery, found))
    for rank, k in enumerate((-found.after).argsort(kind="stable")[:5], 1):
        say(f"{rank}. {found.after[k]:.3f}  {found.names[k]}")
    say(f"page: {snakemake.output[0]}")
