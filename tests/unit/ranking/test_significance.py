"""Intervals and tests by identity, against naive loops and on data whose truth is known."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icl.ranking.significance import FLIPS, bootstrap_interval, by_identity, holm, paired_test

IDENTITIES = np.repeat(np.arange(60), np.arange(60) % 7 + 3)
"""60 identities of 3 to 9 queries."""


def clustered(rows, rng, mean=0.5, spread=1.0):
    """(rows, Q) hits: each identity has a rate of its own, Beta-distributed around the mean."""
    rates = rng.beta(mean * spread, (1 - mean) * spread, (rows, 60))
    return (rng.random((rows, len(IDENTITIES))) < rates[:, IDENTITIES]).astype(float)


def naive_interval(values, identities, samples, seed):
    rng, names, means = np.random.default_rng(seed), sorted(set(identities.tolist())), []
    for _ in range(samples):
        drawn = [names[n] for n in rng.integers(0, len(names), len(names))]
        taken = [value for name in drawn for value in values[identities == name]]
        means.append(sum(taken) / len(taken))
    return np.percentile(means, 2.5), np.percentile(means, 97.5)


def naive_p(difference, identities, seed):
    """By whole rows of values, query by query."""
    rng, names, queries = np.random.default_rng(seed), sorted(set(identities.tolist())), range(len(difference))
    number = [names.index(name) for name in identities.tolist()]
    flips = 2 * rng.integers(0, 2, (FLIPS, len(names)), dtype=np.int8) - 1
    large = sum(
        abs(sum(difference[q] * signs[number[q]] for q in queries)) >= abs(difference.sum()) - 1e-9 for signs in flips
    )
    return (1 + large) / (1 + FLIPS)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_the_interval_equals_a_naive_loop(seed):
    rng = np.random.default_rng(seed)
    identities, values = rng.integers(0, 6, 20) * 3, rng.random(20)
    assert bootstrap_interval(values, identities, 40, seed) == pytest.approx(
        naive_interval(values, identities, 40, seed)
    )


def test_the_test_equals_a_naive_loop():
    rng = np.random.default_rng(3)
    identities, difference = rng.integers(0, 5, 12), rng.normal(0.3, 1, 12)
    assert paired_test(difference[None], identities, 10, 4).p[0] == pytest.approx(naive_p(difference, identities, 4))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_rows_together_equal_rows_alone_in_any_order_of_queries(seed):
    rng = np.random.default_rng(seed)
    values, order = clustered(3, rng), rng.permutation(len(IDENTITIES))
    together = np.transpose(bootstrap_interval(values[:, order], IDENTITIES[order], 50, seed))
    alone = [bootstrap_interval(row, IDENTITIES, 50, seed) for row in values]
    np.testing.assert_allclose(together, alone)


def test_one_query_an_identity_is_the_bootstrap_over_queries():
    values = (np.random.default_rng(0).random(400) < 0.4).astype(float)
    rng = np.random.default_rng(9)
    means = [values[rng.integers(0, 400, 400)].mean() for _ in range(4000)]
    found = bootstrap_interval(values, rng.permutation(400), 4000, 1)
    assert found == pytest.approx(np.percentile(means, (2.5, 97.5)), abs=0.006)
    assert found[1] - found[0] == pytest.approx(4 * np.sqrt(0.24 / 400), rel=0.1)


@pytest.mark.parametrize("identities", [np.zeros(7, dtype=int), np.arange(7), np.array([1, 1, 2, 2, 2, 5, 5])])
def test_equal_values_have_no_width_and_one_identity_has_none_either(identities):
    assert bootstrap_interval(np.full(7, 0.3), identities, 50, 0) == pytest.approx((0.3, 0.3))
    assert paired_test(np.zeros((2, 7)), identities, 50, 0).p.tolist() == [1.0, 1.0]
    values = np.arange(7.0)
    assert bootstrap_interval(values, np.zeros(7), 50, 0) == pytest.approx((3.0, 3.0))
    assert paired_test(values[None], np.zeros(7), 50, 0).p[0] == 1.0, "one identity shows nothing"


def test_the_draws_are_those_of_the_seed():
    values = clustered(1, np.random.default_rng(0))
    low, high = bootstrap_interval(values[0], IDENTITIES, 300, 5)
    assert (low, high) == bootstrap_interval(values[0], IDENTITIES, 300, 5)
    assert (low, high) != bootstrap_interval(values[0], IDENTITIES, 300, 6)
    found = [paired_test(values - 0.45, IDENTITIES, 300, seed).p[0] for seed in (5, 5, 6)]
    assert found[0] == found[1] != found[2]


def test_intervals_by_identity_hold_the_truth_in_95_of_100_cases_and_those_by_query_do_not():
    values = clustered(1000, np.random.default_rng(0))
    held = {}
    for name, clusters in {"identity": IDENTITIES, "query": np.arange(len(IDENTITIES))}.items():
        low, high = bootstrap_interval(values, clusters, 1000, 1)
        held[name] = ((low <= 0.5) & (high >= 0.5)).mean()
    assert 0.92 <= held["identity"] <= 0.97 and held["query"] < 0.8, held


def test_a_ratio_has_its_own_weights():
    """Such as right anchors among refined queries: identities without any count in neither sum."""
    refined, right = np.array([1, 1, 0, 0, 1, 0]), np.array([1, 0, 0, 0, 1, 0])
    low, high = bootstrap_interval(right, np.array([1, 1, 2, 2, 3, 4]), 2000, 0, weights=refined)
    assert (low, high) == pytest.approx((0.5, 1.0)), "of the two with weight, one is half right and one right"


def test_p_is_uniform_where_chance_alone_rules():
    rng = np.random.default_rng(1)
    difference = clustered(600, rng) - clustered(600, rng)
    p = paired_test(difference, IDENTITIES, 2, 0).p
    assert np.abs(np.sort(p) - np.linspace(0, 1, 600)).max() < 1.63 / np.sqrt(600), "Kolmogorov-Smirnov at 1%"
    assert 0.03 < (p < 0.05).mean() < 0.07
    assert (paired_test(difference, np.arange(len(IDENTITIES)), 2, 0).p < 0.05).mean() > 0.15, "by query it is not"


def test_a_real_difference_is_found_and_none_is_not():
    rng = np.random.default_rng(0)
    base = clustered(3, rng)
    better = np.maximum(base, rng.random(base.shape) < 0.2)
    found = paired_test(np.stack([better.mean(0) - base.mean(0), np.zeros(len(IDENTITIES))]), IDENTITIES, 500, 0)
    assert found.mean[0] == pytest.approx(better.mean() - base.mean())
    assert 0 < found.low[0] < found.mean[0] < found.high[0] and found.p[0] == 1 / (1 + FLIPS) and found.p[1] == 1


def test_sums_are_those_of_each_identity():
    assert by_identity(np.array([[1, 2, 3, 4], [0, 0, 1, 0]]), np.array([9, 4, 9, 4])).tolist() == [[6, 4], [0, 1]]


def naive_holm(p):
    order, out, least = sorted(range(len(p)), key=lambda n: p[n]), [0.0] * len(p), 0.0
    for rank, n in enumerate(order):
        least = max(least, min(1.0, (len(p) - rank) * p[n]))
        out[n] = least
    return out


@given(st.lists(st.floats(0, 1), max_size=30))
def test_holm_equals_a_naive_loop(p):
    found = holm(np.array(p))
    assert found.tolist() == pytest.approx(naive_holm(p))
    assert ((found >= p) & (found <= 1)).all() and (len(p) != 1 or found[0] == p[0])


def test_holm_on_an_example_by_hand():
    """0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1, which may not fall below the one before it."""
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_finds_chance_alone_in_one_family_of_twenty():
    families = np.random.default_rng(0).random((2000, 12))
    wrong = np.mean([holm(p).min() < 0.05 for p in families])
    assert 0.035 < wrong < 0.065 and (families.min(1) < 0.05).mean() > 0.4


def test_the_intervals_of_twenty_rows_take_less_than_a_second():
    rng, identities = np.random.default_rng(0), np.repeat(np.arange(1000), 6)
    values = rng.integers(0, 2, (20, 6000)).astype(float)
    start = time.process_time()
    for row in values:
        bootstrap_interval(row, identities, 1000, 0)
    assert time.process_time() - start < 1
