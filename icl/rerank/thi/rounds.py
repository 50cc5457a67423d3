"""THI as a pure state machine (Algorithm 1): it asks for questions and takes answers; it knows no back-end and no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field


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
