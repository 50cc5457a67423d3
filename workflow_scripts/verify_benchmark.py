"""Compare one benchmark's files with what its owners distribute."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.data.verify import verify
    from icl.files import write_json

    p = snakemake.params
    write_json(snakemake.output[0], verify(p.layout, Path(p.root), p.generated, snakemake.threads))
