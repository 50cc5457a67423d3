"""The optimisation loop shared by the pre-trainings."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def learning_rate(step: int, steps: int, warmup: int) -> float:
    """Factor of the learning rate: linear warm-up, then cosine to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def optimise(
    parameters: Iterable[nn.Parameter],
    loss_of: Callable[[int], Tensor],
    steps: int,
    lr: float,
    label: str,
    on_step: Callable[[int], None] | None = None,
    every: int = 50,
) -> None:
    """AdamW with warm-up, cosine and clipped gradients; a progress line every `every` steps.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    parameters = [p for p in parameters if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.02},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98))
    start, total = time.time(), 0.0
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * learning_rate(step, steps, max(1, steps // 20))
        loss = loss_of(step)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"{label}: loss {loss.item()} at step {step}")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        total += loss.item()
        if on_step:
            on_step(step)
        if (step + 1) % every == 0:
            spent = time.time() - start
            left = spent / (step + 1) * (steps - step - 1)
            print(
                f"{label} {step + 1}/{steps} loss {total / every:.4f} {spent:.0f} s, ETA {left:.0f} s",
                file=sys.stderr,
                flush=True,
            )
            total = 0.0
