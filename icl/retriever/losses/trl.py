"""Triplet ranking loss (TRL) with the hardest negative."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


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
