"""Read a benchmark in its own layout into the pairs table."""

from pathlib import Path

from _glue import job, say

with job(snakemake):
    from icl.data.annotations import read_benchmark
    from icl.data.pairs import write_pairs

    found = read_benchmark(snakemake.params.layout, Path(snakemake.params.root))
    for line in found.oddities():
        say(f"{snakemake.wildcards.dataset}: {line}")
    write_pairs(found.pairs, Path(snakemake.output[0]))
