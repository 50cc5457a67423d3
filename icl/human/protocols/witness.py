"""Witness: a picture of the wanted person is shown and hidden; the person describes it, then answers questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from icl.human.protocols.base import Turn

Asker = Callable[[list[str], list[str]], tuple[tuple[int, ...], str]]
"""What was told so far and the questions asked so far, to the columns of the first images and the next question."""


@dataclass
class WitnessDialogue:
    """One query: look, describe, then one question a round.

    Attributes:
        query: its number in the pack. look: gallery column of the picture that is shown. rounds: questions.
        asker: gives the first images and a question. told: the description, then the answers. asked: questions answered.
    """

    query: int
    look: int
    rounds: int
    asker: Asker
    told: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    seen: bool = False

    def turn(self) -> Turn | None:
        kind = self.kind
        if kind != "ask":
            return Turn(kind, 0, "", self.look if kind == "look" else None) if kind else None
        images, question = self.asker(self.told, self.asked)
        return Turn("ask", len(self.asked) + 1, " ".join(self.told), None, images, question)

    def take(self, answer: str, text: str = "", question: str = "") -> None:
        if answer == "seen":
            self.seen = True
        elif answer == "described":
            self.told.append(text)
        else:
            self.asked.append(question)
            if answer == "told":
                self.told.append(text)

    @property
    def kind(self) -> str:
        if not self.seen:
            return "look"
        return "" if self.done else "ask" if self.told else "describe"

    @property
    def done(self) -> bool:
        return bool(self.told) and len(self.asked) >= self.rounds
