"""THI as a pure state machine (Algorithm 1): it asks for questions and takes answers; it knows no back-end and no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from icl.scores import Scores, blocks


def top_candidates(scores: Scores, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k most similar images of each query: gallery columns (Q, k), best first, and the similarity of the first (Q,).

    Ties go to the lower column. Only the part of a row that can belong to them is sorted.
    """
    k = min(k, scores.shape[1])
    out, top1 = np.empty((scores.shape[0], k), dtype=np.int64), np.empty(scores.shape[0])
    query = 0
    for block in blocks(scores):
        for row in block:
            least = row[np.argpartition(row, -k)[-k:]].min()
            near = np.flatnonzero(row >= least)  # ascending columns: a stable sort leaves ties in that order
            out[query] = near[np.argsort(-row[near], kind="stable")[:k]]
            top1[query] = row[out[query, 0]]
            query += 1
    return out, top1


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
