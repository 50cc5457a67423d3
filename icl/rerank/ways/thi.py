"""ICL+THI: the paper's interaction (Algorithm 1), its threshold chosen on val."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from icl.mllm.protocol import Backend
from icl.rerank.settings import RerankSettings
from icl.rerank.thi.session import run_thi
from icl.rerank.thi.threshold import select_xi
from icl.rerank.ways.base import Outcome, Way

if TYPE_CHECKING:
    from icl.rerank.split import Split


class THI(Way):
    """Algorithm 1."""

    label = "THI"
    on = ("RDE", "ICL")
    asks = "thi"
    uses = {"thi": ("rounds", "lambda", "xi_grid")}
    parameters = ("xi",)
    encodes = True

    def fixed(self, rerank: RerankSettings, xi: float | None, has_val: bool) -> dict | None:
        return None if xi is None else {"xi": xi, "selection": "fixed in the configuration"}

    def choose(self, val: Split, backend: Backend, taken: dict) -> dict:
        return sweep_thresholds(val, backend) | {"selection": "best Rank-1 on val"}

    def rerank(self, split: Split, backend: Backend, chosen: dict, queries: list[int] | None = None) -> Outcome:
        raw, thi = split.part(queries), split.thi
        refine, captions = partial(split.encode, raw), split.texts(queries)
        found = run_thi(raw, captions, split.images, refine, backend, split.mllm, thi.rounds, chosen["xi"], thi.lambda_)
        return Outcome(found.scores, found.seconds, found.records, found.fallbacks, found.unscored, found.refined)


def sweep_thresholds(split: Split, backend: Backend) -> dict:
    """Rank-1 and mAP of a split at every threshold, and the best one, as `select_xi` gives them."""
    found, thi = split.embeddings, split.thi
    return select_xi(
        found.scores,
        found.text_pids,
        found.image_pids,
        split.captions,
        split.images,
        partial(split.encode, found.scores),
        backend,
        split.mllm,
        thi.rounds,
        thi.lambda_,
        thi.xi_grid,
    )
