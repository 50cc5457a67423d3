"""Choose a re-ranking's parameters on the val split, or take those that nothing has to be chosen for."""

from _glue import job
from _reranking import open_split, stored, taken, way_of

with job(snakemake):
    from icl.files import write_json

    way, given = way_of(snakemake), snakemake.params
    if (found := given.fixed) is None:
        split = open_split(snakemake, "val")
        backend = stored(split, snakemake) if split.backend is not None else None
        found = way.choose(split, backend, taken(snakemake))
    write_json(snakemake.output[0], found)
