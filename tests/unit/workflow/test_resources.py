"""What a job asks a cluster for covers what its work was measured to take."""

import tracemalloc

import numpy as np
import pytest
import yaml
from running import HOUSE

from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import EmbeddingScores, blocks
from icl.rerank.k_reciprocal import by_neighbours
from icl.retriever.mining import top_k_negatives
from icl.workflow.config import load_settings
from icl.workflow.resources import EMBEDDING_MB, PORTION, given_mb, mined_mb, needed_mb, reranked_mb

PAPER = yaml.safe_load((HOUSE / "config/paper.yaml").read_text())
MEASURED = {"k-reciprocal, 19,848 x 19,848": 2185, "hard negatives, 68,126 x 34,054": 1551}
"""Megabytes of the whole process, one thread of an Intel Xeon, at the official counts of ICFG-PEDES and CUHK-PEDES."""


def scores_of(queries, images, seed=0):
    """Similarities of embeddings of the paper's size, in clusters, so that vectors are neighbours of each other."""
    rng, out = np.random.default_rng(seed), []
    for dim in (512, 1024):
        centres = rng.standard_normal((images // 20 + 1, dim), dtype=np.float32)
        for count, noise in ((queries, 6), (images, 3)):
            rows = centres[rng.integers(0, len(centres), count)]
            rows = rows + noise * rng.standard_normal((count, dim), dtype=np.float32)
            out.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    return EmbeddingScores((out[0], out[2]), (out[1], out[3]))


def peak_mb(work):
    tracemalloc.start()
    work()
    found = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return found


@pytest.mark.parametrize(("queries", "images"), [(300, 300), (400, 1200), (1200, 400)])
def test_the_formula_covers_the_re_ranking_and_the_metrics_at_any_size(queries, images):
    scores, pids = scores_of(queries, images), np.zeros(queries)
    own = EMBEDDING_MB * (queries + images)
    assert own + peak_mb(lambda: by_neighbours(scores)) <= 1.02 * reranked_mb(queries, images)
    measured = peak_mb(lambda: retrieval_metrics(blocks(scores), pids, np.arange(images) - 5))
    assert own + measured <= reranked_mb(queries, images)


def test_the_formula_covers_mining():
    images = 1500
    scores = scores_of(PORTION, images)
    texts, pids = np.arange(PORTION), np.arange(images) // 2
    measured = peak_mb(lambda: top_k_negatives(scores.rows(texts), texts, pids, 10))
    assert EMBEDDING_MB * (PORTION + images) + measured <= mined_mb(PORTION, images)


def test_the_request_covers_what_was_measured_at_the_official_counts():
    settings = load_settings(PAPER)
    assert reranked_mb(19_848, 19_848) > MEASURED["k-reciprocal, 19,848 x 19,848"]
    assert mined_mb(68_126, 34_054) > MEASURED["hard negatives, 68,126 x 34,054"]
    assert needed_mb(settings, "scores") > 1.5 * max(MEASURED.values())


def test_the_request_follows_the_benchmarks_and_what_is_given():
    paper = load_settings(PAPER)
    small = load_settings({**PAPER, "datasets": {"RSTPReid": PAPER["datasets"]["RSTPReid"]}})
    assert needed_mb(small, "scores") < needed_mb(paper, "scores")
    given = load_settings({**PAPER, "retrievers": {"mine": {"kind": "scores", "source": "given/{dataset}"}}})
    matrices = 2 * 8 * 19_848 * 19_848 / 1e6  # float64, and put in the pairs table's order
    assert given_mb(given) == pytest.approx(matrices) and given_mb(paper) == 0
    for stage in ("scores", "mllm"):
        assert needed_mb(given, stage) > matrices
    assert needed_mb(given, "mllm") - needed_mb(paper, "mllm") == int(matrices)
