"""What all matching losses share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Loss = Callable[["Tensor", "Tensor", float, float], "Tensor"]
"""(similarities (B, B), identities (B,), tau, margin) to one value a pair (B,)."""


def averaged(loss: Loss) -> Loss:
    """Decorator of a loss whose value of a batch is the mean over its pairs, not their sum."""
    setattr(loss, "averaged", True)  # noqa: B010 (a function has no such attribute by its type)
    return loss


def total(loss: Loss, values: Tensor, label: Tensor) -> Tensor:
    """One number of a batch's losses (B,), of the pairs with label 1: the sum; InfoNCE and SDM their mean (as published)."""
    summed = (label * values).sum()
    return summed / label.sum().clamp_min(1) if getattr(loss, "averaged", False) else summed
