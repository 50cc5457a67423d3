"""T_loc about chosen candidates of many queries at once, and what its answers weigh."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from icl.mllm import prompts, reading
from icl.mllm.protocol import YES_NO, Backend, Request, require_answers

LEAST = 1e-3
"""Yes probabilities are kept this far from 0 and 1: log-odds of at most 6.9, also where a back-end gives a bare Yes or No."""


@dataclass(frozen=True)
class Verdicts:
    """Attributes:
    shares: (n, k) Yes probabilities. yes: (n, k) whether the text says Yes.
    fallbacks: answers without Yes or No, which count as No. unscored: answers without probabilities, which count as 1 or 0.
    """

    shares: np.ndarray
    yes: np.ndarray
    fallbacks: int = 0
    unscored: int = 0


def judge(captions: list[str], images: list[Path], columns: np.ndarray, backend: Backend) -> Verdicts:
    """Ask T_loc about the gallery columns (n, k) of n captions, all in one batch."""
    requests = [
        Request("localise", prompts.localise_text(caption), images[column], 4, YES_NO)
        for caption, row in zip(captions, columns, strict=True)
        for column in row
    ]
    answers = backend.answer(requests) if requests else []
    require_answers(requests, answers, backend)
    shares = np.array([reading.yes_share(answer) for answer in answers], dtype=float).reshape(columns.shape)
    yes = np.array([reading.is_yes(answer.text) for answer in answers], dtype=bool).reshape(columns.shape)
    none = sum(not reading.says_yes_or_no(answer.text) for answer in answers)
    return Verdicts(shares, yes, none, reading.unscored(answers))


def log_odds(shares: np.ndarray) -> np.ndarray:
    """log p / (1 - p) of Yes probabilities, kept within `LEAST` of both ends."""
    kept = np.clip(shares, LEAST, 1 - LEAST)
    return np.log(kept / (1 - kept))
