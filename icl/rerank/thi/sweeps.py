"""What THI would give with another xi, another lambda, or fewer rounds: from recorded interactions (Figures 5 and 6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import Part, Scores, blocks
from icl.rerank.thi.merging import Reranked


@dataclass(frozen=True)
class Played:
    """Interactions that took place on a split.

    Attributes:
        raw: similarities S. refined: S' of the queries with an anchor, in their order. anchors: (Q,) columns, -1 for none.
        rounds: (Q,) round that made the anchor, 0 for none. asked: (Q,) questions. query_pids, gallery_pids: identities.
    """

    raw: Scores
    refined: Scores
    anchors: np.ndarray
    rounds: np.ndarray
    asked: np.ndarray
    query_pids: np.ndarray
    gallery_pids: np.ndarray

    def metrics(self, kept: np.ndarray, weight: float) -> dict[str, float]:
        """Metrics where only the queries `kept` (Q,) bool are refined."""
        kept = kept & (self.anchors >= 0)
        place = np.cumsum(self.anchors >= 0) - 1
        merged = Reranked(self.raw, Part(self.refined, place[kept]), np.where(kept, self.anchors, -1), weight)
        found = retrieval_metrics(blocks(merged), self.query_pids, self.gallery_pids).summary()
        return {**found, "refined": int(kept.sum())}

    def by_weight(self, weights: list[float]) -> list[dict]:
        """Metrics at every lambda."""
        every = np.ones(len(self.anchors), dtype=bool)
        return [{"lambda": weight, **self.metrics(every, weight)} for weight in weights]

    def by_round(self, last: int, weight: float) -> list[dict]:
        """Metrics after each round (0: before the first), with the questions asked in it."""
        return [
            {"round": k, "calls": int((self.asked >= k).sum()) if k else 0, **self.metrics(self.rounds <= k, weight)}
            for k in range(last + 1)
        ]


def played(
    records: list[dict], raw: Scores, refined: Scores, query_pids: np.ndarray, gallery_pids: np.ndarray
) -> Played:
    """From an interaction record.

    Args:
        records: one a query, as THI writes them. refined: S' of the queries with an anchor.
    """
    anchors = np.array([-1 if r["anchor"] is None else r["anchor"] for r in records])
    rounds = np.array([r["round"] or 0 for r in records])
    asked = np.array([len(r["yes"]) for r in records])
    return Played(raw, refined, anchors, rounds, asked, query_pids, gallery_pids)
