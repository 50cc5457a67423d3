"""Digests of a generated benchmark, compared with its frozen version."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.files import write_json
    from icl.publish.frozen import checked, split_facts

    found = split_facts(Path(snakemake.input.annotations), Path(snakemake.input.truth))
    write_json(snakemake.output[0], checked(snakemake.params.spec, found))
