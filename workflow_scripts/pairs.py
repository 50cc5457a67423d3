"""Read a benchmark in its own layout into the pairs table."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.data.annotations import read_annotations
    from icl.data.pairs import write_pairs

    pairs = read_annotations(snakemake.params.layout, Path(snakemake.params.root))
    write_pairs(pairs, Path(snakemake.output[0]))
