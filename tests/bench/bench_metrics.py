"""Evaluation from embeddings: ours beside the published way, at the sizes of CUHK-PEDES and ICFG-PEDES."""

from __future__ import annotations

import numpy as np
import torch

from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import EmbeddingScores, blocks
from tests.bench.arithmetic import similarities
from tests.bench.harness import alone, ceiling, cpu_seconds, seconds, shares, write

DIMS = (512, 1024)


def published_metrics(similarity: torch.Tensor, query_pids: torch.Tensor, gallery_pids: torch.Tensor) -> list[float]:
    """Rank-1, mAP and mINP as the published code has them, in percent: every row is sorted, cumulative sums of whole rows.

    The precision at each place is made column by column and stacked; the last right place of each row is looked for in turn.
    """
    order = torch.argsort(similarity, dim=1, descending=True)
    right = gallery_pids[order] == query_pids.view(-1, 1)
    first = right[:, :10].cumsum(1).clamp(max=1).float().mean(0)[0]
    hits = right.cumsum(1)
    last = [row.nonzero()[-1] for row in right]
    inp = torch.cat([hits[k][place] / (place + 1.0) for k, place in enumerate(last)])
    precision = torch.stack([hits[:, place] / (place + 1.0) for place in range(hits.shape[1])], 1) * right
    ap = precision.sum(1) / right.sum(1)
    return [100 * float(x) for x in (first, ap.mean(), inp.mean())]


def published_scores(scores: EmbeddingScores) -> torch.Tensor:
    """The whole matrices of both granularities, and their mean."""
    bge, tse = (torch.from_numpy(t) @ torch.from_numpy(i).T for t, i in zip(scores.texts, scores.images, strict=True))
    return (bge + tse) / 2


def make(queries: int, gallery: int, identities: int) -> tuple[EmbeddingScores, np.ndarray, np.ndarray]:
    """Embeddings that find about half of the images, and identities of texts and images."""
    rng = np.random.default_rng(0)
    gallery_pids = np.sort(rng.integers(0, identities, gallery))
    query_pids = rng.choice(gallery_pids, queries)
    parts = {"texts": [], "images": []}
    for dim in DIMS:
        centres = rng.standard_normal((identities, dim), dtype=np.float32)
        for name, pids in (("texts", query_pids), ("images", gallery_pids)):
            rows = centres[pids] + 3 * rng.standard_normal((len(pids), dim), dtype=np.float32)
            parts[name].append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    return EmbeddingScores(tuple(parts["texts"]), tuple(parts["images"])), query_pids, gallery_pids


def compare(queries: int, gallery: int, identities: int, most: float) -> dict:
    """Both ways from embeddings to metrics, and what of it is the ranking."""
    scores, *pids = make(queries, gallery, identities)
    other = [torch.from_numpy(x) for x in pids]
    whole, theirs = scores.rows(slice(None)), published_scores(scores)
    ours = retrieval_metrics(whole, *pids)
    assert np.allclose((ours.rank1, ours.map, ours.minp), published_metrics(theirs, *other), atol=1e-2)
    new, old, ranking, sorting = seconds(
        [
            lambda: retrieval_metrics(blocks(scores), *pids),
            lambda: published_metrics(published_scores(scores), *other),
            lambda: retrieval_metrics(whole, *pids),
            lambda: published_metrics(theirs, *other),
        ],
        2,
    )
    flops = similarities(queries, gallery)
    row = {"what": f"evaluation {queries} x {gallery}", "seconds": new, "published_seconds": old, "ratio": old / new}
    row |= {"ranking_seconds": ranking, "published_ranking_seconds": sorting, "ranking_ratio": sorting / ranking}
    return row | shares(flops, flops / most, published=old, ours=new)


def streamed(queries: int, gallery: int, identities: int) -> float:
    """CPU seconds of an evaluation block by block: the whole matrix never exists."""
    scores, *pids = make(queries, gallery, identities)
    return cpu_seconds(lambda: retrieval_metrics(blocks(scores), *pids))


def main() -> None:
    most = ceiling("float32")
    rows = [compare(6156, 3074, 1000, most), compare(1000, 20_000, 1000, most)]
    large = alone(streamed, 19_848, 19_848, 1000)
    row = {"what": "evaluation 19848 x 19848", "seconds": large["result"], "peak_mb": large["peak_mb"]}
    flops = similarities(19_848, 19_848)
    write("metrics", [*rows, row | shares(flops, flops / most, ours=large["result"])], {"float32": most})


if __name__ == "__main__":
    main()
