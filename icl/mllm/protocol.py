"""What every MLLM back-end does: a batch of requests in, answers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

YES_NO = ("Yes", "No")


@dataclass(frozen=True)
class Request:
    """One question.

    Attributes:
        task: name of the prompt (localise, vqa, aggregate, decompose, rewrite). text: the rendered prompt.
        image: image file, if the prompt looks at one. max_new_tokens: limit of the answer.
        choices: the only possible answers, whose probabilities are wanted; None for free text.
    """

    task: str
    text: str
    image: Path | None
    max_new_tokens: int
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Answer:
    """One answer; `probabilities` over the choices where the back-end gives them."""

    text: str
    probabilities: dict[str, float] | None = None
    prompt_tokens: int = 0
    answer_tokens: int = 0
    seconds: float = 0.0


class Backend(Protocol):
    """A multimodal language model that can be asked."""

    def identity(self, task: str) -> dict[str, str]:
        """What an answer to this task depends on besides the request: back-end, model and adapter digests."""

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Answers in the order of the requests."""
