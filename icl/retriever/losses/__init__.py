"""Matching losses on a batch's similarity matrix, one file each; all give one value a pair."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from icl.registry import Registry
from icl.retriever.losses.infonce import infonce
from icl.retriever.losses.sdm import sdm
from icl.retriever.losses.tal import tal
from icl.retriever.losses.trl import trl

Loss = Callable[[Tensor, Tensor, float, float], Tensor]
LOSSES: Registry[Loss] = Registry("retriever.loss", {"tal": tal, "trl": trl, "infonce": infonce, "sdm": sdm})


def total(loss: Loss, values: Tensor, label: Tensor) -> Tensor:
    """One number of a batch's losses (B,), of the pairs with label 1: the sum; InfoNCE and SDM their mean (as published)."""
    summed = (label * values).sum()
    return summed / label.sum().clamp_min(1) if loss in (infonce, sdm) else summed
