"""ICL+Evidence: T_loc's log-odds are added to the similarities of the first images: S + beta (log(p / (1 - p)) - rest).

With S as the logarithm of a prior, that is Bayes' rule for independent evidence; beta puts both on one scale. An image that is
not asked about would be answered No most of the time: `rest`, the mean log-odds at the last place on val, stands for it, so
that a No among the first images does not rank them below what nobody looked at.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from icl.mllm.protocol import Backend
from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import Raised, Scores, at_columns, blocks, top_candidates
from icl.rerank.judging import judge, log_odds
from icl.rerank.settings import RerankSettings
from icl.rerank.ways.base import Outcome, Way, best, told

if TYPE_CHECKING:
    from icl.rerank.split import Split

DEFAULT = {"beta": 0.03, "expected": [-3.0]}
"""Where there is no val split: for cosines whose first ten images lie about a tenth apart, and a judge as LoRA makes it."""
SHARES = (0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.3, 0.5, 0.7, 1)
"""Values of beta that are tried, as shares of the mean distance between a query's first and last candidate."""


class Evidence(Way):
    """`rerank.evidence_top_k` questions a query, in one batch."""

    label = "Evidence"
    on = ("ICL", "RDE")
    uses = {"rerank": ("evidence_top_k", "beta")}
    parameters = ("beta", "expected")

    def fixed(self, rerank: RerankSettings, xi: float | None, has_val: bool) -> dict | None:
        if has_val:
            return None
        given = {} if rerank.beta is None else {"beta": rerank.beta}
        return {**DEFAULT, **given, "selection": "default: no val split"}

    def choose(self, val: Split, backend: Backend, taken: dict) -> dict:
        return choose_beta(val.part(), val, backend)

    def rerank(self, split: Split, backend: Backend, chosen: dict, queries: list[int] | None = None) -> Outcome:
        return by_evidence(split.part(queries), split, backend, chosen, queries)


def choose_beta(raw: Scores, val: Split, backend: Backend) -> dict:
    """The beta of the best mAP on val, among equal ones of the best Rank-1, then the smallest; and what answers to expect.

    Args:
        raw: val's similarities, on which the evidence is to stand.

    Returns:
        beta, its metrics and the sweep. expected: mean log-odds by place of the candidate; the last one is `rest`.
    """
    found, columns = val.embeddings, top_candidates(raw, val.rerank.evidence_top_k)[0]
    evidence = log_odds(judge(val.captions, val.images, columns, backend).shares)
    expected = evidence.mean(0).tolist()
    given, span, sweep = val.rerank.beta, _span(raw, columns), []
    for beta in [share * span for share in SHARES] if given is None else [given]:
        scores = Raised(raw, columns, beta * (evidence - expected[-1]))
        metrics = retrieval_metrics(blocks(scores), found.text_pids, found.image_pids).summary()
        sweep.append({"beta": beta, **metrics})
    rule = "best mAP on val" if given is None else "beta fixed in the configuration"
    return {**best(sweep, "map", "rank1"), "expected": expected, "sweep": sweep, "selection": rule}


def expectations(chosen: dict, k: int) -> np.ndarray:
    """(k,) log-odds to expect by place; the last one of val stands for places that val did not have."""
    known = chosen["expected"][:k]
    return np.array(known + chosen["expected"][-1:] * (k - len(known)))


def _span(raw: Scores, columns: np.ndarray) -> float:
    """Mean distance between the similarities of a query's first and last candidate."""
    found = at_columns(raw, columns)
    return float((found[:, 0] - found[:, -1]).mean())


def by_evidence(
    raw: Scores,
    split: Split,
    backend: Backend,
    chosen: dict,
    queries: list[int] | None = None,
    start: float | None = None,
) -> Outcome:
    """Re-rank the first images of `raw`.

    Args:
        raw: similarities of these queries. chosen: beta and expected.
        start: of the clock (`time.perf_counter`), where something came before.
    """
    start, captions = start or time.perf_counter(), split.texts(queries)
    columns, _ = top_candidates(raw, split.rerank.evidence_top_k)
    found = judge(captions, split.images, columns, backend)
    seconds = {"localisation": time.perf_counter() - start}
    scores = Raised(raw, columns, chosen["beta"] * (log_odds(found.shares) - chosen["expected"][-1]))
    records, fallbacks = told(captions, columns, found.shares), {"localise": found.fallbacks}
    return Outcome(scores, seconds, records, fallbacks, found.unscored)
