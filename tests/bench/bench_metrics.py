"""Retrieval metrics: counting against sorting, at CUHK-PEDES' and ICFG-PEDES' size."""

from __future__ import annotations

import numpy as np

from icl.ranking.metrics import retrieval_metrics
from tests.bench.harness import alone, seconds, write


def by_sorting(similarity: np.ndarray, query_pids: np.ndarray, gallery_pids: np.ndarray) -> tuple[float, float, float]:
    """Rank-1, mAP and mINP the usual way: sort every row, look where the right ones are."""
    right = gallery_pids[np.argsort(-similarity, axis=1, kind="stable")] == query_pids[:, None]
    hits = right.cumsum(1)
    precision = hits / np.arange(1, right.shape[1] + 1)
    ap = (precision * right).sum(1) / right.sum(1)
    last = right.shape[1] - right[:, ::-1].argmax(1)
    return 100 * right[:, 0].mean(), 100 * ap.mean(), 100 * (right.sum(1) / last).mean()


def make(queries: int, gallery: int, identities: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    gallery_pids = np.sort(rng.integers(0, identities, gallery))
    query_pids = rng.choice(gallery_pids, queries)
    similarity = rng.standard_normal((queries, gallery), dtype=np.float32)
    similarity += (gallery_pids == query_pids[:, None]) * np.float32(1.5)
    return similarity, query_pids, gallery_pids


def streamed(queries: int, gallery: int, identities: int, dims: tuple[int, int]) -> float:
    """mAP from embeddings, block by block: the whole matrix never exists."""
    from icl.ranking.scores import blocks
    from icl.retriever.encoding.vectors import Embeddings

    rng = np.random.default_rng(0)
    gallery_pids = np.sort(rng.integers(0, identities, gallery))
    query_pids = rng.choice(gallery_pids, queries)
    parts = [rng.standard_normal((n, d), dtype=np.float32) for n in (gallery, queries) for d in dims]
    emb = Embeddings(*parts, np.arange(gallery), gallery_pids, np.arange(queries), query_pids)
    return retrieval_metrics(blocks(emb.scores), query_pids, gallery_pids).map


def main() -> None:
    similarity, query_pids, gallery_pids = make(6156, 3074, 1000)
    ours = retrieval_metrics(similarity, query_pids, gallery_pids)
    assert np.allclose((ours.rank1, ours.map, ours.minp), by_sorting(similarity, query_pids, gallery_pids))
    new, old = seconds(
        lambda: retrieval_metrics(similarity, query_pids, gallery_pids),
        lambda: by_sorting(similarity, query_pids, gallery_pids),
        5,
    )
    rows = [{"what": "metrics 6156 x 3074", "seconds": new, "sorting_seconds": old, "ratio": old / new}]
    large = alone(streamed, 19848, 19848, 1000, (512, 1024))
    rows.append({"what": "metrics 19848 x 19848", "seconds": large["seconds"], "peak_mb": large["peak_mb"]})
    write("metrics", rows)


if __name__ == "__main__":
    main()
