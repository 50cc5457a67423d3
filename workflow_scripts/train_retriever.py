"""Train a retriever: RDE, or with augmented captions RDE + RDA."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.config import typed
    from icl.data.pairs import read_pairs
    from icl.retriever.training import train_retriever
    from icl.settings import RetrieverSettings

    train_retriever(
        typed(RetrieverSettings, snakemake.params.settings),
        read_pairs(Path(snakemake.input.pairs)),
        Path(snakemake.params.root),
        int(snakemake.wildcards.seed),
        Path(snakemake.output.model).parent,
        Path(snakemake.input.augmented[0]) if snakemake.input.augmented else None,
    )
