"""Captions of a split's gallery images by the MLLM, and what they cost."""

from pathlib import Path

from _glue import job, settings_of

with job(snakemake):
    from icl.data.pairs import images_of, read_pairs, split_of
    from icl.files import write_json, write_records
    from icl.mllm.backends.registry import open_backend
    from icl.mllm.store import AnswerStore, CachedBackend
    from icl.rerank.describing import describe
    from icl.rerank.meter import Meter

    w, given, settings = snakemake.wildcards, snakemake.params, settings_of(snakemake)
    gallery = images_of(split_of(read_pairs(Path(snakemake.input.pairs)), w.split))
    store = AnswerStore(Path(given.answers), f"describe-{w.dataset}-{w.split}")
    meter = Meter(CachedBackend(open_backend(settings.mllm), store))
    found, fallbacks = describe([Path(given.root) / name for name in gallery.image], meter, settings.mllm)
    named = [{"image_id": image_id, **row} for image_id, row in zip(gallery.image_id.tolist(), found, strict=True)]
    write_records(named, Path(snakemake.output.captions))
    write_json(snakemake.output.cost, {"images": len(found), "spent": meter.spent, "fallbacks": fallbacks})
