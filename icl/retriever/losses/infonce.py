"""Symmetric InfoNCE."""

from __future__ import annotations

from torch import Tensor

from icl.retriever.losses.base import averaged


@averaged
def infonce(scores: Tensor, pids: Tensor, tau: float, margin: float, logit_scale: float = 50.0) -> Tensor:
    """Symmetric InfoNCE with the pair itself as the only target (as published: other pairs of an identity are negatives)."""
    logits = logit_scale * scores
    return -(logits.log_softmax(1).diagonal() + logits.T.log_softmax(1).diagonal()) / 2
