"""What the scripts of the re-rankings share: opening a split, and the job's answer store."""

from pathlib import Path


def open_split(snakemake, split):
    """One split of the rule's benchmark, with the retriever and the MLLM of its wildcards."""
    from icl.data.pairs import read_pairs, split_of
    from icl.fields import typed
    from icl.mllm.backends.registry import adapter_of
    from icl.mllm.settings import MLLMSettings
    from icl.rerank.settings import THISettings
    from icl.rerank.split import Split

    given, params = snakemake.input, snakemake.params
    return Split.open(
        split_of(read_pairs(Path(given.pairs)), split),
        Path(params.root),
        Path(given.embeddings),
        Path(given.model[0]).parent if given.model else None,
        typed(MLLMSettings, params.mllm),
        adapter_of(snakemake.wildcards.judge, given.adapter),
        typed(THISettings, params.settings),
    )


def stored(split, snakemake):
    """The split's back-end with its answers kept; the file's name is the job's own."""
    w = snakemake.wildcards
    return split.stored(Path(snakemake.params.answers), f"{snakemake.rule}-{w.method}-{w.judge}-seed{w.seed}")
