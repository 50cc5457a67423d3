"""One training step: the loss of the whole global batch and its gradient, in one pass or piece by piece.

The graph is cut between backbone and heads. Heads and losses see the selected tokens of all pairs of all processes, so
that neither gradient caching nor data parallelism changes the loss or BatchNorm's statistics; the backbone then runs
again, piece by piece, with the gradient that arrived at the cut (gradient caching: memory of one piece instead of all).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from icl.retriever.losses import Loss, total
from icl.retriever.model import RDE, Selection, normalised
from icl.retriever.world import World


@dataclass
class Batch:
    """One global batch; `pixels` and `texts` are this process' share of it.

    Attributes:
        pixels: (b, 3, H, W). texts: (token ids (b, L), weight of its loss), the raw captions first.
        pids, label: (B,) identities and CCD labels of all pairs.
    """

    pixels: Tensor
    texts: list[tuple[Tensor, float]]
    pids: Tensor
    label: Tensor


class TrainingStep:
    """Computes losses and leaves gradients in the model's parameters.

    Args:
        piece: pairs that the backbone takes at once; 0 takes all of them.
        rda_loss: of the augmented texts, Eq. (2); None: the same.
    """

    def __init__(
        self, model: RDE, loss: Loss, tau: float, margin: float, world: World, piece: int, rda_loss: Loss | None = None
    ) -> None:
        self.model, self.tau, self.margin, self.losses = model, tau, margin, (loss, rda_loss or loss)
        self.world, self.piece = world, piece
        self.scaler = torch.amp.GradScaler(world.device.type, enabled=model.dtype == torch.float16)

    def backward(self, batch: Batch) -> Tensor:
        """Eq. (3) of a batch; its gradient is added to the parameters (scaled, where the precision is float16)."""
        towers = [(self.model.select_images, batch.pixels)] + [(self.model.select_texts, ids) for ids, _ in batch.texts]
        whole_at_once = not self.piece or self.piece >= len(batch.pixels)
        if whole_at_once and self.world.size == 1:
            loss = self._loss([tower(x) for tower, x in towers], batch)
            self.scaler.scale(loss).backward()
            return loss.detach()
        with torch.set_grad_enabled(whole_at_once):
            local = [_joined([tower(x) for x in self._pieces(x)]) for tower, x in towers]
        cut = [self._gathered(selection, len(batch.pids)) for selection in local]
        loss = self._loss(cut, batch)
        self.scaler.scale(loss).backward()
        share = self.world.share(len(batch.pids))
        for (tower, x), selection, leaf in zip(towers, local, cut, strict=True):
            gradients = (cast(Tensor, leaf.whole.grad)[share], cast(Tensor, leaf.tokens.grad)[share])
            self._into_backbone(tower, x, selection if whole_at_once else None, gradients)
        self.world.sum_gradients(self.model.backbone.parameters())
        return loss.detach()

    def optimise(self, optimizer: torch.optim.Optimizer) -> None:
        """One step of the optimizer (left out where float16 overflowed)."""
        self.scaler.step(optimizer)
        self.scaler.update()

    def _pieces(self, x: Tensor) -> tuple[Tensor, ...]:
        return x.split(self.piece) if self.piece else (x,)

    def _gathered(self, selection: Selection, count: int) -> Selection:
        """All processes' selections, as new leaves of the graph."""
        whole, tokens = (
            self.world.gather(t.detach(), count).float().requires_grad_() for t in (selection.whole, selection.tokens)
        )
        return Selection(whole, tokens, self.world.gather(selection.kept, count))

    def _into_backbone(
        self, tower: Callable[[Tensor], Selection], x: Tensor, done: Selection | None, gradients: tuple[Tensor, Tensor]
    ) -> None:
        pieces = [x] if done is not None else self._pieces(x)
        start = 0
        for part in pieces:
            selection = done if done is not None else tower(part)
            rows = slice(start, start + len(part))
            outputs = (selection.whole, selection.tokens)
            torch.autograd.backward(outputs, [g[rows].to(o.dtype) for g, o in zip(gradients, outputs, strict=True)])
            start = rows.stop

    def _loss(self, selections: list[Selection], batch: Batch) -> Tensor:
        """The raw captions' Eq. (1) plus gamma times the augmented ones' Eq. (2); images are encoded once for both."""
        image = normalised(self.model.finish_images(selections[0]))
        out = torch.zeros((), device=batch.label.device)
        for selection, (_, weight), loss in zip(selections[1:], batch.texts, self.losses, strict=False):
            text = normalised(self.model.finish_texts(selection))
            values = [loss(i @ t.T, batch.pids, self.tau, self.margin) for i, t in zip(image, text, strict=True)]
            out = out + weight * total(loss, cast(Tensor, sum(values)), batch.label)
        return out


def _joined(parts: list[Selection]) -> Selection:
    return Selection(*(torch.cat(column) for column in zip(*parts, strict=True))) if len(parts) > 1 else parts[0]
