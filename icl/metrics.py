"""Retrieval metrics: pure functions of a similarity matrix and identities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from icl.errors import InputError


@dataclass(frozen=True)
class Metrics:
    """Text-to-image retrieval, in percent, with the per-query values behind each mean.

    Attributes:
        first: (Q,) 1-based rank of the first right image. average_precision, inp: (Q,) in [0, 1].
    """

    rank1: float
    rank5: float
    rank10: float
    map: float
    minp: float
    first: np.ndarray
    average_precision: np.ndarray
    inp: np.ndarray

    def summary(self) -> dict[str, float]:
        """The five means."""
        return {name: getattr(self, name) for name in ("rank1", "rank5", "rank10", "map", "minp")}


def _row(order_right: np.ndarray) -> tuple[int, float, float]:
    ranks = np.flatnonzero(order_right) + 1
    hits = np.arange(1, len(ranks) + 1)
    return int(ranks[0]), float((hits / ranks).mean()), float(len(ranks) / ranks[-1])


def retrieval_metrics(similarity: np.ndarray, query_pids: np.ndarray, gallery_pids: np.ndarray) -> Metrics:
    """Rank-k, mAP and mINP of all queries against the whole gallery.

    mINP is the mean of R / rank of the last right image. Ties are broken by the lower gallery column.

    Args:
        similarity: (Q, G). query_pids: (Q,). gallery_pids: (G,).

    Raises:
        InputError: a query's identity is not in the gallery, or a similarity is not finite.
    """
    if not np.isfinite(similarity).all():
        raise InputError("similarity", "values that are not finite", "finite numbers", "Look for NaN in the model.")
    absent = ~np.isin(query_pids, gallery_pids)
    if absent.any():
        found = f"query {int(absent.argmax())} of identity {query_pids[absent][0]} without an image in the gallery"
        raise InputError("queries", found, "one right image at least", "Check the split.")
    rows = []
    for start in range(0, len(similarity), 256):
        order = np.argsort(-similarity[start : start + 256], axis=1, kind="stable")
        right = gallery_pids[order] == query_pids[start : start + 256, None]
        rows += [_row(row) for row in right]
    first, precision, inp = (np.array(column) for column in zip(*rows, strict=True))
    rank = {k: 100 * float((first <= k).mean()) for k in (1, 5, 10)}
    return Metrics(
        rank[1], rank[5], rank[10], 100 * float(precision.mean()), 100 * float(inp.mean()), first, precision, inp
    )


def bootstrap_interval(values: np.ndarray, samples: int, seed: int, level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean over queries.

    Args:
        values: (Q,) per-query values. samples: bootstrap samples. seed: of the draws. level: coverage.
    """
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(samples)]
    tail = 100 * (1 - level) / 2
    return float(np.percentile(means, tail)), float(np.percentile(means, 100 - tail))
