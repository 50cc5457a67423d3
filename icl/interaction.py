"""THI as a pure state machine (Algorithm 1): it asks for questions and takes answers; it knows no back-end and no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


def top_candidates(similarity: np.ndarray, k: int) -> np.ndarray:
    """(Q, k) gallery columns of the k most similar images, best first; ties by the lower column.

    Only the part of a row that can belong to them is sorted.
    """
    k = min(k, similarity.shape[1])
    out = np.empty((len(similarity), k), dtype=np.int64)
    for q, scores in enumerate(similarity):
        least = scores[np.argpartition(scores, -k)[-k:]].min()
        near = np.flatnonzero(scores >= least)  # ascending columns: a stable sort leaves ties in that order
        out[q] = near[np.argsort(-scores[near], kind="stable")[:k]]
    return out


@dataclass
class Interaction:
    """The rounds of one query.

    A question is asked only where its answer can still make an anchor: after a round-1 `No` above xi, or a round-1 `Yes`
    at or below xi, nothing can (a query above xi is refined by its top-1 alone, one below xi by a later candidate).

    Attributes:
        candidates: gallery columns, best first. top1: similarity of the first. xi: threshold.
        answers: answers so far, by round. anchor: confirmed gallery column, or None.
    """

    candidates: list[int]
    top1: float
    xi: float
    answers: list[bool] = field(default_factory=list)
    anchor: int | None = None

    def question(self) -> int | None:
        """Gallery column to ask about next; None when the interaction is over."""
        if self.anchor is not None or len(self.answers) == len(self.candidates):
            return None
        if self.answers and (self.top1 > self.xi or any(self.answers)):
            return None
        return self.candidates[len(self.answers)]

    def tell(self, yes: bool) -> None:
        """Take the answer to the last question."""
        self.answers.append(yes)
        first = len(self.answers) == 1
        if yes and first == (self.top1 > self.xi):
            self.anchor = self.candidates[len(self.answers) - 1]

    @property
    def round(self) -> int | None:
        """Round (from 1) that made the anchor."""
        return len(self.answers) if self.anchor is not None else None


def anchors_at(xi: float, top1: np.ndarray, candidates: np.ndarray, first_yes: np.ndarray) -> np.ndarray:
    """Replay recorded answers at another threshold.

    Args:
        top1: (Q,) similarity of the first candidate. candidates: (Q, K).
        first_yes: (Q,) number (from 0) of the first candidate answered Yes, K where none was.

    Returns:
        (Q,) anchor columns, -1 where none.
    """
    high = top1 > xi
    found = np.where(high, first_yes == 0, (first_yes > 0) & (first_yes < candidates.shape[1]))
    chosen = candidates[np.arange(len(top1)), np.minimum(first_yes, candidates.shape[1] - 1)]
    return np.where(found, chosen, -1)


def rerank(similarity: np.ndarray, refined: np.ndarray, anchors: np.ndarray, weight: float) -> np.ndarray:
    """S^ = weight S + (1 - weight) S', where S' of the anchor is 1; queries without an anchor keep S.

    Args:
        similarity, refined: (Q, G) of the raw and of the refined queries (rows without an anchor are not read).
        anchors: (Q,) gallery columns, -1 for none. weight: lambda.
    """
    out = similarity.copy()
    rows = np.flatnonzero(anchors >= 0)
    second = refined[rows].copy()
    second[np.arange(len(rows)), anchors[rows]] = 1.0
    out[rows] = weight * similarity[rows] + (1 - weight) * second
    return out
