"""THI's threshold xi, chosen on the val split."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from icl.mllm.protocol import Backend
from icl.mllm.settings import MLLMSettings
from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import Scores, blocks, top_candidates
from icl.rerank.thi.merging import Reranked
from icl.rerank.thi.rounds import Interaction
from icl.rerank.thi.session import Refine, Session, refine_queries


def anchors_at(xi: float, top1: np.ndarray, candidates: np.ndarray, first_yes: np.ndarray) -> np.ndarray:
    """Replay recorded answers at another threshold.

    Args:
        top1: (Q,) similarity of the first candidate. candidates: (Q, K).
        first_yes: (Q,) number (from 0) of the first candidate answered Yes, K where none was.

    Returns:
        (Q,) anchor columns, -1 where none.
    """
    high = top1 > xi
    found = np.where(high, first_yes == 0, (first_yes > 0) & (first_yes < candidates.shape[1]))
    chosen = candidates[np.arange(len(top1)), np.minimum(first_yes, candidates.shape[1] - 1)]
    return np.where(found, chosen, -1)


def select_xi(
    scores: Scores,
    query_pids: np.ndarray,
    gallery_pids: np.ndarray,
    captions: list[str],
    images: list[Path],
    refine: Refine,
    backend: Backend,
    settings: MLLMSettings,
    rounds: int,
    weight: float,
    grid: int,
) -> dict:
    """Choose xi on the val split: best Rank-1, then mAP, then the fewest refined queries.

    Each query is asked until its first Yes; that settles its anchor at every threshold, so the sweep asks nothing more,
    and a query's metrics take one of two values: those of its raw similarities, or of its re-ranked ones.

    Returns:
        {"xi", "rank1", "map", "refined", "sweep": [...]}; the grid is quantiles of the top-1 similarity.
    """
    session = Session(backend, images, settings)
    candidates, top1 = top_candidates(scores, rounds)
    asked = [Interaction(c.tolist(), 0.0, np.inf) for c in candidates]  # xi above all: ask on after every No
    session.localise(captions, asked)
    rounds = candidates.shape[1]  # a gallery can hold fewer images than K
    first_yes = np.array([one.answers.index(True) if any(one.answers) else rounds for one in asked])
    possible = np.where(first_yes < rounds, candidates[np.arange(len(top1)), np.minimum(first_yes, rounds - 1)], -1)
    refined, _ = refine_queries(session, captions, possible, refine)
    raw, merged = (
        retrieval_metrics(blocks(s), query_pids, gallery_pids)
        for s in (scores, Reranked(scores, refined, possible, weight))
    )
    sweep = []
    for xi in sorted({float(x) for x in np.quantile(top1, np.linspace(0, 1, grid))} | {float(top1.min()) - 1e-3}):
        acted = anchors_at(xi, top1, candidates, first_yes) >= 0
        rank1 = 100 * float((np.where(acted, merged.first, raw.first) == 1).mean())
        precision = 100 * float(np.where(acted, merged.average_precision, raw.average_precision).mean())
        sweep.append({"xi": xi, "rank1": rank1, "map": precision, "refined": int(acted.sum())})
    best = max(sweep, key=lambda row: (row["rank1"], row["map"], -row["refined"]))
    return {**best, "calls": session.calls, "sweep": sweep}
