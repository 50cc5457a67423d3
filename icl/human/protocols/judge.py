"""Judge: the person stands where T_loc is. THI's own state machine, unchanged, decides what is asked."""

from __future__ import annotations

from dataclasses import dataclass

from icl.human.protocols.base import Turn
from icl.rerank.thi.rounds import Interaction


@dataclass
class JudgeDialogue:
    """One query and one candidate a turn. "Cannot tell" is a No for the machine; the record keeps it as an abstention.

    Attributes:
        query: its number in the pack. caption: its text. interaction: the rounds of Algorithm 1.
    """

    query: int
    caption: str
    interaction: Interaction

    def turn(self) -> Turn | None:
        column = self.interaction.question()
        return None if column is None else Turn("judge", len(self.interaction.answers) + 1, self.caption, column)

    def take(self, answer: str, text: str = "", question: str = "") -> None:
        self.interaction.tell(answer == "yes")

    @property
    def kind(self) -> str:
        return "" if self.done else "judge"

    @property
    def done(self) -> bool:
        return self.interaction.question() is None
