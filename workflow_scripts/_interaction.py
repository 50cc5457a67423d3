"""What the scripts of the re-rankings share: opening a split, and the job's answer store."""

from pathlib import Path


def open_split(snakemake, split):
    """One split of the rule's benchmark, with the retriever and the MLLM of its wildcards."""
    from _glue import settings_of

    from icl.data.pairs import read_pairs, split_of
    from icl.mllm.backends.registry import adapter_of
    from icl.rerank.split import Split

    given, settings = snakemake.input, settings_of(snakemake)
    return Split.open(
        split_of(read_pairs(Path(given.pairs)), split),
        Path(snakemake.params.root),
        Path(given.embeddings),
        Path(given.model[0]).parent if given.model else None,
        settings.mllm,
        adapter_of(snakemake.wildcards.judge, given.adapter),
        settings.thi,
    )


def stored(split, snakemake):
    """The split's back-end with its answers kept; the file's name is the job's own."""
    w = snakemake.wildcards
    return split.stored(Path(snakemake.params.answers), f"{snakemake.rule}-{w.method}-{w.judge}-seed{w.seed}")
