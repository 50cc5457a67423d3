"""RDE: dual-granular embeddings on CLIP (basic global embedding and token selection embedding)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from icl.data.tokenizer import PAD
from icl.retriever.backbone import CLIPBackbone


class TokenSelection(nn.Module):
    """TSE head: the most attended tokens, transformed and max-pooled.

    The kept tokens are L2-normalised; linear(D -> E) + MLP(D -> D -> E with BatchNorm and ReLU); max over the tokens.
    """

    def __init__(self, dim: int, out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, out)
        self.hidden, self.norm, self.output = nn.Linear(dim, dim), nn.BatchNorm1d(dim), nn.Linear(dim, out)

    def forward(self, tokens: Tensor, attention: Tensor, allowed: Tensor, k: int) -> Tensor:
        """Args:
            tokens: (B, L, D) projected tokens. attention: (B, L) of the global token.
            allowed: (B, L) True where a token may be kept (no special token, no padding). k: tokens kept at most.

        Returns:
            (B, E); a row without any allowed token is zero.
        """
        scores = attention.masked_fill(~allowed, -1.0)
        k = min(k, tokens.shape[1])
        top = scores.topk(k, dim=1).indices  # (B, k)
        kept = torch.arange(k, device=tokens.device) < allowed.sum(1, keepdim=True)  # (B, k)
        chosen = tokens.gather(1, top.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))
        chosen = F.normalize(chosen[kept], dim=-1, eps=1e-8)  # (n, D): padding never enters BatchNorm's statistics
        values = self.linear(chosen) + self.output(F.relu(self.norm(self.hidden(chosen))))
        pooled = values.new_full((*kept.shape, values.shape[-1]), float("-inf"))
        pooled[kept] = values
        return pooled.amax(1).masked_fill(~kept.any(1, keepdim=True), 0.0)


class RDE(nn.Module):
    """The retriever.

    Args:
        backbone: CLIP towers. tse_dim: width of the TSE embedding. ratio: share of tokens that TSE keeps.
    """

    def __init__(self, backbone: CLIPBackbone, tse_dim: int, ratio: float) -> None:
        super().__init__()
        self.backbone, self.ratio = backbone, ratio
        self.image_tse = TokenSelection(backbone.dim, tse_dim)
        self.text_tse = TokenSelection(backbone.dim, tse_dim)

    def encode_images(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels (B, 3, H, W) to BGE (B, D) and TSE (B, E), both L2-normalised."""
        tokens, attention = self.backbone.encode_images(pixels)
        allowed = torch.ones_like(attention, dtype=torch.bool)
        allowed[:, 0] = False
        k = int(self.ratio * (tokens.shape[1] - 1))
        return F.normalize(tokens[:, 0], dim=-1), F.normalize(self.image_tse(tokens, attention, allowed, k), dim=-1)

    def encode_texts(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Token ids (B, L) to BGE (B, D) and TSE (B, E), both L2-normalised."""
        tokens, attention = self.backbone.encode_texts(ids)
        rows, end = torch.arange(len(ids), device=ids.device), ids.argmax(1)
        allowed = ids != PAD
        allowed[:, 0] = False
        allowed[rows, end] = False
        k = int(self.ratio * (len(self.backbone.text_positions) - 2))
        tse = self.text_tse(tokens, attention, allowed, k)
        return F.normalize(tokens[rows, end], dim=-1), F.normalize(tse, dim=-1)
