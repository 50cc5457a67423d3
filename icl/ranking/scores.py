"""Similarities of queries to a gallery, some rows at a time: a query x gallery matrix never has to exist."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

BLOCK = 512
"""Queries in one block."""


class Scores(Protocol):
    """Q queries against G gallery images."""

    @property
    def shape(self) -> tuple[int, int]:
        """(Q, G)."""

    def rows(self, queries: slice | np.ndarray) -> np.ndarray:
        """Similarities (n, G) of some queries."""


@dataclass(frozen=True)
class MatrixScores:
    """A matrix (Q, G) of real numbers, which may be memory-mapped; rows are given in float32 or float64."""

    matrix: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.matrix.shape

    def rows(self, queries: slice | np.ndarray) -> np.ndarray:
        rows = self.matrix[queries]
        whole = np.result_type(rows.dtype, np.float32) if rows.dtype.itemsize <= 8 else np.float64
        return np.asarray(rows, dtype=whole)


@dataclass(frozen=True)
class EmbeddingScores:
    """Mean cosine over one or more embeddings of length 1: texts (Q, D) and images (G, D) of each."""

    texts: tuple[np.ndarray, ...]
    images: tuple[np.ndarray, ...]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.texts[0]), len(self.images[0])

    def rows(self, queries: slice | np.ndarray) -> np.ndarray:
        whole, *others = (text[queries] @ image.T for text, image in zip(self.texts, self.images, strict=True))
        for part in others:
            whole += part
        if others:
            whole /= len(self.texts)
        return whole


@dataclass(frozen=True)
class Part:
    """Some of the queries of other scores, by number."""

    whole: Scores
    numbers: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.numbers), self.whole.shape[1]

    def rows(self, queries: slice | np.ndarray) -> np.ndarray:
        return self.whole.rows(self.numbers[queries])


@dataclass(frozen=True)
class Mixed:
    """(1 - weight) one + weight other, of the same queries and gallery."""

    one: Scores
    other: Scores
    weight: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.one.shape

    def rows(self, queries: slice | np.ndarray) -> np.ndarray:
        return (1 - self.weight) * self.one.rows(queries) + self.weight * self.other.rows(queries)


@dataclass(frozen=True)
class Raised:
    """Scores plus values (Q, k) at some columns (Q, k) of the gallery, each of which a query names once."""

    raw: Scores
    columns: np.ndarray
    values: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.raw.shape

    def rows(self, queries: slice | np.ndarray) -> np.ndarray:
        out, columns = np.array(self.raw.rows(queries)), self.columns[queries]
        there = np.take_along_axis(out, columns, axis=1)
        np.put_along_axis(out, columns, there + self.values[queries], axis=1)
        return out


def blocks(scores: Scores, size: int = BLOCK) -> Iterator[np.ndarray]:
    """All rows in order, `size` queries at a time."""
    for start in range(0, scores.shape[0], size):
        yield scores.rows(slice(start, start + size))


def best_columns(worse: np.ndarray, k: int) -> np.ndarray:
    """Columns of the k smallest values of a row, smallest first; ties to the lower column, as a stable sort would give.

    Only the part of the row that can belong to them is sorted.

    Args:
        worse: (G,) what is small for the best, such as minus the similarities. k: 1 to G.
    """
    limit = np.partition(worse, k - 1)[k - 1]
    near = np.flatnonzero(
        ~(worse > limit)
    )  # ascending columns: a stable sort leaves ties in that order; NaN comes last
    return near[np.argsort(worse[near], kind="stable")[:k]]


def top_candidates(scores: Scores, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k most similar images of each query: gallery columns (Q, k), best first, and the similarity of the first (Q,).

    Ties go to the lower column.
    """
    k = min(k, scores.shape[1])
    out, top1 = np.empty((scores.shape[0], k), dtype=np.int64), np.empty(scores.shape[0])
    query = 0
    for block in blocks(scores):
        for row in block:
            out[query] = best_columns(-row, k)
            top1[query] = row[out[query, 0]]
            query += 1
    return out, top1


def at_columns(scores: Scores, columns: np.ndarray) -> np.ndarray:
    """Similarities (Q, k) of each query to k images of its own.

    Args:
        columns: (Q, k), as `top_candidates` gives them.
    """
    out, row = np.empty(columns.shape), 0
    for block in blocks(scores):
        out[row : row + len(block)] = np.take_along_axis(block, columns[row : row + len(block)], axis=1)
        row += len(block)
    return out
