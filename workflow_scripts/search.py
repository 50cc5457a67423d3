"""Rank one's own image folder for a text and write the page."""

from pathlib import Path

from _glue import job, say, settings_of

with job(snakemake):
    from icl.apps.index import Index
    from icl.apps.page import page
    from icl.apps.search import search
    from icl.apps.shipped import Judge, read_chosen
    from icl.mllm.backends.registry import adapter_of, open_backend
    from icl.workflow.searching import folder_of, models

    given, settings, judge = snakemake.input, settings_of(snakemake), None
    query, way = settings.search.query, settings.search.way
    gallery = Index.open(settings.search.gallery, Path(given.model).parent, Path(given.index).parent)
    if way != "none":
        backend = open_backend(settings.mllm, adapter_of("lora", given.adapter))
        chosen = read_chosen(way, [Path(path) for path in given.chosen])
        judge = Judge(backend, settings.mllm, way, chosen, settings.thi, settings.rerank)
    found = search(query, gallery, judge=judge)
    who = models(settings, folder_of()).who
    Path(snakemake.output[0]).write_text(page(query, gallery.folder, found, who))
    say(f"answered by {who}")
    for rank, match in enumerate(found.matches[:5], 1):
        say(f"{rank}. {match.similarity:.3f}  {match.name}")
    say(f"page: {snakemake.output[0]}")
