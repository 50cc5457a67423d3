"""THI's similarities: the raw query's and the refined one's, merged (section 5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from icl.ranking.scores import Scores


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
        return self.merged(numbers, self.raw.rows(numbers))

    def merged(self, numbers: np.ndarray, raw: np.ndarray) -> np.ndarray:
        """The rows of queries by number, from their rows (n, G) of S, which stay as they are."""
        out = np.array(raw)
        place = np.flatnonzero(self.anchors[numbers] >= 0)
        if not len(place):
            return out
        chosen = numbers[place]
        second = np.array(self.refined.rows((np.cumsum(self.anchors >= 0) - 1)[chosen]))
        second[np.arange(len(place)), self.anchors[chosen]] = 1.0
        out[place] = self.weight * out[place] + (1 - self.weight) * second
        return out
