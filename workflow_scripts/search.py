"""Rank one's own image folder for a text and write the page."""

from pathlib import Path

from _glue import job, say, settings_of

with job(snakemake):
    from icl.apps.page import page
    from icl.apps.search import Gallery, search
    from icl.apps.shipped import Judge, read_chosen
    from icl.mllm.backends.registry import adapter_of, open_backend
    from icl.mllm.store import AnswerStore, CachedBackend
    from icl.rerank.ways import WAYS
    from icl.workflow.searching import folder_of, models

    given, settings, judge = snakemake.input, settings_of(snakemake), None
    query, way = settings.search.query, settings.search.way
    gallery = Gallery.read(Path(settings.search.gallery), Path(given.model).parent)
    if way != "none":
        if WAYS[way].described:  # kept by content, so that only new or changed pictures are described
            store = AnswerStore(Path(snakemake.params.answers), "gallery")
            gallery = gallery.described_by(CachedBackend(open_backend(settings.mllm), store), settings.mllm)
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
