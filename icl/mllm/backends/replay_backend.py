"""No model at all: a published run's answers (`results/answers`) stand for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from icl.errors import InputError
from icl.mllm.protocol import Answer, Request
from icl.mllm.settings import MLLMSettings


class ReplayBackend:
    """Answers nothing itself; the store in front of it holds the answers and says who gave them."""

    replay = True

    def __init__(self, settings: MLLMSettings, adapter: str | None = None) -> None:
        self.portion = 10**9  # all that is missing is reported at once

    def check(self) -> None:
        """There is no server that could be down."""

    def forget_images(self) -> None:
        """No image was looked at."""

    def identity(self, task: str) -> dict[str, str]:
        """Unknown here: the store knows it."""
        return {}

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Never.

        Raises:
            InputError: always; counts the questions that the stored answers lack.
        """
        kinds = ", ".join(f"{count} of {task}" for task, count in Counter(r.task for r in requests).items())
        expected = "every question in results/answers, from a run with the same configuration and retriever weights"
        remedy = "Unpack that run's answers there, compare its provenance.json, or set mllm.backend to ask a model."
        raise InputError("mllm.backend replay", f"{kinds} without a stored answer", expected, remedy)
