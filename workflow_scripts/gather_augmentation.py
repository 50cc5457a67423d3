"""Gather the shards of augmented captions, or import a published augmentation file."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.data.pairs import read_pairs
    from icl.files import write_json
    from icl.rda.augmentation import gather
    from icl.rda.published import import_published

    out, fallbacks = Path(snakemake.output.augmented), {}
    if snakemake.params.source:
        import_published(Path(snakemake.params.source), read_pairs(Path(snakemake.input.pairs)), out)
    else:
        fallbacks = gather([Path(path) for path in snakemake.input.shards], out)
    write_json(Path(snakemake.output.fallbacks), fallbacks)
