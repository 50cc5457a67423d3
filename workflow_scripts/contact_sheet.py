"""Draw a generated benchmark's contact sheet."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.synthpedes.benchmark import draw_contact_sheet

    draw_contact_sheet(Path(snakemake.input[0]).parent, Path(snakemake.output[0]))
