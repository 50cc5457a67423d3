"""The published way through RDE, for comparison: what it computes, in which order and in which form.

By the published code of RDE and ICL: every block is a multi-head attention that returns its whole head-averaged attention
matrix, then an MLP with x sigmoid(1.702 x); all tokens are projected; every text has 77 tokens; TSE transforms the selected
places, padding too, and pools row by row. A training step runs the image tower once and the text tower once for each of the
raw and the augmented captions, with BatchNorm's statistics frozen (ICL's loop leaves evaluation mode on). Evaluation encodes
everything twice: once for BGE, once for TSE. The weights are float16 there, on a GPU; here float32, as CPUs without float16
units compute it by conversion.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from icl.retriever.model import RDE, TokenSelection


class Block(nn.Module):
    """One block with the weights of a transformers CLIP layer; tokens first (L, B, C), as published."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        own = layer.self_attn
        self.attention = nn.MultiheadAttention(own.embed_dim, own.num_heads)
        with torch.no_grad():
            for name in ("weight", "bias"):
                parts = [getattr(p, name) for p in (own.q_proj, own.k_proj, own.v_proj)]
                getattr(self.attention, f"in_proj_{name}").copy_(torch.cat(parts))
        self.attention.out_proj = own.out_proj
        self.before, self.between = layer.layer_norm1, layer.layer_norm2
        self.wide, self.narrow = layer.mlp.fc1, layer.mlp.fc2

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        y = self.before(x)
        y, attention = self.attention(y, y, y, need_weights=True, attn_mask=mask)
        x = x + y
        y = self.wide(self.between(x))
        return x + self.narrow(y * torch.sigmoid(1.702 * y)), attention


class PublishedRDE(nn.Module):
    """RDE in its published form, with the weights of ours, which is used up."""

    def __init__(self, model: RDE, length: int) -> None:
        super().__init__()
        backbone = model.backbone
        vision, text = backbone.vision, backbone.text
        self.length, self.ratio = length, model.ratio
        self.patches, self.first = vision.embeddings.patch_embedding, vision.embeddings.class_embedding
        self.image_places, self.text_places = backbone.image_positions, backbone.text_positions
        self.words = text.embeddings.token_embedding
        self.image_blocks = nn.ModuleList(Block(layer) for layer in vision.encoder.layers)
        self.text_blocks = nn.ModuleList(Block(layer) for layer in text.encoder.layers)
        self.norms = nn.ModuleList([vision.pre_layrnorm, vision.post_layernorm, text.final_layer_norm])
        self.projections = nn.ModuleList([backbone.visual_projection, backbone.text_projection])
        self.image_tse, self.text_tse = model.image_tse, model.text_tse

    def image_tower(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """All projected tokens (B, L, D) and the last block's attention (B, L, L)."""
        x = self.patches(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(len(x), 1, -1), x], 1) + self.image_places
        x = self.norms[0](x).transpose(0, 1)
        for block in self.image_blocks:
            x, attention = block(x, None)
        return self.projections[0](self.norms[1](x.transpose(0, 1))), attention

    def text_tower(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """The same of texts (B, at most 77), padded to 77."""
        x = (self.words(self.padded(ids)) + self.text_places).transpose(0, 1)
        mask = torch.full((self.length, self.length), float("-inf")).triu_(1)
        for block in self.text_blocks:
            x, attention = block(x, mask)
        return self.projections[1](self.norms[2](x.transpose(0, 1))), attention

    def padded(self, ids: Tensor) -> Tensor:
        """(B, 77)."""
        return F.pad(ids, (0, self.length - ids.shape[1]))

    def image_bge(self, tokens: Tensor) -> Tensor:
        return tokens[:, 0]

    def text_bge(self, tokens: Tensor, ids: Tensor) -> Tensor:
        return tokens[torch.arange(len(ids)), ids.argmax(1)]

    def select_images(self, tokens: Tensor, attention: Tensor) -> Tensor:
        """TSE (B, E)."""
        with torch.no_grad():
            row = attention[:, 0].clone()
            row[:, 0] = -1
        k = int(self.ratio * (tokens.shape[1] - 1))
        return pooled(self.image_tse, tokens, row.topk(k, dim=1).indices, torch.full((len(tokens),), k))

    def select_texts(self, tokens: Tensor, attention: Tensor, ids: Tensor) -> Tensor:
        """TSE (B, E)."""
        ids = self.padded(ids)
        at, end, present = torch.arange(len(ids)), ids.argmax(1), ids != 0
        with torch.no_grad():
            row = attention[at, end].clone()
            row[:, 0] = row[at, end] = -1
            row = row * present
        k = int(self.ratio * (self.length - 2))
        return pooled(self.text_tse, tokens, row.topk(k, dim=1).indices, (present.sum(1) - 2).clamp(max=k))

    def encode_images(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """BGE by one pass, TSE by another, as its evaluation does."""
        whole = self.image_bge(self.image_tower(pixels)[0])
        return F.normalize(whole, dim=-1), F.normalize(self.select_images(*self.image_tower(pixels)), dim=-1)

    def encode_texts(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """BGE by one pass, TSE by another, as its evaluation does."""
        whole = self.text_bge(self.text_tower(ids)[0], ids)
        return F.normalize(whole, dim=-1), F.normalize(self.select_texts(*self.text_tower(ids), ids), dim=-1)

    def step(self, pixels: Tensor, texts: list[tuple[Tensor, float]], pids: Tensor, loss) -> Tensor:
        """Loss and gradients of a batch: one pass of the image tower, one of the text tower for each kind of caption.

        Args:
            texts: (token ids, weight of the loss), the raw captions first. loss: (similarities, identities) to (B,).
        """
        tokens, attention = self.image_tower(pixels)
        image = [F.normalize(x, dim=-1) for x in (self.image_bge(tokens), self.select_images(tokens, attention))]
        total = torch.zeros(())
        for ids, weight in texts:
            tokens, attention = self.text_tower(ids)
            found = (self.text_bge(tokens, ids), self.select_texts(tokens, attention, ids))
            text = [F.normalize(x, dim=-1) for x in found]
            total = total + weight * sum(loss(i @ t.T, pids).sum() for i, t in zip(image, text, strict=True))
        total.backward()
        return total.detach()


def pooled(tse: TokenSelection, tokens: Tensor, places: Tensor, lengths: Tensor) -> Tensor:
    """The tokens at some places (B, k), transformed all; then of each row the greatest over its first `lengths` (B,)."""
    chosen = tokens.gather(1, places.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))
    chosen = F.normalize(chosen, dim=-1, eps=1e-8)
    flat = chosen.flatten(0, 1)
    values = tse.output(F.relu(tse.norm(tse.hidden(flat)))).view(*places.shape, -1) + tse.linear(chosen)
    return torch.stack([row[:length].topk(1, dim=0).values[0] for row, length in zip(values, lengths, strict=True)])
