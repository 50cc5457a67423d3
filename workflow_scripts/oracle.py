"""Rank-1 of an oracle that compares the captions' statements to the true attributes, for each generated benchmark."""

from pathlib import Path

from _glue import job, say

with job(snakemake):
    import pandas as pd

    from icl.synthpedes.oracle import oracle_rank1

    truths = [Path(path) for path in snakemake.input]
    table = pd.DataFrame([{"benchmark": path.stem, "oracle_rank1": oracle_rank1(path)} for path in truths])
    table.to_csv(snakemake.output[0], index=False, float_format="%.2f")
    say(table.to_string(index=False))
