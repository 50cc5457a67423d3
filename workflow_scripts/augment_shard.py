"""Augment one shard of a benchmark's training captions; every answer is stored as it comes."""

from pathlib import Path

from _glue import job, settings_of

with job(snakemake):
    from icl.data.pairs import captions_of, read_pairs, split_of
    from icl.files import write_records
    from icl.mllm.backends.registry import open_backend
    from icl.mllm.store import AnswerStore, CachedBackend
    from icl.rda.augmentation import augment, shard_of

    names, settings = snakemake.wildcards, settings_of(snakemake)
    train = captions_of(split_of(read_pairs(Path(snakemake.input.pairs)), "train"))
    rows = shard_of(train, int(names.shard), int(names.shards))
    store = AnswerStore(Path(snakemake.params.answers), f"augment-{names.dataset}-{names.shard}-of-{names.shards}")
    backend = CachedBackend(open_backend(settings.mllm), store)
    found = augment(rows, Path(snakemake.params.root), backend, settings.mllm, settings.rda)
    write_records(found, Path(snakemake.output[0]))
