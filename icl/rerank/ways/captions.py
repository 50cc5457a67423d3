"""ICL+Captions: the gallery's images are described once by the MLLM, and a query is compared with image and caption."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from icl.mllm.protocol import Backend
from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import Mixed, Scores, blocks
from icl.rerank.settings import RerankSettings
from icl.rerank.ways.base import Outcome, Way, best, silent

if TYPE_CHECKING:
    from icl.rerank.split import Split

DEFAULT = 0.4
"""Weight of the captions where there is no val split."""
WEIGHTS = tuple(round(0.05 * k, 2) for k in range(20))


class Captions(Way):
    """(1 - w) S + w S_text, S_text the similarity of the query's text and the caption's; nothing is asked at query time."""

    label = "Captions"
    judge = "none"
    asks = ""
    uses = {"rerank": ("caption_weight",)}
    parameters = ("caption_weight",)
    encodes = True
    described = True

    def fixed(self, rerank: RerankSettings, xi: float | None, has_val: bool) -> dict | None:
        if rerank.caption_weight is not None:
            return {"caption_weight": rerank.caption_weight, "selection": "fixed in the configuration"}
        return None if has_val else {"caption_weight": DEFAULT, "selection": "default: no val split"}

    def choose(self, val: Split, backend: Backend, taken: dict) -> dict:
        """The weight of the best mAP on val, among equal ones of the best Rank-1, then the smallest."""
        found, sweep = val.embeddings, []
        for weight in WEIGHTS:
            scores = with_captions(val, weight)
            metrics = retrieval_metrics(blocks(scores), found.text_pids, found.image_pids).summary()
            sweep.append({"caption_weight": weight, **metrics})
        return {**best(sweep, "map", "rank1"), "sweep": sweep, "selection": "best mAP on val"}

    def rerank(self, split: Split, backend: Backend, chosen: dict, queries: list[int] | None = None) -> Outcome:
        scores, start = with_captions(split, chosen["caption_weight"], queries), time.perf_counter()
        for _ in blocks(scores):  # what a query costs; the captions were encoded at index time
            pass
        return Outcome(scores, {"reranking": time.perf_counter() - start}, silent(split.texts(queries)))


def with_captions(split: Split, weight: float, queries: list[int] | None = None) -> Scores:
    """Similarities to images and captions, of all queries or of some by number."""
    return Mixed(split.part(queries), split.caption_part(queries), weight)
