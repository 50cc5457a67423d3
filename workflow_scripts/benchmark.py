"""Write a generated benchmark in CUHK-PEDES' layout; its attributes go to a file of their own."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.data.settings import DatasetSettings
    from icl.fields import typed
    from icl.synthpedes.benchmark import write_benchmark

    annotations = Path(snakemake.output.annotations)
    spec = typed(DatasetSettings, snakemake.params.spec)
    write_benchmark(spec, annotations.parent, Path(snakemake.output.truth))
