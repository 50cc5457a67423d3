"""Index a folder's images: encode what is new, forget what has gone."""

from pathlib import Path

from _glue import job, say, settings_of

with job(snakemake):
    from icl.apps.index import Index
    from icl.apps.shipped import Judge
    from icl.files import write_json
    from icl.mllm.backends.registry import open_backend
    from icl.mllm.store import AnswerStore, CachedBackend
    from icl.workflow.searching import folder_of, gallery, models

    settings, describe = settings_of(snakemake), None
    output, retriever = Path(snakemake.output[0]), Path(snakemake.input.model).parent
    if snakemake.params.describe:
        store = AnswerStore(Path(snakemake.params.answers), "gallery")
        describe = Judge(CachedBackend(open_backend(settings.mllm), store), settings.mllm, settings.search.way, {})
    index = Index.update(gallery(settings), retriever, output.parent, describe)
    described = index.described is not None
    told = {"gallery": str(index.folder), "retriever": str(retriever), "images": len(index), "described": described}
    write_json(output, told | {"skipped": index.skipped})
    say(f"{len(index)} images of {index.folder}, encoded by {models(settings, folder_of()).who}")
