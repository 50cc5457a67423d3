"""The MLLM behind the application: one worker thread asks it, so that no page ever waits for another user's questions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from icl.apps.shipped import Judge
from icl.errors import InputError
from icl.ranking.scores import MatrixScores
from icl.rerank.judging import judge
from icl.rerank.thi.session import Session, run_thi

WAITING = 64
"""Jobs that may wait; more are refused, as nobody would wait for them."""


@dataclass
class Mind:
    """What is asked of the MLLM in a search. All methods but `submit` are for the worker thread.

    Attributes:
        thi, evidence: how its answers re-rank, with the parameters chosen on val. who: which models these are, in words.
    """

    thi: Judge
    evidence: Judge
    who: str
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "mllm"), repr=False)
    _slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(WAITING), repr=False)

    def submit(self, job: Callable[[], None]) -> Future:
        """Have a job done after those before it.

        Raises:
            InputError: too many wait.
        """
        slots = self._slots
        if not slots.acquire(blocking=False):
            remedy = "Try again in a minute, or answer yourself."
            raise InputError("MLLM", f"{WAITING} questions before this one", "fewer", remedy)
        future = self._pool.submit(job)
        future.add_done_callback(lambda _: slots.release())
        return future

    def close(self) -> None:
        """Wait for the present job; those that wait are dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def shares(self, text: str, images: list[Path]) -> list[float]:
        """T_loc's Yes probabilities of images, about one text."""
        columns = np.arange(len(images))[None]
        return judge([text], images, columns, self.evidence.backend).shares[0].tolist()

    def interact(self, text: str, base: np.ndarray, images: list[Path], similar: Callable) -> tuple[dict, np.ndarray]:
        """Algorithm 1 for one text with similarities (G,): its record, and S' (G,) of the refined text (empty without one).

        Args:
            images: the G files of the gallery. similar: a text's similarities (G,).
        """
        own, refined = self.thi, []

        def refine(texts: list[str], _rows: np.ndarray) -> MatrixScores:
            refined.append(similar(texts[0]))
            return MatrixScores(refined[0][None])

        given = (own.backend, own.mllm, own.thi.rounds, own.chosen["xi"], own.thi.lambda_)
        found = run_thi(MatrixScores(base[None]), [text], images, refine, *given)
        return found.records[0], refined[0] if refined else np.zeros(0)

    def describe(self, image: Path) -> list[str]:
        """T_vqa's sub-texts of an image."""
        return Session(self.thi.backend, [image], self.thi.mllm).describe([0])[0]

    def refine(self, text: str, subtexts: list[str]) -> str:
        """T_aggr's text."""
        return Session(self.thi.backend, [], self.thi.mllm).refine([text], [subtexts])[0]
