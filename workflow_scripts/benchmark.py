"""Write a generated benchmark in CUHK-PEDES' layout; its attributes go to a file of their own."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.config import typed
    from icl.data.synth.benchmark import write_benchmark
    from icl.settings import DatasetSettings

    annotations = Path(snakemake.output.annotations)
    spec = typed(DatasetSettings, snakemake.params.spec)
    write_benchmark(spec, annotations.parent, Path(snakemake.output.truth))
