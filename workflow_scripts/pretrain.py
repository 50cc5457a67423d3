"""Pre-train one of the shipped models, measure it on unseen identities and write its card."""

from pathlib import Path

from _glue import job, settings_of

with job(snakemake):
    from icl.pretrain import pretrain

    settings = settings_of(snakemake).pretrain
    pretrain(snakemake.wildcards.model, settings, Path(snakemake.params.work), Path(snakemake.output[0]))
