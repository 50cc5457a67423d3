"""Confident consensus division: which training pairs are clean, judged by BGE's and TSE's losses (RDE)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

VARIANTS = {
    "default": {"max_iter": 10, "tol": 1e-2, "reg_covar": 5e-4},
    "strict": {"max_iter": 100, "tol": 1e-4, "reg_covar": 1e-6},
}
"""Settings of the Gaussian mixture; `strict` is published for RSTPReid and for noise above 0.4."""


def variant_of(name: str, noise_rate: float, layout: str = "") -> str:
    """The variant meant by `retriever.ccd_variant`: `auto` is the published rule."""
    if name != "auto":
        return name
    return "strict" if noise_rate > 0.4 or layout == "rstpreid" else "default"


@dataclass(frozen=True)
class Division:
    """Attributes:
    clean: (N,) label of each pair, 1 clean, 0 noisy; a coin decides where the two views disagree.
    posterior_bge, posterior_tse: (N,) posterior of the lower-loss component.
    agreed: (N,) True where both views agree.
    """

    clean: np.ndarray
    posterior_bge: np.ndarray
    posterior_tse: np.ndarray
    agreed: np.ndarray


def posterior_of_clean(losses: np.ndarray, variant: str, seed: int) -> np.ndarray:
    """Posterior of the lower-mean component of a 2-component mixture on min-max normalised losses (N,)."""
    from sklearn.mixture import GaussianMixture

    losses = losses.astype(np.float64)
    spread = losses.max() - losses.min()
    if spread == 0:
        return np.ones(len(losses))
    scaled = ((losses - losses.min()) / spread).reshape(-1, 1)
    mixture = GaussianMixture(2, random_state=seed, **VARIANTS[variant]).fit(scaled)
    return mixture.predict_proba(scaled)[:, mixture.means_.argmin()]


def clean_mask(posterior: np.ndarray) -> np.ndarray:
    """Posterior above 0.5; where that is true of all, the lowest 1 % are marked noisy."""
    threshold = 0.5
    if posterior.min() > threshold:
        threshold = np.sort(posterior)[len(posterior) // 100]
    return posterior > threshold


def divide(losses_bge: np.ndarray, losses_tse: np.ndarray, variant: str, seed: int) -> Division:
    """Divide the training pairs.

    Args:
        losses_bge, losses_tse: (N,) loss of every pair under each embedding.
        variant: key of `VARIANTS`. seed: of the mixtures and of the coin (give another one each epoch).
    """
    bge = posterior_of_clean(losses_bge, variant, seed)
    tse = posterior_of_clean(losses_tse, variant, seed)
    a, b = clean_mask(bge), clean_mask(tse)
    coin = np.random.default_rng(seed).random(len(a)) < 0.5
    return Division(np.where(a == b, a, coin).astype(np.int64), bge, tse, a == b)


def quality(division: Division | None, really_clean: np.ndarray) -> dict[str, float]:
    """How well a division finds the pairs that the noise study spoilt: precision, recall and AUROC of "noisy", in percent.

    Args:
        really_clean: (N,) the truth; empty answer where all pairs are clean or nothing was divided; no AUROC (NaN) where
            all are noisy.
    """
    from sklearn.metrics import roc_auc_score

    if division is None or really_clean.all():
        return {}
    noisy, called = ~really_clean, division.clean == 0
    hit = int((noisy & called).sum())
    doubt = -(division.posterior_bge + division.posterior_tse) / 2
    return {
        "ccd_precision": 100 * hit / max(1, int(called.sum())),
        "ccd_recall": 100 * hit / int(noisy.sum()),
        "ccd_auroc": float("nan") if noisy.all() else 100 * float(roc_auc_score(noisy, doubt)),
    }
