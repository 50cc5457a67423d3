"""Gather the trained retriever and adapter into a folder to ship."""

from pathlib import Path

from _glue import job, settings_of

with job(snakemake):
    from icl.apps.shipped import Trained, write_shipped
    from icl.workflow.searching import origin_of

    given = {name: Path(path) for name, path in snakemake.input.items()}
    run = Trained(**{**given, "retriever": given["retriever"].parent, "adapter": given["adapter"].parent})
    write_shipped(run, origin_of(settings_of(snakemake)), Path(snakemake.output[0]))
