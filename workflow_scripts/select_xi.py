"""Choose THI's threshold on the val split, or take the one that the configuration fixes."""

from functools import partial

from _glue import job
from _interaction import open_split, stored

with job(snakemake):
    from icl.provenance import write_json
    from icl.thi import select_xi

    if snakemake.params.xi is not None:
        found = {"xi": snakemake.params.xi, "selection": "fixed in the configuration"}
    else:
        s = open_split(snakemake, "val")
        found = select_xi(
            s.emb.scores,
            s.emb.text_pids,
            s.emb.image_pids,
            s.captions,
            s.images,
            partial(s.refine, s.emb.scores),
            stored(s.backend, snakemake),
            s.mllm,
            s.thi.rounds,
            s.thi.lambda_,
            s.thi.xi_grid,
        )
        found["selection"] = "best Rank-1 on val"
    write_json(snakemake.output.xi, found)
