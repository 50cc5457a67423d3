"""ICL+Evidence: T_loc's log-odds are added to the similarities of the first images: S + beta log(p / (1 - p)).

With S as the logarithm of a prior, that is Bayes' rule for independent evidence; beta puts both on one scale.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from icl.mllm.protocol import Backend
from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import Raised, Scores, blocks, top_candidates
from icl.rerank.judging import judge, log_odds
from icl.rerank.settings import RerankSettings
from icl.rerank.ways.base import Outcome, Way, best, told

if TYPE_CHECKING:
    from icl.rerank.split import Split

DEFAULT = 0.03
"""beta where there is no val split: for cosines whose first ten images lie some tenths apart."""
SHARES = (0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.3, 0.5, 0.7, 1)
"""Values of beta that are tried, as shares of the mean distance between a query's first and last candidate."""


class Evidence(Way):
    """`rerank.evidence_top_k` questions a query, in one batch."""

    label = "Evidence"
    on = ("ICL", "RDE")
    uses = {"rerank": ("evidence_top_k", "beta")}
    parameters = ("beta",)

    def fixed(self, rerank: RerankSettings, xi: float | None, has_val: bool) -> dict | None:
        if rerank.beta is not None:
            return {"beta": rerank.beta, "selection": "fixed in the configuration"}
        return None if has_val else {"beta": DEFAULT, "selection": "default: no val split"}

    def choose(self, val: Split, backend: Backend, taken: dict) -> dict:
        return choose_beta(val.part(), val, backend)

    def rerank(self, split: Split, backend: Backend, chosen: dict, queries: list[int] | None = None) -> Outcome:
        return by_evidence(split.part(queries), split, backend, chosen["beta"], queries)


def choose_beta(raw: Scores, val: Split, backend: Backend) -> dict:
    """The beta of the best mAP on val, among equal ones of the best Rank-1, then the smallest.

    Args:
        raw: val's similarities, on which the evidence is to stand.
    """
    found, columns = val.embeddings, top_candidates(raw, val.rerank.evidence_top_k)[0]
    evidence = log_odds(judge(val.captions, val.images, columns, backend).shares)
    span, sweep = _span(raw, columns), []
    for share in SHARES:
        scores = Raised(raw, columns, share * span * evidence)
        metrics = retrieval_metrics(blocks(scores), found.text_pids, found.image_pids).summary()
        sweep.append({"beta": share * span, **metrics})
    return {**best(sweep, "map", "rank1"), "sweep": sweep, "selection": "best mAP on val"}


def _span(raw: Scores, columns: np.ndarray) -> float:
    """Mean distance between the similarities of a query's first and last candidate."""
    ends, row = [], 0
    for block in blocks(raw):
        chosen = np.take_along_axis(block, columns[row : row + len(block)], axis=1)
        ends.append(chosen[:, 0] - chosen[:, -1])
        row += len(block)
    return float(np.concatenate(ends).mean())


def by_evidence(
    raw: Scores,
    split: Split,
    backend: Backend,
    beta: float,
    queries: list[int] | None = None,
    start: float | None = None,
) -> Outcome:
    """Re-rank the first images of `raw`.

    Args:
        raw: similarities of these queries. start: of the clock (`time.perf_counter`), where something came before.
    """
    start, captions = start or time.perf_counter(), split.texts(queries)
    columns, _ = top_candidates(raw, split.rerank.evidence_top_k)
    found = judge(captions, split.images, columns, backend)
    seconds = {"localisation": time.perf_counter() - start}
    scores = Raised(raw, columns, beta * log_odds(found.shares))
    records, fallbacks = told(captions, columns, found.shares), {"localise": found.fallbacks}
    return Outcome(scores, seconds, records, fallbacks, found.unscored)
