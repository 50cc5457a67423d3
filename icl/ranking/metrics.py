"""Retrieval metrics: pure functions of a similarity matrix and identities."""

from __future__ import annotations

from collections.abc import Iterable
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


#: Right images of a query from which on one sort of its row's values is cheaper than a count for each of them.
SORT_FROM = 4


def ranks_of(scores: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """1-based ranks of some columns of one row of similarities, ascending.

    The rank of a column is one more than the number of columns before it: those of a higher similarity, and those of the
    same similarity further left. Few columns are counted one by one; of many, values alone are sorted, which takes a tenth
    of the time of sorting column numbers, and columns further left are looked at where similarities are equal.

    Args:
        scores: (G,), finite. columns: (R,) distinct columns.
    """
    count, values = np.count_nonzero, scores[columns]
    if len(columns) < SORT_FROM:
        before = np.empty(len(scores), dtype=bool)
        ranks = np.empty(len(columns), dtype=np.int64)
        for n, column in enumerate(columns.tolist()):
            np.greater_equal(scores[:column], values[n], out=before[:column])
            np.greater(scores[column:], values[n], out=before[column:])
            ranks[n] = 1 + count(before)
    else:
        ordered = np.sort(scores)
        not_above = np.searchsorted(ordered, values, side="right")
        ranks = 1 + len(scores) - not_above
        for tied in np.flatnonzero(not_above - np.searchsorted(ordered, values) > 1):
            ranks[tied] += count(scores[: columns[tied]] == values[tied])
    ranks.sort()
    return ranks


def columns_by_pid(gallery_pids: np.ndarray) -> dict[int, np.ndarray]:
    """Ascending columns of each identity of a gallery (G,)."""
    order = np.argsort(gallery_pids, kind="stable")
    pids, starts = np.unique(gallery_pids[order], return_index=True)
    return dict(zip(pids.tolist(), np.split(order, starts[1:]), strict=True))


def right_columns(query_pids: np.ndarray, gallery_pids: np.ndarray) -> list[np.ndarray]:
    """Ascending gallery columns of each query's own identity.

    Args:
        query_pids: (Q,). gallery_pids: (G,).

    Raises:
        InputError: a query's identity is not in the gallery.
    """
    absent = ~np.isin(query_pids, gallery_pids)
    if absent.any():
        found = f"query {int(absent.argmax())} of identity {query_pids[absent][0]} without an image in the gallery"
        raise InputError("queries", found, "one right image at least", "Check the split.")
    columns = columns_by_pid(np.asarray(gallery_pids))
    return [columns[pid] for pid in np.asarray(query_pids).tolist()]


def retrieval_metrics(
    similarity: np.ndarray | Iterable[np.ndarray], query_pids: np.ndarray, gallery_pids: np.ndarray
) -> Metrics:
    """Rank-k, mAP and mINP of all queries against the whole gallery.

    mINP is the mean of R / rank of the last right image. Ties are broken by the lower gallery column.

    Args:
        similarity: (Q, G), or blocks of its rows in order, so that the whole need not be in memory at once.
        query_pids: (Q,). gallery_pids: (G,).

    Raises:
        InputError: a query's identity is not in the gallery, or a similarity is not finite.
    """
    right = right_columns(query_pids, gallery_pids)
    blocks = [similarity] if isinstance(similarity, np.ndarray) else similarity
    first, precision, inp = (np.empty(len(right), dtype=t) for t in (np.int64, float, float))
    query = 0
    for block in blocks:
        if not np.isfinite(block).all():
            raise InputError("similarity", "values that are not finite", "finite numbers", "Look for NaN in the model.")
        for scores in block:
            ranks = ranks_of(scores, right[query])
            first[query], inp[query] = ranks[0], len(ranks) / ranks[-1]
            precision[query] = (np.arange(1, len(ranks) + 1) / ranks).mean()
            query += 1
    if query != len(right):
        raise InputError("similarity", f"{query} rows", f"one for each of {len(right)} queries", "Give all blocks.")
    rank = {k: 100 * float((first <= k).mean()) for k in (1, 5, 10)}
    return Metrics(
        rank[1], rank[5], rank[10], 100 * float(precision.mean()), 100 * float(inp.mean()), first, precision, inp
    )
