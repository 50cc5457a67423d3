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

    shape: tuple[int, int]

    def rows(self, queries: slice | np.ndarray) -> np.ndarray:
        """Similarities (n, G) of some queries."""


@dataclass(frozen=True)
class MatrixScores:
    """A matrix (Q, G), which may be memory-mapped."""

    matrix: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.matrix.shape

    def rows(self, queries: slice | np.ndarray) -> np.ndarray:
        return self.matrix[queries]


@dataclass(frozen=True)
class EmbeddingScores:
    """Mean cosine over one or more embeddings of length 1: texts (Q, D) and images (G, D) of each."""

    texts: tuple[np.ndarray, ...]
    images: tuple[np.ndarray, ...]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.texts[0]), len(self.images[0])

    def rows(self, queries: slice | np.ndarray) -> np.ndarray:
        return sum(text[queries] @ image.T for text, image in zip(self.texts, self.images, strict=True)) / len(
            self.texts
        )


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
class Reranked:
    """S^ = weight S + (1 - weight) S', where S' of the anchor is 1; queries without an anchor keep S (section 5).

    Attributes:
        raw: S. refined: S' of the refined queries only, in the order of the queries that have an anchor.
        anchors: (Q,) gallery columns, -1 for none. weight: lambda.
    """

    raw: Scores
    refined: Scores
    anchors: np.ndarray
    weight: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.raw.shape

    def rows(self, queries: slice | np.ndarray) -> np.ndarray:
        numbers = np.arange(len(self.anchors))[queries]
        out = np.array(self.raw.rows(numbers))
        place = np.flatnonzero(self.anchors[numbers] >= 0)
        if not len(place):
            return out
        chosen = numbers[place]
        second = np.array(self.refined.rows((np.cumsum(self.anchors >= 0) - 1)[chosen]))
        second[np.arange(len(place)), self.anchors[chosen]] = 1.0
        out[place] = self.weight * out[place] + (1 - self.weight) * second
        return out


def blocks(scores: Scores, size: int = BLOCK) -> Iterator[np.ndarray]:
    """All rows in order, `size` queries at a time."""
    for start in range(0, scores.shape[0], size):
        yield scores.rows(slice(start, start + size))
