"""Ranks, first candidates and hard negatives equal a stable sort of whole rows, ties included, without sorting them."""

import numpy as np
import pytest

from icl.ranking.metrics import SORT_FROM, ranks_of
from icl.ranking.scores import MatrixScores, best_columns, top_candidates
from icl.retriever.mining import top_k_negatives


def by_whole_sort(similarity, text_pids, image_pids, k):
    """Hard negatives by a stable sort of every row; those of the own identity last."""
    other = text_pids[:, None] != image_pids[None]
    return np.argsort(-np.where(other, similarity, -np.inf), axis=1, kind="stable")[:, :k]


def some_rows(rng, kind, shape):
    """Similarities without ties, with many, all alike, or with both zeros."""
    found = {
        "no ties": rng.standard_normal(shape),
        "many ties": rng.integers(0, 4, shape) / 4,
        "all alike": np.zeros(shape),
        "signed zeros": rng.choice([0.0, -0.0, 1.0], shape),
    }
    return found[kind].astype(np.float32)


KINDS = ["no ties", "many ties", "all alike", "signed zeros"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 10, 33])
def test_hard_negatives_equal_those_of_a_whole_sort(kind, k):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        similarity = some_rows(rng, kind, (25, 40))
        text_pids, image_pids = rng.integers(0, 30, 25), rng.integers(0, 30, 40)
        before = similarity.copy()
        found = top_k_negatives(similarity, text_pids, image_pids, k)
        assert np.array_equal(found, by_whole_sort(similarity, text_pids, image_pids, found.shape[1]))
        assert found.shape[1] == min(k, 40 - max((image_pids == pid).sum() for pid in text_pids))
        assert np.array_equal(similarity, before), "the caller's similarities stay as they are"


@pytest.mark.parametrize("kind", KINDS)
def test_best_columns_and_candidates_equal_those_of_a_whole_sort(kind):
    for seed in range(20):
        rows = some_rows(np.random.default_rng(seed), kind, (5, 30))
        for k in (1, 4, 30, 99):
            whole = np.argsort(-rows, axis=1, kind="stable")[:, :k]
            assert np.array_equal(top_candidates(MatrixScores(rows), k)[0], whole)
            assert np.array_equal([best_columns(-row, min(k, 30)) for row in rows], whole)


def test_what_is_not_a_number_comes_last_as_in_a_sort():
    row = np.array([np.nan, 2.0, np.nan, 1.0])
    for k in range(1, 5):
        assert best_columns(row, k).tolist() == np.argsort(row, kind="stable")[:k].tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("right", [1, SORT_FROM - 1, SORT_FROM, 30])
def test_ranks_counted_and_ranks_by_sorted_values_equal_those_of_a_whole_sort(kind, right):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        row, columns = some_rows(rng, kind, 30), rng.permutation(30)[:right]
        place = np.empty(30, dtype=int)
        place[np.argsort(-row, kind="stable")] = np.arange(1, 31)
        assert ranks_of(row, columns).tolist() == sorted(place[columns].tolist())


def test_no_whole_row_is_sorted(monkeypatch):
    """The cost at CUHK-PEDES' size (68,126 captions, 34,054 images) is that of a look at each similarity, not of a sort."""
    sorted_sizes, sort = [], np.argsort

    def watched(values, *args, **kwargs):
        sorted_sizes.append(np.shape(values))
        return sort(values, *args, **kwargs)

    rng = np.random.default_rng(0)
    similarity = rng.standard_normal((50, 2000), dtype=np.float32)
    text_pids, image_pids = np.arange(50), np.arange(2000) // 2
    monkeypatch.setattr(np, "argsort", watched)
    top_k_negatives(similarity, text_pids, image_pids, 10)
    rows = [shape for shape in sorted_sizes if shape != image_pids.shape]  # the identities themselves are sorted once
    assert rows == [(10,)] * 50
