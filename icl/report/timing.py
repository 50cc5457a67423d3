"""Time per query of THI (supplementary, Table 1), and how it is spent."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from icl.progress import progress
from icl.settings import MLLMSettings, THISettings
from icl.thi import SimilarityOf, run_thi


def time_interaction(
    similarity: np.ndarray,
    captions: list[str],
    images: list[Path],
    similarity_of: SimilarityOf,
    backend,
    mllm: MLLMSettings,
    thi: THISettings,
    xi: float,
) -> dict:
    """Time all queries in batches (the mean and its parts), then some queries one by one (p50 and p95).

    Nothing is taken from a store, and the images' kept visual tokens are dropped before each measurement.

    Args:
        similarity: (Q, G). backend: without a store.

    Returns:
        seconds_per_query, split (the same by stage), calls (by kind), queries, p50, p95 (seconds), timed_alone.
    """

    def run(rows: np.ndarray):
        forget = getattr(backend, "forget_images", None)
        if forget:
            forget()
        texts = [captions[q] for q in rows]
        return run_thi(similarity[rows], texts, images, similarity_of, backend, mllm, thi.rounds, xi, thi.lambda_)

    count = len(captions)
    run(np.arange(min(2, count)))  # first calls also load and plan
    whole = run(np.arange(count))
    chosen = np.unique(np.linspace(0, count - 1, min(thi.timing_queries, count)).astype(int))
    alone = [sum(run(np.array([q])).seconds.values()) for q in progress(chosen, len(chosen), "timing queries")]
    p50, p95 = (float(np.percentile(alone, p)) for p in (50, 95))
    split = {stage: seconds / count for stage, seconds in whole.seconds.items()}
    found = {"seconds_per_query": sum(split.values()), "split": split, "calls": whole.calls, "queries": count}
    return found | {"p50": p50, "p95": p95, "timed_alone": len(chosen)}
