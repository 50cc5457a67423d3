"""The interaction record."""

from __future__ import annotations

from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import Scores, blocks, top_candidates

#: First images that a record names (Figure 7 shows them).
SHOWN = 10


def with_ranks(records: list[dict], emb, before: Scores, after: Scores) -> list[dict]:
    """Interaction records with ids, and both times the first images and the rank of the first right one.

    Args:
        emb: embeddings of the split. before, after: similarities without and with THI.
    """
    first = [retrieval_metrics(blocks(s), emb.text_pids, emb.image_pids).first for s in (before, after)]
    best = [emb.image_ids[top_candidates(s, SHOWN)[0]] for s in (before, after)]
    out = []
    for q, record in enumerate(records):
        ids = {
            "caption_id": int(emb.caption_ids[q]),
            "pid": int(emb.text_pids[q]),
            "candidate_image_ids": emb.image_ids[record["candidates"]].tolist(),
            "candidate_pids": emb.image_pids[record["candidates"]].tolist(),
            "rank_before": int(first[0][q]),
            "rank_after": int(first[1][q]),
            "best_before": best[0][q].tolist(),
            "best_after": best[1][q].tolist(),
        }
        out.append({**record, **ids})
    return out
