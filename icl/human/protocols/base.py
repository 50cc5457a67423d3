"""What a protocol asks of a person, one turn after the other. Pure: no files, no web, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

TAKES = {
    "judge": ("yes", "no", "unsure"),
    "look": ("seen",),
    "describe": ("described",),
    "ask": ("told", "unsure"),
}
"""Answers by kind of turn."""
WRITTEN = ("described", "told")
"""Answers that come with a text of the person's own."""


@dataclass(frozen=True)
class Turn:
    """What is shown next of one query.

    Attributes:
        kind: a key of `TAKES`. round: from 1; 0 before the first question. text: the query's text so far.
        image: gallery column shown, or None. images: columns of the first images (ask). question: in words (ask).
    """

    kind: str
    round: int
    text: str
    image: int | None = None
    images: tuple[int, ...] = ()
    question: str = ""

    @property
    def shown(self) -> list[int]:
        """All gallery columns that are shown."""
        return list(self.images) if self.image is None else [self.image]


class Dialogue(Protocol):
    """All turns of one query: its state is a function of the answers taken."""

    query: int

    def turn(self) -> Turn | None:
        """What is asked next; None when the query is done."""

    def take(self, answer: str, text: str = "", question: str = "") -> None:
        """Take the answer to the present turn: one of `TAKES`; `text` where it is `WRITTEN`.

        Args:
            question: of the turn, where it asks one.
        """

    @property
    def kind(self) -> str:
        """Of the present turn, known without ranking anything; "" when the query is done."""

    @property
    def done(self) -> bool:
        """Whether no turn is left; known without ranking anything."""
