"""Scores whose first candidates stand in another order, before all other images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from icl.ranking.scores import Scores


@dataclass(frozen=True)
class Promoted:
    """Scores whose first candidates stand in the order of their values, all before the other images.

    Attributes:
        raw: similarities. candidates: (Q, k) columns, best first. values: (Q, k); equal ones keep the raw order.
    """

    raw: Scores
    candidates: np.ndarray
    values: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.raw.shape

    def rows(self, queries: slice | np.ndarray) -> np.ndarray:
        out, chosen = np.array(self.raw.rows(queries)), self.candidates[queries]
        k = chosen.shape[1]
        order = np.argsort(-self.values[queries].astype(float), axis=1, kind="stable")
        place = np.argsort(order, axis=1)  # 0 for the best
        np.put_along_axis(out, chosen, out.max(1, keepdims=True) + k - place, axis=1)
        return out
