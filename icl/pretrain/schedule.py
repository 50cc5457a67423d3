"""The optimisation loop shared by the pre-trainings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from icl.pretrain.muon import Muon
from icl.progress import task


def learning_rate(step: int, steps: int, warmup: int) -> float:
    """Factor of the learning rate: linear warm-up, then cosine to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _optimizers(named: list[tuple[str, nn.Parameter]], lr: float, gentle: set[int]) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for embeddings, biases and norms."""
    groups: dict[bool, list[dict]] = {True: [], False: []}
    for factor, late in ((1.0, False), (0.3, True)):
        for matrix in (True, False):
            chosen = [p for n, p in named if (p.ndim == 2 and "embed" not in n) == matrix and (id(p) in gentle) == late]
            if chosen:
                groups[matrix].append({"params": chosen, "factor": factor})
    out: list[torch.optim.Optimizer] = []
    if groups[True]:
        out.append(Muon(groups[True], lr=lr))
    if groups[False]:
        out.append(torch.optim.AdamW(groups[False], lr=lr, betas=(0.9, 0.98), weight_decay=0.0))
    return out


def optimise(
    named_parameters: Iterable[tuple[str, nn.Parameter]],
    loss_of: Callable[[int], Tensor],
    steps: int,
    lr: float,
    label: str,
    slow: Iterable[nn.Parameter] = (),
    every: int = 25,
) -> None:
    """Train with warm-up, cosine and clipped gradients; a progress line every `every` steps.

    Args:
        named_parameters: what is trained. loss_of: step number to loss.
        slow: those of them that learn at 0.3 of the rate (already trained in an earlier stage).

    Raises:
        FloatingPointError: the loss is not finite.
    """
    named = [(name, p) for name, p in named_parameters if p.requires_grad]
    optimizers = _optimizers(named, lr, {id(p) for p in slow})
    with task(steps, label) as work:
        total = 0.0
        for step in range(steps):
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = lr * group["factor"] * learning_rate(step, steps, max(1, steps // 20))
            loss = loss_of(step)
            if not torch.isfinite(loss):
                raise FloatingPointError(f"{label}: loss {loss.item()} at step {step}")
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_([p for _, p in named], 1.0)
            for optimizer in optimizers:
                optimizer.step()
            total += loss.item()
            work.advance()
            if (step + 1) % every == 0:
                work.note(f"loss {total / every:.4f}")
                total = 0.0
