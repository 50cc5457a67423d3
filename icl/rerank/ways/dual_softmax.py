"""ICL+dual softmax: an image that is similar to many queries counts less; without an MLLM, but with all queries at once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from icl.mllm.protocol import Backend
from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import Scores, blocks
from icl.rerank.settings import RerankSettings
from icl.rerank.ways.base import Outcome, Way, best, silent

if TYPE_CHECKING:
    from icl.rerank.split import Split

DEFAULT = 0.05
"""Temperature where there is no val split."""
TEMPERATURES = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class Penalised:
    """Similarities less a penalty (G,) of each image."""

    raw: Scores
    penalty: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.raw.shape

    def rows(self, queries: slice | np.ndarray) -> np.ndarray:
        return self.raw.rows(queries) - self.penalty


class DualSoftmax(Way):
    """log P(image | query) + log P(query | image), both softmaxes of S at a temperature t, times t / 2.

    In a query's row that is S less t / 2 log sum exp(S / t) over all queries (Cheng et al., 2021, as a product of both).
    """

    label = "dual softmax"
    judge = "none"
    asks = ""
    parameters = ("temperature",)
    whole = True

    def fixed(self, rerank: RerankSettings, xi: float | None, has_val: bool) -> dict | None:
        return None if has_val else {"temperature": DEFAULT, "selection": "default: no val split"}

    def choose(self, val: Split, backend: Backend, taken: dict) -> dict:
        """The temperature of the best mAP on val, among equal ones of the best Rank-1, then the lowest."""
        found, sweep = val.embeddings, []
        for temperature in TEMPERATURES:
            scores = by_both(found.scores, temperature)
            metrics = retrieval_metrics(blocks(scores), found.text_pids, found.image_pids).summary()
            sweep.append({"temperature": temperature, **metrics})
        return {**best(sweep, "map", "rank1"), "sweep": sweep, "selection": "best mAP on val"}

    def rerank(self, split: Split, backend: Backend, chosen: dict, queries: list[int] | None = None) -> Outcome:
        start = time.perf_counter()
        scores = by_both(split.embeddings.scores, chosen["temperature"])
        for _ in blocks(scores):
            pass
        return Outcome(scores, {"reranking": time.perf_counter() - start}, silent(split.texts(queries)))


def by_both(scores: Scores, temperature: float) -> Penalised:
    """Dual softmax of all queries against the gallery."""
    total = np.full(scores.shape[1], -np.inf)
    for block in blocks(scores):
        total = np.logaddexp(total, np.logaddexp.reduce(block.astype(float) / temperature, axis=0))
    return Penalised(scores, temperature / 2 * total)
