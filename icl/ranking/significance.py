"""Whether one row of a benchmark is better than another: paired randomisation over queries."""

from __future__ import annotations

import numpy as np


def paired_test(one: np.ndarray, other: np.ndarray, samples: int, seed: int) -> tuple[float, float, float, float]:
    """Difference of two rows' means, its 95% interval (bootstrap over queries), and how likely chance alone gives it.

    A query counts once: where there are several seeds, its values are averaged first. Chance exchanges the two rows' values
    of a query.

    Args:
        one, other: (seeds, Q) values of the same queries, such as 1 where the first image is right. samples: draws.

    Returns:
        (mean of one - other, low, high, two-sided p).
    """
    difference = one.mean(0) - other.mean(0)
    rng, mean = np.random.default_rng(seed), difference.mean()
    drawn = np.array([difference[rng.integers(0, len(difference), len(difference))].mean() for _ in range(samples)])
    signs = np.array([(difference * rng.choice((-1, 1), len(difference))).mean() for _ in range(samples)])
    p = (1 + (np.abs(signs) >= abs(mean) - 1e-12).sum()) / (1 + samples)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(mean), float(low), float(high), float(p)


def bootstrap_interval(values: np.ndarray, samples: int, seed: int, level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean over queries.

    Args:
        values: (Q,) per-query values. samples: bootstrap samples. seed: of the draws. level: coverage.
    """
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(samples)]
    tail = 100 * (1 - level) / 2
    return float(np.percentile(means, tail)), float(np.percentile(means, 100 - tail))
