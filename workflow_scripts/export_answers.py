"""Pack the stored answers that a table stands on, with its provenance."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.workflow.answers import export

    export(Path(snakemake.input[0]).parent, snakemake.params.answers, Path(snakemake.output[0]))
