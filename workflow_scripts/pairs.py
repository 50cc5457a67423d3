"""Read a benchmark in its own layout into the pairs table."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.data.pairs import write_pairs
    from icl.data.readers import read_annotations

    pairs = read_annotations(snakemake.params.layout, Path(snakemake.params.root))
    write_pairs(pairs, Path(snakemake.output[0]))
