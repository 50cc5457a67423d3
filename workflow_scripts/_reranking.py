"""What the scripts of the re-rankings share: the way, the split, the parameters, and the job's answer store."""

import json
from pathlib import Path


def way_of(snakemake):
    """The way of the rule's wildcard (or THI, where it has none)."""
    from icl.rerank.ways import WAYS

    return WAYS[snakemake.wildcards.get("way", "thi")]


def open_split(snakemake, split, asks=True):
    """One split of the rule's benchmark, with the retriever of its wildcards and, where it asks, the MLLM."""
    judge = snakemake.wildcards.get("judge", "lora")
    return open_row(snakemake, way_of(snakemake), judge, snakemake.input, split, asks)


def open_row(snakemake, way, judge, files, split, asks=True):
    """The same for a way and a judge, from files by name: model, embeddings, adapter, captions."""
    from _glue import settings_of

    from icl.data.pairs import read_pairs, split_of
    from icl.files import read_records
    from icl.mllm.backends.registry import adapter_of
    from icl.rerank.split import Split

    settings = settings_of(snakemake)
    described = (
        [row["caption"] for row in read_records(Path(files.get("captions")[0]))] if files.get("captions") else None
    )
    asks = asks and way.judge != "none"
    return Split.open(
        split_of(read_pairs(Path(snakemake.input.pairs)), split),
        Path(snakemake.params.root),
        Path(files.get("embeddings")),
        Path(files.get("model")[0]).parent if files.get("model") else None,
        settings.mllm,
        settings.thi,
        settings.rerank,
        adapter_of(judge, files.get("adapter")) if asks else None,
        described,
        asks,
    )


def taken(snakemake):
    """The parameters that were chosen: of the ways that this one builds on, then its own."""
    return parameters_in(snakemake.input.chosen)


def parameters_in(paths):
    """The parameters of several files; where two name the same, the later one holds."""
    found = {}
    for path in paths:
        found |= json.loads(Path(path).read_text())
    return found


def stored(split, snakemake):
    """The split's back-end with its answers kept; the file's name is the job's own."""
    w = snakemake.wildcards
    names = (snakemake.rule, w.get("way"), w.get("method", "rda"), w.get("judge", "lora"), f"seed{w.seed}")
    return split.stored(Path(snakemake.params.answers), "-".join(name for name in names if name))
