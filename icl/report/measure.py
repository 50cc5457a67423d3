"""What a table says of one similarity matrix."""

from __future__ import annotations

import numpy as np

from icl.metrics import bootstrap_interval, retrieval_metrics

#: The draws of the confidence intervals; not a run's seed, so that equal results have equal intervals.
BOOTSTRAP_SEED = 0


def measure(similarity: np.ndarray, query_pids: np.ndarray, gallery_pids: np.ndarray, samples: int) -> dict:
    """Metrics in percent, the 95% interval of Rank-1 (bootstrap over queries), and the sizes.

    Args:
        similarity: (Q, G). samples: bootstrap samples.
    """
    found = retrieval_metrics(similarity, query_pids, gallery_pids)
    low, high = bootstrap_interval((found.first == 1).astype(float), samples, BOOTSTRAP_SEED)
    sizes = {"queries": len(query_pids), "gallery": len(gallery_pids)}
    return {**found.summary(), "rank1_low": 100 * low, "rank1_high": 100 * high, **sizes}


def with_ranks(records: list[dict], emb, before: np.ndarray, after: np.ndarray) -> list[dict]:
    """Interaction records with the caption's and images' ids, and the rank of the first right image both times.

    Args:
        emb: embeddings of the split. before, after: (Q, G) similarities without and with THI.
    """
    first = [retrieval_metrics(s, emb.text_pids, emb.image_pids).first for s in (before, after)]
    out = []
    for q, record in enumerate(records):
        ids = {
            "caption_id": int(emb.caption_ids[q]),
            "pid": int(emb.text_pids[q]),
            "candidate_image_ids": emb.image_ids[record["candidates"]].tolist(),
            "candidate_pids": emb.image_pids[record["candidates"]].tolist(),
            "rank_before": int(first[0][q]),
            "rank_after": int(first[1][q]),
        }
        out.append({**record, **ids})
    return out
