"""What a table says of one retriever's similarities."""

from __future__ import annotations

import numpy as np

from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import Scores, blocks
from icl.ranking.significance import bootstrap_interval

#: The draws of the confidence intervals; not a run's seed, so that equal results have equal intervals.
BOOTSTRAP_SEED = 0


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
