"""Muon in float32, matrices of one shape at a time.

`torch.optim.Muon` orthogonalises in bfloat16, one matrix after the other: on CPUs without bfloat16 units that takes many
times longer than the training step itself. The update is the same (Jordan et al., 2024; RMS matched to AdamW's).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(stack: Tensor, steps: int = 5) -> Tensor:
    """Nearest semi-orthogonal matrices of a stack (n, rows, columns), by quintic Newton-Schulz iterations."""
    a, b, c = COEFFICIENTS
    tall = stack.shape[1] > stack.shape[2]
    x = stack.transpose(1, 2) if tall else stack
    x = x / x.flatten(1).norm(dim=1).clamp(min=1e-7).view(-1, 1, 1)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.transpose(1, 2) if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum SGD whose matrix updates are orthogonalised; parameters must have two dimensions."""

    def __init__(self, groups: Iterable[dict], lr: float, momentum: float = 0.95, weight_decay: float = 0.02) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closure is called, so none has a loss
        for group in self.param_groups:
            shapes = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes[parameter.shape].append(parameter)
            for parameters in shapes.values():
                self._update(parameters, group)

    def _update(self, parameters: list[Tensor], group: dict) -> None:
        blended = []
        for parameter in parameters:
            momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
            gradient = cast(Tensor, parameter.grad)
            momentum.lerp_(gradient, 1 - group["momentum"])
            blended.append(gradient.lerp(momentum, group["momentum"]))
        updates = orthogonalise(torch.stack(blended)) * 0.2 * max(parameters[0].shape) ** 0.5
        for parameter, update in zip(parameters, updates, strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"])
