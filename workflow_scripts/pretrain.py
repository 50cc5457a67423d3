"""Pre-train one of the shipped models, measure it on unseen identities and write its card."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.fields import typed
    from icl.pretrain import pretrain
    from icl.pretrain.settings import PretrainSettings

    settings = typed(PretrainSettings, snakemake.params.settings)
    pretrain(snakemake.wildcards.model, settings, Path(snakemake.params.work), Path(snakemake.output[0]))
