"""Triplet alignment loss (TAL) of RDE."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


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
