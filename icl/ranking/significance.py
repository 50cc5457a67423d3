"""How sure a mean over queries is, and whether one row of a benchmark is better than another.

Queries of one identity share its images, so they hit and miss together: they are no independent draws. What is drawn, and
what is exchanged, is therefore an identity with all its queries (cluster bootstrap: Davison and Hinkley, Bootstrap Methods
and their Application, 1997, section 3.8). With one query an identity, these are the usual draws of queries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

FLIPS = 19_999
"""Random exchanges of a test: p is a multiple of 1/20,000, so that it stays below 0.01 when adjusted for 100 tests."""
_HELD = 1 << 22
"""Numbers of draws held in memory at once."""


@dataclass(frozen=True)
class Differences:
    """Of T pairs of rows, each (T,): mean difference, its 95% interval, and the two-sided p, not adjusted."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


def by_identity(values: np.ndarray, identities: np.ndarray) -> np.ndarray:
    """Sums over the queries of each identity.

    Args:
        values: (..., Q). identities: (Q,) of C different ones, in any order.

    Returns:
        (..., C), identities ascending.
    """
    order = np.argsort(identities, kind="stable")
    _, starts = np.unique(np.asarray(identities)[order], return_index=True)
    return np.add.reduceat(np.asarray(values, dtype=float)[..., order], starts, axis=-1)


def bootstrap_interval(
    values: np.ndarray,
    identities: np.ndarray,
    samples: int,
    seed: int,
    level: float = 0.95,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile bootstrap interval of a mean over queries: identities are drawn, all their queries come along.

    A sample's mean is the ratio of two sums, because its number of queries varies with the identities drawn.

    Args:
        values: (..., Q), one or more rows of the same queries. identities: (Q,). samples: bootstrap samples. seed: of the
            draws, which all rows share. level: coverage. weights: (Q,) or like `values`: the sum to divide by (1 a query).

    Returns:
        (low, high), each (...). Samples without weight, which few queries with any can give, are left out.
    """
    over = by_identity(values, identities)
    under = by_identity(np.ones(len(identities)) if weights is None else weights, identities)
    rng, means = np.random.default_rng(seed), []
    for counts in _draws(over.shape[-1], samples, rng):
        with np.errstate(invalid="ignore"):
            means.append((over @ counts.T) / (under @ counts.T))
    tail, percentile = 100 * (1 - level) / 2, np.percentile if weights is None else np.nanpercentile
    low, high = percentile(np.concatenate(means, axis=-1), (tail, 100 - tail), axis=-1)
    return low, high


def paired_test(difference: np.ndarray, identities: np.ndarray, samples: int, seed: int) -> Differences:
    """Whether rows differ by more than chance, each pair tested alone (`holm` adjusts for all).

    Chance exchanges two rows' values of all queries of an identity at once, which flips the sign of its summed difference.
    What is drawn are queries: the models are those of the run, so that another training may differ by more.

    Args:
        difference: (T, Q) of T pairs of rows on the same queries; of several seeds, the mean of each query over them, so
            that a query counts once. identities: (Q,). samples: bootstrap samples of the intervals. seed: of all draws.
    """
    low, high = bootstrap_interval(difference, identities, samples, seed)
    sums = by_identity(difference, identities)
    # sums that are equal but for the order of adding count as equal
    least = np.abs(sums.sum(1)) - 1e-9 * np.abs(sums).sum(1)
    as_large = np.zeros(len(sums), dtype=np.int64)
    for signs in _signs(sums.shape[1], len(sums), np.random.default_rng(seed)):
        as_large += (np.abs(signs @ sums.T) >= least).sum(0)
    return Differences(np.asarray(difference).mean(1), low, high, (1 + as_large) / (1 + FLIPS))


def holm(p: np.ndarray) -> np.ndarray:
    """p-values adjusted for all tests shown together (Holm 1979): below a level in any of them by chance at that rate at most.

    Args:
        p: (T,), of dependent tests or not.
    """
    p = np.asarray(p, dtype=float)
    order, out = np.argsort(p, kind="stable"), np.empty(len(p))
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return out


def _draws(count: int, samples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each of `count` identities is drawn: (n, count) of n samples at a time."""
    for n in _portions(samples, count):
        chosen = rng.integers(0, count, (n, count)) + count * np.arange(n)[:, None]
        yield np.bincount(chosen.ravel(), minlength=n * count).reshape(n, count).astype(float)


def _signs(count: int, tests: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """1 or -1 for each of `count` identities: (n, count) of n exchanges at a time."""
    for n in _portions(FLIPS, max(count, tests)):
        yield 2.0 * rng.integers(0, 2, (n, count), dtype=np.int8) - 1.0


def _portions(whole: int, each: int) -> Iterator[int]:
    step = max(1, _HELD // each)
    yield from (min(step, whole - start) for start in range(0, whole, step))
