"""Choose THI's threshold on the val split, or take the one that the configuration fixes."""

from _glue import job
from _interaction import open_split, stored

with job(snakemake):
    from icl.files import write_json

    if snakemake.params.xi is not None:
        found = {"xi": snakemake.params.xi, "selection": "fixed in the configuration"}
    else:
        split = open_split(snakemake, "val")
        found = split.sweep_thresholds(stored(split, snakemake))
        found["selection"] = "best Rank-1 on val"
    write_json(snakemake.output.xi, found)
