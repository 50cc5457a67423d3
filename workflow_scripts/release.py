"""Gather the trained retriever and adapter into a folder to ship."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.apps.shipped import Trained, write_shipped

    given = {name: Path(path) for name, path in snakemake.input.items()}
    run = Trained(**{**given, "retriever": given["retriever"].parent, "adapter": given["adapter"].parent})
    write_shipped(run, snakemake.params.origin, Path(snakemake.output[0]))
