"""Fetch a benchmark that its owners serve openly, where the configuration asks for it."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.data.download import download

    p = snakemake.params
    download(p.layout, Path(p.root), p.url)
