"""Re-ranking by what a person said of images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icl.apps.feedback import VERDICTS, Weights, with_verdicts
from icl.errors import InputError


def vectors(count, seed=0, widths=(6, 4)):
    rng = np.random.default_rng(seed)
    found = [rng.normal(size=(count, width)).astype(np.float32) for width in widths]
    return tuple(part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-9) for part in found)


def plain(found, images, verdicts, weights):
    """The same by loops."""
    cosine = lambda a, b: float(images[0][a] @ images[0][b] + images[1][a] @ images[1][b]) / 2  # noqa: E731
    yes, no = ([c for c, said in verdicts.items() if said == wanted] for wanted in ("yes", "no"))
    out = []
    for k, score in enumerate(found):
        score += weights.confirmed * sum(cosine(k, c) for c in yes) / max(1, len(yes))
        score -= weights.refused * max((cosine(k, c) for c in no), default=0)
        out.append(score + 10 * (k in yes) - 10 * (k in no))
    return np.array(out)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 30), st.dictionaries(st.integers(0, 29), st.sampled_from(VERDICTS), max_size=8), st.integers(0, 9)
)
def test_the_order_is_that_of_the_formula(count, verdicts, seed):
    verdicts = {column: said for column, said in verdicts.items() if column < count}
    images, found = vectors(count, seed), np.random.default_rng(seed).uniform(-1, 1, count).astype(np.float32)
    weights = Weights(0.7, 0.3)
    scores = with_verdicts(found, images, verdicts, weights)
    if set(verdicts.values()) <= {"unsure"}:
        assert np.array_equal(scores, found)
    else:
        assert np.argsort(-scores).tolist() == np.argsort(-plain(found, images, verdicts, weights)).tolist()


def test_confirmed_come_first_refused_last_and_their_likes_follow():
    images = vectors(40)
    for part in images:
        part[11], part[21] = part[10], part[20]  # twins of 10 and 20
    found = np.linspace(0.5, 0.3, 40).astype(np.float32)
    scores = with_verdicts(found, images, {10: "yes", 20: "no", 30: "unsure"})
    order = np.argsort(-scores).tolist()
    without = np.argsort(-with_verdicts(found, images, {10: "yes"})).tolist()
    assert order[:2] == [10, 11] and order[-1] == 20 and order.index(21) > without.index(21)
    assert scores.shape == (40,) and found[10] == np.linspace(0.5, 0.3, 40).astype(np.float32)[10], "a pure function"


def test_a_retriever_of_one_granularity_is_served():
    images = vectors(9, widths=(6, 0))
    scores = with_verdicts(np.zeros(9, np.float32), images, {4: "yes"}, Weights(1, 0))
    assert np.allclose(np.delete(scores, 4), np.delete(images[0] @ images[0][4], 4), atol=1e-6)


@pytest.mark.parametrize("verdicts", [{0: "maybe"}, {9: "yes"}, {-1: "no"}])
def test_what_is_no_verdict_is_refused(verdicts):
    with pytest.raises(InputError, match="verdict"):
        with_verdicts(np.zeros(9, np.float32), vectors(9), verdicts)
