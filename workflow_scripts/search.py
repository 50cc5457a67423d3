"""Rank one's own image folder for a text and write the page."""

from pathlib import Path

from _glue import job, say, settings_of

with job(snakemake):
    from icl.apps.page import page
    from icl.apps.search import search
    from icl.apps.shipped import Judge, read_xi
    from icl.mllm.backends.registry import adapter_of, open_backend
    from icl.workflow.searching import folder_of, models

    given, settings, judge = snakemake.input, settings_of(snakemake), None
    query, gallery = settings.search.query, Path(settings.search.gallery)
    if settings.search.thi:
        backend = open_backend(settings.mllm, adapter_of("lora", given.adapter))
        judge = Judge(backend, settings.mllm, settings.thi, read_xi(Path(given.xi[0])))
    found = search(query, gallery, Path(given.model).parent, judge)
    who = models(settings, folder_of()).who
    Path(snakemake.output[0]).write_text(page(query, gallery, found, who))
    say(f"answered by {who}")
    for rank, match in enumerate(found.matches[:5], 1):
        say(f"{rank}. {match.similarity:.3f}  {match.name}")
    say(f"page: {snakemake.output[0]}")
