"""What every MLLM back-end does: a batch of requests in, answers out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from icl.errors import InputError

YES_NO = ("Yes", "No")


@dataclass(frozen=True)
class Request:
    """One question.

    Attributes:
        task: name of the prompt (localise, vqa, aggregate, decompose, rewrite). text: the rendered prompt.
        image: image file, if the prompt looks at one. max_new_tokens: limit of the answer.
        choices: the only possible answers, whose probabilities are wanted; None for free text.
        temperature: 0 takes the likeliest words; above it, words are drawn, by `seed` and the question alone.
    """

    task: str
    text: str
    image: Path | None
    max_new_tokens: int
    choices: tuple[str, ...] | None = None
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        probabilities: over the choices, where the back-end gives them. seconds: of this answer alone, or its part of a batch's.
        error: why there is none, after all tries; `text` is then empty.
    """

    text: str
    probabilities: dict[str, float] | None = None
    prompt_tokens: int = 0
    answer_tokens: int = 0
    seconds: float = 0.0
    error: str = ""


def is_replay(backend: object) -> bool:
    """Whether a back-end only stands for answers that are already stored: nothing can be asked or timed."""
    return getattr(backend, "replay", False)


class Backend(Protocol):
    """A multimodal language model that can be asked."""

    def identity(self, task: str) -> dict[str, str]:
        """What an answer to this task depends on besides the request: back-end, model and adapter digests."""

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Answers in the order of the requests."""

    def forget_images(self) -> None:
        """Drop what is kept of images between calls, so that timing is honest."""

    # A back-end may also have `stream(requests)`, which gives (place, Answer) as they come: each is then stored at once.


def is_tolerant(backend: object) -> bool:
    """Whether questions that found no answer fall back instead of ending the run (`mllm.on_failure`)."""
    return getattr(backend, "tolerant", False)


def require_answers(requests: Sequence[Request], answers: Sequence[Answer], backend: Backend, where: str = "") -> None:
    """Stop where some questions found no answer, unless the back-end is tolerant.

    Raises:
        InputError: says how many of which kind failed, why, and how to go on.
    """
    if is_tolerant(backend):
        return
    failed = [(r.task, a.error) for r, a in zip(requests, answers, strict=True) if a.error]
    if failed:
        kinds = Counter(error.split(":")[0] for _, error in failed)
        reasons = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common())
        found = f"{len(failed)} of {len(answers)} questions without an answer ({reasons}; for example: {failed[0][1]})"
        remedy = (
            "Look at the server, then run the same command again: only these are asked again. Or let them fall back: "
            "mllm.on_failure: fallback."
        )
        raise InputError(where or "MLLM back-end", found, "an answer to each", remedy)
