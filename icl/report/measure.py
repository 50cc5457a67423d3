"""What a table says of one retriever's similarities."""

from __future__ import annotations

import numpy as np

from icl.interaction import top_candidates
from icl.metrics import bootstrap_interval, retrieval_metrics
from icl.scores import Scores, blocks

#: The draws of the confidence intervals; not a run's seed, so that equal results have equal intervals.
BOOTSTRAP_SEED = 0
#: First images that a record names (Figure 7 shows them).
SHOWN = 10


def measure(scores: Scores, query_pids: np.ndarray, gallery_pids: np.ndarray, samples: int) -> dict:
    """Metrics in percent, the 95% interval of Rank-1 (bootstrap over queries), the sizes, and each query's values.

    Args:
        scores: similarities of Q queries to G images. samples: bootstrap samples.
    """
    found = retrieval_metrics(blocks(scores), query_pids, gallery_pids)
    low, high = bootstrap_interval((found.first == 1).astype(float), samples, BOOTSTRAP_SEED)
    sizes = {"queries": len(query_pids), "gallery": len(gallery_pids)}
    each = {"first": found.first.tolist(), "average_precision": np.round(found.average_precision, 6).tolist()}
    return {**found.summary(), "rank1_low": 100 * low, "rank1_high": 100 * high, **sizes, "per_query": each}


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
