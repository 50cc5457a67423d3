"""Similarity distribution matching (SDM) of IRRA."""

from __future__ import annotations

from torch import Tensor

from icl.retriever.losses.base import averaged


@averaged
def sdm(
    scores: Tensor, pids: Tensor, tau: float, margin: float, logit_scale: float = 50.0, eps: float = 1e-8
) -> Tensor:
    """Similarity distribution matching (IRRA)."""
    same = (pids[:, None] == pids[None]).to(scores.dtype)
    targets = (same / same.sum(1, keepdim=True) + eps).log()

    def direction(s: Tensor) -> Tensor:
        logits = (logit_scale * s).log_softmax(1)
        return (logits.exp() * (logits - targets)).sum(1)

    return direction(scores) + direction(scores.T)
