"""Rank one's own image folder for a text and write the page."""

from pathlib import Path

from _glue import job, say

with job(snakemake):
    from icl.apps.page import page
    from icl.apps.search import search
    from icl.apps.shipped import Judge, read_xi
    from icl.fields import typed
    from icl.mllm.backends.registry import adapter_of, open_backend
    from icl.mllm.settings import MLLMSettings
    from icl.rerank.settings import THISettings

    given, params, judge = snakemake.input, snakemake.params, None
    if params.search["thi"]:
        mllm = typed(MLLMSettings, params.mllm)
        backend = open_backend(mllm, adapter_of("lora", given.adapter))
        judge = Judge(backend, mllm, typed(THISettings, params.thi), read_xi(Path(given.xi[0])))
    query, gallery = params.search["query"], Path(params.search["gallery"])
    found = search(query, gallery, Path(given.model).parent, judge)
    Path(snakemake.output[0]).write_text(page(query, gallery, found, params.who))
    say(f"answered by {params.who}")
    for rank, match in enumerate(found.matches[:5], 1):
        say(f"{rank}. {match.similarity:.3f}  {match.name}")
    say(f"page: {snakemake.output[0]}")
