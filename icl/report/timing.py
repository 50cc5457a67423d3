"""Time per query of THI (supplementary, Table 1), and how it is spent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from icl.progress import progress
from icl.thi import THIResult


def timing(whole: THIResult, one: Callable[[int], THIResult], queries: int, alone: int) -> dict:
    """Time per query: the mean of a run over all queries in batches, and p50 and p95 of queries run one by one.

    Args:
        whole: a run over all queries, none of whose answers came from a store.
        one: runs a single query by number, without a store.
        queries: queries of the split. alone: how many of them to run one by one, evenly spread.

    Returns:
        seconds_per_query, split (the same by stage), calls (by kind), queries, p50, p95 (seconds), timed_alone.
    """
    chosen = np.unique(np.linspace(0, queries - 1, min(alone, queries)).astype(int)).tolist()
    one(0)  # the first call also plans kernels
    seconds = [sum(one(query).seconds.values()) for query in progress(chosen, len(chosen), "timing queries")]
    p50, p95 = (float(np.percentile(seconds, p)) for p in (50, 95))
    split = {stage: spent / queries for stage, spent in whole.seconds.items()}
    found = {"seconds_per_query": sum(split.values()), "split": split, "calls": whole.calls, "queries": queries}
    return found | {"p50": p50, "p95": p95, "timed_alone": len(chosen)}
