"""Time per query of THI (supplementary, Table 1), and how it is spent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from icl.progress import progress

STAGES = ("localisation", "vqa", "aggregation", "reencoding", "reranking")
"""What the time of a query is split into."""


def time_of(
    stages: dict[str, float], calls: dict[str, int], alone: Callable[[int], float] | None, queries: int, count: int
) -> dict:
    """Time per query: the mean over a run of all queries in batches, and p50 and p95 of queries run one by one.

    Args:
        stages: seconds of the run over all queries by stage (of `STAGES`), no answer taken from a store. calls: by kind.
        alone: runs a single query by number, without a store, and gives its seconds; None: p50 and p95 stay empty.
        queries: queries of the split. count: how many of them to run alone, evenly spread.

    Returns:
        seconds_per_query, split (the same by stage), calls, queries, p50, p95 (seconds), timed_alone.
    """
    split = {stage: stages.get(stage, 0.0) / queries for stage in STAGES}
    found = {"seconds_per_query": sum(split.values()), "split": split, "calls": calls, "queries": queries}
    if alone is None:
        return found | {"p50": None, "p95": None, "timed_alone": 0}
    chosen = np.unique(np.linspace(0, queries - 1, min(count, queries)).astype(int)).tolist()
    alone(0)  # the first call also plans kernels
    seconds = [alone(query) for query in progress(chosen, len(chosen), "timing queries")]
    p50, p95 = (float(np.percentile(seconds, p)) for p in (50, 95))
    return found | {"p50": p50, "p95": p95, "timed_alone": len(chosen)}


def untimed(calls: dict[str, int], queries: int) -> dict:
    """The same form where answers were only replayed: no seconds."""
    times = dict.fromkeys(("seconds_per_query", "p50", "p95"))
    return times | {"split": dict.fromkeys(STAGES), "calls": calls, "queries": queries, "timed_alone": 0}
