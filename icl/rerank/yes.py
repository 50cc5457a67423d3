"""Re-ranking by the MLLM's Yes probability of each query's first images."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from icl.mllm import prompts, reading
from icl.mllm.protocol import YES_NO, Backend, Request, require_answers
from icl.progress import announce
from icl.ranking.scores import Scores, top_candidates


@dataclass(frozen=True)
class Promoted:
    """Scores whose first candidates stand in the order of their values, all before the other images.

    Attributes:
        raw: similarities. candidates: (Q, k) columns, best first. values: (Q, k); equal ones keep the raw order.
    """

    raw: Scores
    candidates: np.ndarray
    values: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.raw.shape

    def rows(self, queries: slice | np.ndarray) -> np.ndarray:
        out, chosen = np.array(self.raw.rows(queries)), self.candidates[queries]
        k = chosen.shape[1]
        order = np.argsort(-self.values[queries], axis=1, kind="stable")
        place = np.argsort(order, axis=1)  # 0 for the best
        np.put_along_axis(out, chosen, out.max(1, keepdims=True) + k - place, axis=1)
        return out


@dataclass(frozen=True)
class YesResult:
    """Attributes:
    scores: re-ranked similarities. shares: (Q, k) Yes probabilities. calls: MLLM questions. seconds: wall time.
    fallbacks: answers without Yes or No, which count as No. unscored: answers without probabilities, which count as 1 or 0.
    """

    scores: Promoted
    shares: np.ndarray
    calls: int
    seconds: float
    fallbacks: int = 0
    unscored: int = 0

    def counts(self) -> dict:
        """What the metrics tell besides."""
        told = {"calls": {"localise": self.calls}, "fallbacks": {"localise": self.fallbacks}, "unscored": self.unscored}
        if self.unscored:
            share = f"{self.unscored} of {self.calls} answers to T_loc have no probabilities"
            announce(f"WARNING ICL+Yes: {share}: they count as 1 or 0, and equal ones keep the retriever's order")
        return told


def by_yes(scores: Scores, captions: list[str], images: list[Path], backend: Backend, k: int) -> YesResult:
    """Re-rank the first k images of every query by the probability that T_loc is answered Yes: k questions, no rounds."""
    start = time.perf_counter()
    candidates, _ = top_candidates(scores, k)
    requests = [
        Request("localise", prompts.localise_text(caption), images[column], 4, YES_NO)
        for caption, columns in zip(captions, candidates, strict=True)
        for column in columns
    ]
    answers = backend.answer(requests)
    require_answers(requests, answers, backend)
    shares = np.array([reading.yes_share(answer) for answer in answers]).reshape(candidates.shape)
    none = sum(not reading.says_yes_or_no(answer.text) for answer in answers)
    merged = Promoted(scores, candidates, shares)
    return YesResult(merged, shares, len(requests), time.perf_counter() - start, none, reading.unscored(answers))
