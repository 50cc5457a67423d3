"""Matching losses on a batch's similarity matrix: TAL, TRL, InfoNCE, SDM. All give one value a pair."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from icl.errors import InputError


def _direction_tal(scores: Tensor, same: Tensor, tau: float, margin: float) -> Tensor:
    with torch.no_grad():  # the weights of the positives carry no gradient
        weights = (scores / tau).masked_fill(~same, float("-inf")).softmax(1)
    positive = (weights * scores).sum(1)
    negatives = (scores / tau).masked_fill(same, float("-inf"))
    has_negative = ~same.all(1)
    # A row without negatives has no loss; a zero row keeps logsumexp's gradient finite there.
    hardest = tau * torch.where(has_negative[:, None], negatives, torch.zeros_like(negatives)).logsumexp(1)
    return torch.where(has_negative, F.relu(margin - positive + hardest), torch.zeros_like(positive))


def tal(scores: Tensor, pids: Tensor, tau: float, margin: float) -> Tensor:
    """Triplet alignment loss of RDE.

    Args:
        scores: (B, B) similarity of image i and text j. pids: (B,) identities. tau: temperature. margin: margin.

    Returns:
        (B,) sum of both directions.
    """
    same = pids[:, None] == pids[None]
    return _direction_tal(scores, same, tau, margin) + _direction_tal(scores.T, same, tau, margin)


def trl(scores: Tensor, pids: Tensor, tau: float, margin: float) -> Tensor:
    """Triplet ranking loss with the hardest negative (positives weighted as in TAL)."""
    same = pids[:, None] == pids[None]

    def direction(s: Tensor) -> Tensor:
        with torch.no_grad():
            weights = (s / tau).masked_fill(~same, float("-inf")).softmax(1)
        hardest = s.masked_fill(same, 0.0).max(1).values  # as published: at least 0
        value = F.relu(margin - (weights * s).sum(1) + hardest)
        return torch.where(same.all(1), torch.zeros_like(value), value)

    return direction(scores) + direction(scores.T)


def infonce(scores: Tensor, pids: Tensor, tau: float, margin: float, logit_scale: float = 50.0) -> Tensor:
    """Symmetric InfoNCE with the pair itself as the only target (as published: other pairs of an identity are negatives)."""
    logits = logit_scale * scores
    return -(logits.log_softmax(1).diagonal() + logits.T.log_softmax(1).diagonal()) / 2


def sdm(
    scores: Tensor, pids: Tensor, tau: float, margin: float, logit_scale: float = 50.0, eps: float = 1e-8
) -> Tensor:
    """Similarity distribution matching (IRRA)."""
    same = (pids[:, None] == pids[None]).float()
    targets = (same / same.sum(1, keepdim=True) + eps).log()

    def direction(s: Tensor) -> Tensor:
        logits = (logit_scale * s).log_softmax(1)
        return (logits.exp() * (logits - targets)).sum(1)

    return direction(scores) + direction(scores.T)


Loss = Callable[[Tensor, Tensor, float, float], Tensor]
LOSSES: dict[str, Loss] = {"tal": tal, "trl": trl, "infonce": infonce, "sdm": sdm}


def total(loss: Loss, values: Tensor, label: Tensor) -> Tensor:
    """One number of a batch's losses (B,), of the pairs with label 1: the sum; InfoNCE and SDM their mean (as published)."""
    summed = (label * values).sum()
    return summed / label.sum().clamp_min(1) if loss in (infonce, sdm) else summed


def loss_named(name: str) -> Loss:
    """Look a loss up.

    Raises:
        InputError: unknown name; lists the known ones.
    """
    if name not in LOSSES:
        raise InputError("retriever.loss", repr(name), f"one of {', '.join(LOSSES)}", "Correct the config.")
    return LOSSES[name]
