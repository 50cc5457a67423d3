"""Choose THI's threshold on the val split, or take the one that the configuration fixes."""

from _glue import job
from _interaction import open_split, sweep_thresholds

with job(snakemake):
    from icl.provenance import write_json

    if snakemake.params.xi is not None:
        found = {"xi": snakemake.params.xi, "selection": "fixed in the configuration"}
    else:
        s = open_split(snakemake, "val")
        found = sweep_thresholds(s, snakemake)
        found["selection"] = "best Rank-1 on val"
    write_json(snakemake.output.xi, found)
