"""RDE: dual-granular embeddings on CLIP (basic global embedding and token selection embedding)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from icl.data.tokenizer import PAD, ends
from icl.retriever.backbone import Choose, CLIPBackbone

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Selection(NamedTuple):
    """What the backbone gives to the heads; small enough to be gathered and cached.

    Attributes:
        whole: (B, D) the global token. tokens: (B, k, D) the most attended ones. kept: (B, k) False beyond a short text.
    """

    whole: Tensor
    tokens: Tensor
    kept: Tensor


def chooser(whole: Tensor, present: Tensor, special: Tensor, k: int) -> Choose:
    """Takes the global token, then the k tokens that it attends to most.

    Args:
        whole: (B,) place of the global token. present: (B, L) False on padding. special: (B, L) True on class, start and
            end tokens. k: tokens kept at most.
    """

    def choose(attention: Tensor) -> Tensor:
        scores = (attention * present).masked_fill(special, -1.0)
        return torch.cat([whole[:, None], scores.topk(min(k, scores.shape[1]), dim=1).indices], dim=1)

    return choose


def selection(tokens: Tensor, present: Tensor, special: Tensor, k: int) -> Selection:
    """What a chooser took (B, 1 + at most k, D), filled up to k tokens."""
    chosen = F.pad(tokens[:, 1:], (0, 0, 0, k + 1 - tokens.shape[1]))
    kept = torch.arange(k, device=tokens.device) < (present & ~special).sum(1, keepdim=True)
    return Selection(tokens[:, 0], chosen, kept)


Tower = Callable[[Tensor, Choose], tuple[Tensor, Tensor]]
"""Input and chooser to the tokens (B, m, D) and the attention row (B, L)."""


class TokenSelection(nn.Module):
    """TSE head: the kept tokens, transformed and max-pooled.

    Kept tokens are L2-normalised; linear(D -> E) + MLP(D -> D -> E with BatchNorm and ReLU); max over the tokens.
    """

    def __init__(self, dim: int, out: int, padding_counts: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, out)
        self.hidden, self.norm, self.output = nn.Linear(dim, dim), nn.BatchNorm1d(dim), nn.Linear(dim, out)
        self.padding_counts, self.out = padding_counts, out

    def forward(self, tokens: Tensor, kept: Tensor) -> Tensor:
        """(B, k, D) selected tokens, of which (B, k) are kept, to (B, E); a row without any is zero."""
        chosen = F.normalize(tokens, dim=-1, eps=1e-8)
        if self.padding_counts:
            values = self._transform(chosen.flatten(0, 1)).view(*kept.shape, self.out)
            pooled = values.masked_fill(~kept.unsqueeze(-1), float("-inf"))
        else:  # padding never enters BatchNorm's statistics
            values = self._transform(chosen[kept])
            pooled = values.new_full((*kept.shape, values.shape[-1]), float("-inf"))
            pooled[kept] = values
        return pooled.amax(1).masked_fill(~kept.any(1, keepdim=True), 0.0)

    def _transform(self, rows: Tensor) -> Tensor:
        return self.linear(rows) + self.output(F.relu(self._normed(self.hidden(rows))))

    def _normed(self, rows: Tensor) -> Tensor:
        norm = self.norm
        if norm.training and len(rows) == 1:  # one token alone has no variance: the running statistics stand in
            return F.batch_norm(rows, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps)
        return norm(rows)


class NoTokens(nn.Module):
    """Stands where a retriever has no TSE: embeddings of width 0."""

    out = 0

    def forward(self, tokens: Tensor, kept: Tensor) -> Tensor:
        """(B, 0)."""
        return tokens.new_zeros(len(tokens), 0)


class RDE(nn.Module):
    """The retriever.

    Args:
        backbone: CLIP towers. ratio: share of tokens that TSE keeps.
        tse_dim: width of the TSE embedding; 0 for a retriever by BGE alone, such as plain CLIP or IRRA.
        padding_counts: what the text's BatchNorm sees where a caption has fewer words than are kept: nothing, or padding
            (as published).
        precision: arithmetic of the backbone (autocast); weights, heads and losses are float32.
        tokens: as in `retriever.tokens`.
    """

    def __init__(
        self,
        backbone: CLIPBackbone,
        tse_dim: int,
        ratio: float,
        padding_counts: bool = False,
        precision: str = "float32",
        tokens: str = "careful",
    ) -> None:
        super().__init__()
        self.backbone, self.ratio, self.dtype = backbone, ratio, PRECISIONS[precision]
        self.careful = tokens == "careful"
        self.image_tse = TokenSelection(backbone.dim, tse_dim) if tse_dim else NoTokens()
        self.text_tse = TokenSelection(backbone.dim, tse_dim, padding_counts) if tse_dim else NoTokens()

    def select_images(self, pixels: Tensor) -> Selection:
        """Pixels (B, 3, H, W) through the image tower."""
        special = torch.zeros(len(pixels), len(self.backbone.image_positions), dtype=torch.bool, device=pixels.device)
        special[:, 0] = True
        first = torch.zeros(len(pixels), dtype=torch.long, device=pixels.device)
        k = int(self.ratio * (special.shape[1] - 1)) if self.image_tse.out else 0
        return self._select(self.backbone.encode_images, pixels, first, torch.ones_like(special), special, k)

    def select_texts(self, ids: Tensor) -> Selection:
        """Token ids (B, L) through the text tower."""
        rows, end = torch.arange(len(ids), device=ids.device), ends(ids)
        special = torch.zeros_like(ids, dtype=torch.bool)
        special[:, 0] = True
        special[rows, end] = True
        k = int(self.ratio * (len(self.backbone.text_positions) - 2)) if self.text_tse.out else 0
        present = torch.arange(ids.shape[1], device=ids.device) <= end[:, None] if self.careful else ids != PAD
        return self._select(self.backbone.encode_texts, ids, end, present, special, k)

    def _select(self, tower: Tower, x: Tensor, whole: Tensor, present: Tensor, special: Tensor, k: int) -> Selection:
        with torch.autocast(x.device.type, self.dtype or torch.bfloat16, enabled=self.dtype is not None):
            tokens, _ = tower(x, chooser(whole, present, special, k))
        return selection(tokens, present, special, k)

    def image_features(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels (B, 3, H, W) to BGE (B, D) and TSE (B, E), not normalised."""
        return self.finish_images(self.select_images(pixels))

    def text_features(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Token ids (B, L) to BGE (B, D) and TSE (B, E), not normalised."""
        return self.finish_texts(self.select_texts(ids))

    def finish_images(self, selection: Selection) -> tuple[Tensor, Tensor]:
        """The heads on selected patches, in float32: BGE (B, D) and TSE (B, E), not normalised."""
        return selection.whole.float(), self.image_tse(selection.tokens.float(), selection.kept)

    def finish_texts(self, selection: Selection) -> tuple[Tensor, Tensor]:
        """The heads on selected words, in float32: BGE (B, D) and TSE (B, E), not normalised."""
        return selection.whole.float(), self.text_tse(selection.tokens.float(), selection.kept)

    def encode_images(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels (B, 3, H, W) to BGE (B, D) and TSE (B, E), both L2-normalised."""
        return normalised(self.image_features(pixels))

    def encode_texts(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Token ids (B, L) to BGE (B, D) and TSE (B, E), both L2-normalised."""
        return normalised(self.text_features(ids))


def normalised(features: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Both embeddings at length 1."""
    return F.normalize(features[0], dim=-1), F.normalize(features[1], dim=-1)
