"""ICL+k-reciprocal: neighbours of all queries and images together (Zhong et al., CVPR 2017), without an MLLM."""

from __future__ import annotations

import time
from itertools import product
from typing import TYPE_CHECKING

from icl.errors import InputError
from icl.mllm.protocol import Backend
from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import EmbeddingScores, MatrixScores
from icl.rerank.settings import RerankSettings
from icl.rerank.ways.base import Outcome, Way, best, silent

if TYPE_CHECKING:
    from icl.rerank.split import Split

PUBLISHED = {"k1": 20, "k2": 6, "weight": 0.3}
"""The published parameters: for galleries with many images of an identity."""
GRID = {"k1": (4, 6, 10, 20), "k2": (1, 2, 3, 6), "weight": (0.3, 0.5, 0.7, 0.85)}


class KReciprocal(Way):
    """Its parameters are chosen on val."""

    label = "k-reciprocal"
    judge = "none"
    asks = ""
    parameters = ("k1", "k2", "weight")
    whole = True

    def fixed(self, rerank: RerankSettings, xi: float | None, has_val: bool) -> dict | None:
        return None if has_val else PUBLISHED | {"selection": "published: no val split"}

    def choose(self, val: Split, backend: Backend, taken: dict) -> dict:
        """The parameters of the best mAP on val, among equal ones of the best Rank-1, then the first."""
        from icl.rerank.k_reciprocal import by_neighbours

        found, raw, sweep = val.embeddings, _embedded(val), []
        similarities = raw.rows(slice(None))
        for k1, k2 in product(GRID["k1"], GRID["k2"]):
            overlap = by_neighbours(raw, int(k1), int(k2), 0.0).matrix
            for weight in GRID["weight"]:
                scores = (1 - weight) * overlap - weight * (2 - 2 * similarities)
                metrics = retrieval_metrics(scores, found.text_pids, found.image_pids).summary()
                sweep.append({"k1": k1, "k2": k2, "weight": weight, **metrics})
        return {**best(sweep, "map", "rank1"), "sweep": sweep, "selection": "best mAP on val"}

    def rerank(self, split: Split, backend: Backend, chosen: dict, queries: list[int] | None = None) -> Outcome:
        from icl.rerank.k_reciprocal import by_neighbours  # SciPy, which the workflow itself can do without

        start = time.perf_counter()
        scores: MatrixScores = by_neighbours(_embedded(split), chosen["k1"], chosen["k2"], chosen["weight"])
        return Outcome(scores, {"reranking": time.perf_counter() - start}, silent(split.texts(queries)))


def _embedded(split: Split) -> EmbeddingScores:
    if not isinstance(split.embeddings.scores, EmbeddingScores):
        remedy = "Leave the row k-reciprocal out, or give embeddings."
        raise InputError("retriever's scores", "similarities only", "embeddings of texts and images", remedy)
    return split.embeddings.scores
