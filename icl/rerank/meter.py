"""What a re-ranking asks: questions, tokens and the model's seconds, counted where they pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from icl.mllm.protocol import Answer, Backend, Request, is_tolerant


@dataclass
class Meter:
    """A back-end that counts what goes through it, answered from a store or not.

    Attributes:
        spent: by kind of question: questions, prompt_tokens, answer_tokens, and seconds of the model.
    """

    backend: Backend
    spent: dict[str, dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tolerant = is_tolerant(self.backend)

    def identity(self, task: str) -> dict[str, str]:
        return self.backend.identity(task)

    def forget_images(self) -> None:
        self.backend.forget_images()

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        answers = self.backend.answer(requests)
        for request, answer in zip(requests, answers, strict=True):
            kind = {"questions": 0, "prompt_tokens": 0, "answer_tokens": 0, "seconds": 0.0}
            kind = self.spent.setdefault(request.task, kind)
            kind["questions"] += 1
            for name in ("prompt_tokens", "answer_tokens", "seconds"):
                kind[name] += getattr(answer, name)
        return answers

    @property
    def calls(self) -> dict[str, int]:
        """Questions by kind."""
        return {task: int(kind["questions"]) for task, kind in self.spent.items()}
