"""What a table says of one retriever's similarities."""

from __future__ import annotations

import numpy as np

from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import Scores, blocks
from icl.ranking.significance import bootstrap_interval

#: The draws of the confidence intervals; not a run's seed, so that equal results have equal intervals.
BOOTSTRAP_SEED = 0


def measure(scores: Scores, query_pids: np.ndarray, gallery_pids: np.ndarray) -> dict:
    """Metrics in percent, the sizes, and each query's values.

    Args:
        scores: similarities of Q queries to G images.
    """
    found = retrieval_metrics(blocks(scores), query_pids, gallery_pids)
    sizes = {"queries": len(query_pids), "gallery": len(gallery_pids)}
    each = {"first": found.first.tolist(), "average_precision": np.round(found.average_precision, 6).tolist()}
    return {**found.summary(), **sizes, "per_query": each}


def rank1_interval(measured: dict, samples: int) -> tuple[float, float]:
    """The 95% interval of Rank-1 in percent (bootstrap over queries).

    Args:
        measured: what `measure` gave. samples: bootstrap samples.
    """
    hits = (np.array(measured["per_query"]["first"]) == 1).astype(float)
    low, high = bootstrap_interval(hits, samples, BOOTSTRAP_SEED)
    return 100 * low, 100 * high
