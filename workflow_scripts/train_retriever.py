"""Train a retriever: RDE, or with augmented captions RDE + RDA."""

from pathlib import Path

from _glue import job
from _resume import drop_foreign_state

with job(snakemake):
    from icl.config import typed
    from icl.data.pairs import read_pairs
    from icl.retriever.training import train_retriever
    from icl.settings import RetrieverSettings

    out = Path(snakemake.output.model).parent
    drop_foreign_state(snakemake, out)
    train_retriever(
        typed(RetrieverSettings, snakemake.params.settings),
        read_pairs(Path(snakemake.input.pairs)),
        Path(snakemake.params.root),
        int(snakemake.wildcards.seed),
        out,
        Path(snakemake.input.augmented[0]) if snakemake.input.augmented else None,
    )
