"""THI as a state machine, against a naive walk through Algorithm 1."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icl.mllm.protocol import Answer
from icl.mllm.settings import MLLMSettings
from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import EmbeddingScores, MatrixScores, blocks, top_candidates
from icl.rerank.thi.merging import Reranked
from icl.rerank.thi.rounds import Interaction
from icl.rerank.thi.session import run_thi
from icl.rerank.thi.threshold import anchors_at, select_xi


def naive_anchor(top1: float, xi: float, answers: list[bool]) -> int:
    """Algorithm 1 as written: every round asks everybody, then decides who may act."""
    anchor = -1
    for k, yes in enumerate(answers):
        earlier_no = not any(answers[:k])
        if (k == 0 and yes and top1 > xi) or (k > 0 and yes and earlier_no and top1 <= xi):
            anchor = k if anchor < 0 else anchor
    return anchor


@settings(max_examples=300, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=6), st.floats(0, 1), st.floats(0, 1))
def test_state_machine_equals_the_naive_walk(answers, top1, xi):
    one, asked = Interaction(list(range(len(answers))), top1, xi), 0
    while (candidate := one.question()) is not None:
        one.tell(answers[candidate])
        asked += 1
    expected = naive_anchor(top1, xi, answers)
    assert (-1 if one.anchor is None else one.anchor) == expected
    assert one.round == (expected + 1 if expected >= 0 else None)
    first_yes = answers.index(True) if any(answers) else len(answers)
    replay = anchors_at(xi, np.array([top1]), np.arange(len(answers))[None], np.array([first_yes]))
    assert replay[0] == expected
    if top1 > xi or answers[0]:
        assert asked == 1  # nothing later could change the outcome


def test_rerank_touches_only_queries_with_an_anchor():
    rng = np.random.default_rng(0)
    raw, refined = rng.random((4, 6)), rng.random((4, 6))
    anchors = np.array([-1, 2, -1, 0])
    merged = Reranked(MatrixScores(raw), MatrixScores(refined[anchors >= 0]), anchors, 0.8)
    out = merged.rows(slice(None))
    assert np.array_equal(merged.rows(np.array([3, 0, 1])), out[[3, 0, 1]])
    assert np.array_equal(out[[0, 2]], raw[[0, 2]])
    for q, anchor in ((1, 2), (3, 0)):
        for g in range(6):
            second = 1.0 if g == anchor else refined[q, g]
            assert out[q, g] == pytest.approx(0.8 * raw[q, g] + 0.2 * second)


def naive_metrics(similarity, query_pids, gallery_pids):
    rows = []
    for scores, pid in zip(similarity, query_pids, strict=True):
        order = sorted(range(len(scores)), key=lambda g: (-scores[g], g))
        ranks = [r + 1 for r, g in enumerate(order) if gallery_pids[g] == pid]
        precision = np.mean([(k + 1) / r for k, r in enumerate(ranks)])
        rows.append([*(float(ranks[0] <= k) for k in (1, 5, 10)), precision, len(ranks) / ranks[-1]])
    return 100 * np.mean(rows, axis=0)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_metrics_equal_naive_loops(seed, ties):
    rng = np.random.default_rng(seed)
    gallery = np.concatenate([np.arange(5), rng.integers(0, 5, 9)])
    queries, similarity = rng.integers(0, 5, 7), rng.random((7, 14))
    similarity = similarity.round(1) if ties else similarity
    found = retrieval_metrics(similarity, queries, gallery).summary()
    np.testing.assert_allclose(list(found.values()), naive_metrics(similarity, queries, gallery))


class Scripted:
    """Says Yes to right images only, and describes an image by its number."""

    def __init__(self, right: set[tuple[str, str]]) -> None:
        self.right, self.asked = right, []

    def identity(self, task):
        return {}

    def answer(self, requests):
        self.asked += requests
        out = []
        for r in requests:
            if r.task == "localise":
                caption = r.text.split("Text: ")[1].split("\n")[0]
                yes = (caption, r.image.name) in self.right
                out.append(Answer("Yes" if yes else "No", {"Yes": float(yes), "No": 1.0 - yes}))
            else:
                out.append(Answer(f"1. Image {r.image.name}." if r.task == "vqa" else r.text))
        return out


@pytest.fixture()
def scene():
    rng = np.random.default_rng(3)
    similarity = rng.random((30, 12))
    query_pids, gallery_pids = np.arange(30) % 6, np.arange(12) % 6
    captions, images = [f"caption {q}" for q in range(30)], [Path(f"{g}.png") for g in range(12)]
    right = {(captions[q], images[g].name) for q in range(30) for g in range(12) if query_pids[q] == gallery_pids[g]}
    return similarity, query_pids, gallery_pids, captions, images, right


def test_thi_asks_little_and_lifts_the_anchor(scene):
    similarity, query_pids, gallery_pids, captions, images, right = scene
    backend = Scripted(right)
    zeros = lambda texts, queries: MatrixScores(np.zeros((len(texts), 12)))  # noqa: E731
    result = run_thi(MatrixScores(similarity), captions, images, zeros, backend, MLLMSettings(), 5, 2.0, 0.5)
    vqa = [r.image for r in backend.asked if r.task == "vqa"]
    assert len(vqa) == len(set(vqa))
    assert result.calls["localise"] == sum(len(record["yes"]) for record in result.records)
    after = result.scores.rows(slice(None))
    before = retrieval_metrics(similarity, query_pids, gallery_pids).rank1
    assert retrieval_metrics(after, query_pids, gallery_pids).rank1 > before
    for q, record in enumerate(result.records):
        if record["anchor"] is None:
            assert np.array_equal(after[q], similarity[q])
        else:
            assert gallery_pids[record["anchor"]] == query_pids[q] and record["round"] > 1


def test_xi_sweep_replays_what_a_run_at_that_xi_gives(scene):
    similarity, query_pids, gallery_pids, captions, images, right = scene
    refine = lambda texts, queries: MatrixScores(np.linspace(0, 1, 12)[None].repeat(len(texts), 0))  # noqa: E731
    args, scores = (captions, images, refine), MatrixScores(similarity)
    found = select_xi(scores, query_pids, gallery_pids, *args, Scripted(right), MLLMSettings(), 5, 0.8, 9)
    for row in found["sweep"]:
        result = run_thi(scores, *args, Scripted(right), MLLMSettings(), 5, row["xi"], 0.8)
        again = retrieval_metrics(result.scores.rows(slice(None)), query_pids, gallery_pids)
        assert (again.rank1, again.map, result.refined) == pytest.approx((row["rank1"], row["map"], row["refined"]))
    assert found["rank1"] == max(row["rank1"] for row in found["sweep"])


def test_top_candidates_break_ties_by_column():
    assert top_candidates(MatrixScores(np.array([[0.5, 0.9, 0.5, 0.9]])), 3)[0].tolist() == [[1, 3, 0]]


def test_blocks_of_embedding_scores_are_the_mean_cosine():
    rng = np.random.default_rng(0)
    texts, images = ([rng.random((n, d)) for d in (3, 5)] for n in (7, 4))
    scores = EmbeddingScores(tuple(texts), tuple(images))
    expected = sum(t @ i.T for t, i in zip(texts, images, strict=True)) / 2
    np.testing.assert_allclose(np.concatenate(list(blocks(scores, 3))), expected)
    assert scores.shape == (7, 4)


def test_a_run_without_any_anchor_leaves_every_row(scene):
    similarity, _, _, captions, images, _ = scene
    refuse = lambda texts, queries: pytest.fail("nothing is refined")  # noqa: E731
    result = run_thi(MatrixScores(similarity), captions, images, refuse, Scripted(set()), MLLMSettings(), 5, 2.0, 0.5)
    assert result.refined == 0 and np.array_equal(result.scores.rows(slice(None)), similarity)
