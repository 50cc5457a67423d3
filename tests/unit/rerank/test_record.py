"""The interaction record: ranks and first images as a whole sort gives them, each similarity computed once."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from icl.errors import InputError
from icl.ranking.scores import BLOCK, MatrixScores
from icl.rerank.record import SHOWN, with_ranks
from icl.rerank.thi.merging import Reranked
from icl.rerank.thi.session import run_thi


@dataclass
class Counted:
    """A matrix of similarities that counts how often each row was asked for, and remembers the largest block."""

    matrix: np.ndarray
    asked: np.ndarray = field(init=False)
    largest: int = 0

    def __post_init__(self):
        self.asked = np.zeros(len(self.matrix), dtype=int)

    @property
    def shape(self):
        return self.matrix.shape

    def rows(self, queries):
        found = np.arange(len(self.matrix))[queries]
        np.add.at(self.asked, found, 1)
        self.largest = max(self.largest, len(found))
        return self.matrix[found]


def split_of(queries, images, rng, ties):
    """Raw and refined similarities, anchors of about half of the queries, and the split's ids."""
    raw, refined = rng.random((queries, images), dtype=np.float32), rng.random((queries, images), dtype=np.float32)
    if ties:
        raw, refined = raw.round(1), refined.round(1)
    anchors = np.where(rng.random(queries) < 0.5, rng.integers(0, images, queries), -1)
    image_pids = rng.integers(0, 9, images)
    emb = SimpleNamespace(
        image_pids=image_pids,
        text_pids=rng.choice(image_pids, queries),
        image_ids=1000 + np.arange(images),
        caption_ids=np.arange(queries),
    )
    return Counted(raw), Counted(refined[anchors >= 0]), anchors, emb


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("queries", "images"), [(1, 1), (7, 4), (2 * BLOCK + 3, 30)])
def test_a_record_holds_what_a_whole_sort_gives_and_computes_no_similarity_twice(queries, images, ties):
    raw, refined, anchors, emb = split_of(queries, images, np.random.default_rng(0), ties)
    after = Reranked(raw, refined, anchors, 0.8)
    orders = [np.argsort(-scores.rows(slice(None)), axis=1, kind="stable") for scores in (raw, after)]
    raw.asked[:], refined.asked[:] = 0, 0
    records = with_ranks([{"query": q, "candidates": [0]} for q in range(queries)], emb, raw, after)
    assert (raw.asked == 1).all() and (refined.asked == 1).all()
    for order, name in zip(orders, ("before", "after"), strict=True):
        right = emb.image_pids[order] == emb.text_pids[:, None]
        assert [record[f"rank_{name}"] for record in records] == (right.argmax(1) + 1).tolist()
        assert [record[f"best_{name}"] for record in records] == emb.image_ids[order[:, :SHOWN]].tolist()
    assert [record["query"] for record in records] == list(range(queries))


def test_an_identity_without_an_image_is_named():
    raw, _, _, emb = split_of(3, 4, np.random.default_rng(0), ties=False)
    emb.text_pids = np.array([*emb.text_pids[:2], 99])
    with pytest.raises(InputError, match="identity 99 without an image"):
        with_ranks([{"candidates": [0]}] * 3, emb, raw, MatrixScores(raw.matrix))


def test_thi_never_holds_the_whole_matrix():
    """At ICFG-PEDES' size, 19,848 x 19,848, it would be several times 1.6 GB."""

    class SaysYes:
        def answer(self, requests):
            return [SimpleNamespace(text="Yes", probabilities=None, error="") for _ in requests]

    raw, refined, _, _ = split_of(3 * BLOCK, 5, np.random.default_rng(0), ties=False)
    whole = Counted(np.zeros(raw.shape))
    settings = SimpleNamespace(reading="careful", max_new_tokens_vqa=8, max_new_tokens_text=8)
    texts, images = ["a text"] * len(raw.matrix), [None] * 5
    found = run_thi(raw, texts, images, lambda *_: whole, SaysYes(), settings, 2, -1.0, 0.8)
    assert found.refined == len(raw.matrix) and whole.asked.min() == 1
    assert max(raw.largest, whole.largest) <= BLOCK
