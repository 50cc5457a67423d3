"""Augment one shard of a benchmark's training captions; every answer is stored as it comes."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.data.pairs import captions_of, read_pairs, split_of
    from icl.fields import typed
    from icl.files import write_records
    from icl.mllm.backends.registry import open_backend
    from icl.mllm.settings import MLLMSettings
    from icl.mllm.store import AnswerStore, CachedBackend
    from icl.rda.augmentation import augment, shard_of
    from icl.rda.settings import RDASettings

    names, mllm = snakemake.wildcards, typed(MLLMSettings, snakemake.params.mllm)
    train = captions_of(split_of(read_pairs(Path(snakemake.input.pairs)), "train"))
    rows = shard_of(train, int(names.shard), int(names.shards))
    store = AnswerStore(Path(snakemake.params.answers), f"augment-{names.dataset}-{names.shard}-of-{names.shards}")
    backend = CachedBackend(open_backend(mllm), store)
    found = augment(rows, Path(snakemake.params.root), backend, mllm, typed(RDASettings, snakemake.params.rda))
    write_records(found, Path(snakemake.output[0]))
