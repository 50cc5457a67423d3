"""Gather the trained retriever and adapter into a folder to ship."""

from pathlib import Path

from _glue import job, settings_of

with job(snakemake):
    from icl.apps.shipped import Trained, write_shipped
    from icl.workflow.searching import origin_of

    given = snakemake.input
    run = Trained(
        Path(given.retriever).parent,
        Path(given.adapter).parent,
        [Path(path) for path in given.chosen],
        Path(given.plain),
        [Path(path) for path in given.merged],
        Path(given.judge),
    )
    write_shipped(run, origin_of(settings_of(snakemake)), Path(snakemake.output[0]))
