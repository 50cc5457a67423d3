"""Somebody's own retriever: matrices and embeddings in any order, and clear refusals."""

import numpy as np
import pandas as pd
import pytest

from icl.errors import InputError
from icl.retriever.encoding.given import open_scores, read_given
from icl.retriever.encoding.vectors import Embeddings


@pytest.fixture
def rows():
    """3 images, 2 captions each."""
    images = np.repeat([10, 11, 12], 2)
    columns = {"split": "test", "pid": images - 9, "image_id": images, "image": [f"{i}.png" for i in images]}
    return pd.DataFrame({**columns, "caption_id": np.arange(6), "caption": "a man"})


def test_a_matrix_is_taken_as_it_is(rows, tmp_path):
    matrix = np.random.default_rng(0).random((6, 3))
    np.save(tmp_path / "test.npy", matrix)
    found = open_scores(tmp_path, "test", rows)
    assert np.array_equal(found.scores.rows(slice(None)), matrix)
    assert found.text_pids.tolist() == [1, 1, 2, 2, 3, 3] and found.image_pids.tolist() == [1, 2, 3]


def test_embeddings_of_any_length_and_order(rows, tmp_path):
    rng = np.random.default_rng(1)
    text, image = rng.normal(size=(6, 5)), rng.normal(size=(3, 5))
    ids = {"caption_ids": np.arange(6)[::-1], "image_ids": np.array([12, 10, 11])}
    np.savez(tmp_path / "test.npz", text=text[::-1] * 3, image=image[[2, 0, 1]], **ids)
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)  # noqa: E731
    found = read_given(tmp_path / "test.npz", rows)
    np.testing.assert_allclose(found.scores.rows(slice(None)), unit(text) @ unit(image).T, atol=1e-6)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"similarity": np.zeros((5, 3))}, r"\(5, 3\).*\(6, 3\)"),
        ({"similarity": np.full((6, 3), np.nan)}, "not finite"),
        ({"text": np.ones((6, 4)), "image": np.zeros((3, 4))}, "image with rows of length 0"),
        ({"texts": np.ones((6, 4))}, "arrays texts.*`text` and `image`"),
        ({"similarity": np.ones((6, 3)), "image_ids": np.array([10, 11, 99])}, "1 of the split's 3 are missing"),
    ],
)
def test_what_does_not_fit_is_named(rows, tmp_path, arrays, said):
    np.savez(tmp_path / "test.npz", **arrays)
    with pytest.raises(InputError, match=said):
        read_given(tmp_path / "test.npz", rows)


def test_embeddings_of_a_retriever_that_ran_here_are_read_as_such(rows, tmp_path):
    rng = np.random.default_rng(2)
    own = [rng.random((n, d)).astype(np.float32) for n, d in ((3, 4), (3, 0), (6, 4), (6, 0))]
    emb = Embeddings(*own, np.array([10, 11, 12]), np.arange(3), np.arange(6), np.arange(6))
    emb.save(tmp_path / "test.npz")
    found = open_scores(tmp_path, "test", rows)
    np.testing.assert_allclose(found.scores.rows(slice(None)), own[2] @ own[0].T)
