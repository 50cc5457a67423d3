"""The re-rankings that stand beside THI, against naive loops; and what the MLLM's answers cost."""

import json
import time

import numpy as np
import pytest
from fake_servers import MLLMServer

from icl.mllm.backends.registry import open_backend
from icl.mllm.protocol import Answer, Request
from icl.mllm.settings import MLLMSettings
from icl.mllm.store import AnswerStore, CachedBackend
from icl.ranking.scores import EmbeddingScores, MatrixScores
from icl.report.cost import cost_table, covered
from icl.rerank.k_reciprocal import by_neighbours, centred
from icl.rerank.promoted import Promoted


def unit(rng, *shape):
    rows = rng.normal(size=shape)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


class Judge:
    """Says Yes by the number in the image's name."""

    def identity(self, task):
        return {"model": "judge"}

    def answer(self, requests):
        shares = [int(r.image.stem) / 10 for r in requests]
        return [Answer("Yes", {"Yes": s, "No": 1 - s}, 7, 1, 0.5) for s in shares]


def test_equal_probabilities_keep_the_raw_order():
    raw = MatrixScores(np.array([[0.1, 0.9, 0.5], [0.3, 0.2, 0.1]]))
    promoted = Promoted(raw, np.array([[1, 2], [0, 1]]), np.ones((2, 2)))
    assert np.argsort(-promoted.rows(np.array([0]))[0]).tolist() == [1, 2, 0]
    assert np.argsort(-promoted.rows(slice(1, 2))[0]).tolist() == [0, 1, 2]


def naive_k_reciprocal(vectors, queries, raw, k1, k2, weight):
    """Zhong et al. with sets and loops over everything."""
    products = vectors @ vectors.T
    order = np.argsort(-products, axis=1, kind="stable")
    size = len(vectors)

    def reciprocal(n, k):
        return {int(m) for m in order[n, : k + 1] if n in order[m, : k + 1]}

    encoding = np.zeros((size, size))
    for n in range(size):
        own = reciprocal(n, k1)
        for m in list(reciprocal(n, k1)):
            other = reciprocal(m, round(k1 / 2))
            if len(other & reciprocal(n, k1)) > 2 / 3 * len(other):
                own |= other
        for m in own:
            encoding[n, m] = np.exp(-(2 - 2 * products[n, m]))
        encoding[n] /= encoding[n].sum()
    smooth = np.array([encoding[order[n, :k2]].mean(0) for n in range(size)])
    out = np.zeros(raw.shape)
    for q in range(queries):
        for g in range(raw.shape[1]):
            a, b = smooth[q], smooth[queries + g]
            jaccard = 1 - np.minimum(a, b).sum() / np.maximum(a, b).sum()
            out[q, g] = weight * (2 - 2 * raw[q, g]) + (1 - weight) * jaccard
    return -out


@pytest.mark.parametrize("parts", [1, 2])
def test_k_reciprocal_equals_the_naive_one(parts):
    rng = np.random.default_rng(parts)
    texts = tuple(unit(rng, 14, 5) for _ in range(parts))
    images = tuple(unit(rng, 19, 5) + 0.1 for _ in range(parts))
    images = tuple(i / np.linalg.norm(i, axis=1, keepdims=True) for i in images)
    scores = EmbeddingScores(texts, images)
    found = by_neighbours(scores, k1=6, k2=3).rows(slice(None))
    expected = naive_k_reciprocal(centred(scores), 14, scores.rows(slice(None)), 6, 3, 0.3)
    assert np.allclose(found, expected, atol=1e-5)


def test_fewer_images_than_neighbours():
    rng = np.random.default_rng(0)
    scores = EmbeddingScores((unit(rng, 3, 4),), (unit(rng, 2, 4),))
    assert np.isfinite(by_neighbours(scores).rows(slice(None))).all()


def test_the_cost_table_tells_questions_from_calls(tmp_path):
    image = tmp_path / "4.png"
    image.write_bytes(b"x")
    ask = [Request("localise", text, image, 4, ("Yes", "No")) for text in ("a", "b", "a")]
    backend = CachedBackend(Judge(), AnswerStore(tmp_path / "answers" / "s", "w"))
    backend.answer(ask)
    CachedBackend(Judge(), AnswerStore(tmp_path / "answers" / "s", "w")).answer(ask)
    with (tmp_path / "answers" / "s" / "w.jsonl").open("a") as file:
        file.write(json.dumps({"key": "k", "task": "vqa", "answer": vars(Answer("", error="HTTP 500"))}) + "\n{torn")
    table = cost_table(tmp_path / "answers").set_index(["store", "task"])
    found = table.loc[("s", "localise")]
    assert found[["questions", "asked", "from_store", "failed"]].tolist() == [6, 2, 4, 0]
    assert found[["prompt_tokens", "answer_tokens", "seconds"]].tolist() == [14, 2, 1.0]
    assert table.loc[("all", "vqa"), "failed"] == 1
    assert 0 <= found.wall_seconds < 60 and np.isnan(table.loc[("s", "vqa"), "wall_seconds"])


def test_questions_side_by_side_take_the_time_of_the_clock_once(tmp_path):
    """Twelve of 0.2 s each, six at a time, by two jobs that follow each other: twice 0.2 s or a little more, not 2.4."""

    def slowly(prompt, image, model):
        time.sleep(0.2)
        return "A man.", None

    with MLLMServer(slowly) as server:
        mllm = MLLMSettings(backend="openai", url=f"{server.url}/v1", model="synthvl", concurrency=6)
        start = time.time()
        for job in range(2):
            ask = [Request("rewrite", f"{job} {k}", None, 9) for k in range(6)]
            CachedBackend(open_backend(mllm), AnswerStore(tmp_path / "answers" / "s", f"job{job}")).answer(ask)
        passed = time.time() - start
    found = cost_table(tmp_path / "answers").set_index(["store", "task"]).loc[("all", "rewrite")]
    assert found.seconds > 2.3 and 0.39 < found.wall_seconds <= passed + 0.01


def test_time_that_several_jobs_wait_for_counts_once():
    assert covered([(0.0, 2.0), (1.0, 3.0), (1.5, 1.7), (5.0, 6.0)]) == pytest.approx(4.0)
    assert covered([]) is None
