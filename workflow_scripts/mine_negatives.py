"""Clean pairs by the baseline's last CCD division, and the most similar images of other identities."""

from pathlib import Path

from _glue import job


def mine(embeddings, k, keep=None):
    """(caption_id, image_ids of the k hardest negatives) of the captions in `keep`, a portion at a time."""
    rows = range(len(embeddings.caption_ids))
    rows = [n for n in rows if keep is None or embeddings.caption_ids[n] in keep]
    for start in range(0, len(rows), PORTION):
        part = rows[start : start + PORTION]
        similarity = embeddings.scores.rows(np.array(part))
        columns = top_k_negatives(similarity, embeddings.text_pids[part], embeddings.image_pids, k)
        yield from zip(embeddings.caption_ids[part].tolist(), embeddings.image_ids[columns].tolist(), strict=True)


def write(found, pairs, path):
    names = pairs.drop_duplicates("image_id").set_index("image_id").image
    rows = [(caption_id, [names[i] for i in ids]) for caption_id, ids in found]
    pd.DataFrame(rows, columns=["caption_id", "images"]).to_parquet(path, index=False)


with job(snakemake):
    import numpy as np
    import pandas as pd

    from icl.data.pairs import read_pairs
    from icl.retriever.encoding.vectors import Embeddings
    from icl.retriever.mining import top_k_negatives
    from icl.workflow.resources import PORTION

    pairs, ccd = read_pairs(Path(snakemake.input.pairs)), pd.read_parquet(snakemake.input.ccd)
    clean, folder = ccd[ccd.label == 1], Path(snakemake.input.embeddings)
    clean[["caption_id"]].to_parquet(snakemake.output.clean, index=False)
    train = mine(Embeddings.load(folder / "train.npz"), snakemake.params.top_k, set(clean.caption_id))
    write(train, pairs, snakemake.output.negatives)
    write(mine(Embeddings.load(folder / "val.npz"), 1) if snakemake.params.val else [], pairs, snakemake.output.heldout)
