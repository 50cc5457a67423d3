"""CLIP's two towers, yielding projected tokens and the last block's attention from the global token.

Weights live in transformers' CLIPModel; only the walk through its blocks is ours. TSE needs the attention of the class
(end-of-text) token in the last block alone: eager attention everywhere would pay for all of it. And only the global token
and those that it attends to most are used: the last block computes no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel
from transformers.activations import QuickGELUActivation

from icl.data.tokenizer import ends

Choose = Callable[[Tensor], Tensor]
"""Attention row (B, L) of the global token to the places (B, m) of the tokens wanted."""
CPU_ROWS = 1024
"""Tokens that a CPU takes at once through an MLP."""


def resize_image_positions(table: Tensor, height: int, width: int) -> Tensor:
    """Resize a positional table (1 + side * side, C) to (1 + height * width, C), bilinearly; the class row is kept.

    Raises:
        ValueError: the table is neither square nor of that size already.
    """
    if len(table) == 1 + height * width:
        return table  # of a model for these images already
    side = int((len(table) - 1) ** 0.5)
    if side * side != len(table) - 1:
        raise ValueError(f"image positions: {len(table) - 1} places are neither {height} x {width} nor a square")
    grid = table[1:].view(1, side, side, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=(height, width), mode="bilinear", align_corners=False)
    return torch.cat([table[:1], grid.flatten(2)[0].T])


def resize_text_positions(table: Tensor, length: int) -> Tensor:
    """Resize a positional table (L, C) to (length, C) along the token axis, linearly; shorter: cut."""
    if length <= len(table):
        return table[:length]
    return F.interpolate(table.T[None], size=length, mode="linear", align_corners=False)[0].T


def _heads(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)  # (B, nh, L, hs)


def _mlp(layer: Any, x: Tensor) -> Tensor:
    """x plus the block's MLP. A CPU takes some rows at a time: their hidden layer stays in its cache."""
    rows = x.flatten(0, 1)
    parts = rows.split(CPU_ROWS) if x.device.type == "cpu" else (rows,)
    return x + torch.cat([_hidden(layer, part) for part in parts]).view_as(x)


def _hidden(layer: Any, rows: Tensor) -> Tensor:
    mlp, y = layer.mlp, layer.mlp.fc1(layer.layer_norm2(rows))
    if isinstance(
        mlp.activation_fn, QuickGELUActivation
    ):  # y sigmoid(ay) = silu(ay) / a, in place: one kept tensor, not two
        y = F.silu(y.mul_(1.702), inplace=not torch.is_grad_enabled()).div_(1.702)
    else:
        y = mlp.activation_fn(y)
    return mlp.fc2(y)


def _project(y: Tensor, heads: int, *layers: nn.Linear) -> tuple[Tensor, ...]:
    """Queries, keys or values (B, nh, L, hs), by one product for all of the given layers."""
    if len(layers) == 1:
        return (_heads(layers[0](y), heads),)
    weight, bias = (torch.cat([getattr(layer, name) for layer in layers]) for name in ("weight", "bias"))
    return tuple(_heads(part, heads) for part in F.linear(y, weight, bias).chunk(len(layers), dim=-1))


def _block(layer: Any, x: Tensor, causal: bool) -> Tensor:
    attn = layer.self_attn
    q, k, v = _project(layer.layer_norm1(x), attn.num_heads, attn.q_proj, attn.k_proj, attn.v_proj)
    y = F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).reshape(x.shape)
    return _mlp(layer, x + attn.out_proj(y))


def attention_row(layer: Any, y: Tensor, keys: Tensor, at: Tensor, causal: bool) -> Tensor:
    """Head-averaged attention (B, L) of the token at `at` (B,); only tells which tokens to keep, so without gradient.

    Args:
        y: (B, L, C) the block's normed input. keys: (B, nh, L, hs) of it.
    """
    with torch.no_grad():
        q = layer.self_attn.q_proj(y[torch.arange(len(y), device=y.device), at]).view(
            *keys.shape[:2], 1, keys.shape[-1]
        )
        scores = (q @ keys.transpose(2, 3))[:, :, 0].float() * q.shape[-1] ** -0.5  # (B, nh, L)
        if causal:
            later = torch.arange(y.shape[1], device=y.device) > at[:, None]
            scores = scores.masked_fill(later[:, None], float("-inf"))
        return scores.softmax(-1).mean(1)


def take(rows: Tensor, places: Tensor) -> Tensor:
    """(B, L, C) at (B, m) to (B, m, C)."""
    return rows.gather(1, places.unsqueeze(-1).expand(-1, -1, rows.shape[-1]))


def last_block(layer: Any, x: Tensor, at: Tensor, causal: bool, choose: Choose | None) -> tuple[Tensor, Tensor]:
    """The last block for the tokens that are wanted: no other token's output goes anywhere.

    Args:
        x: (B, L, C). at: (B,) place of the global token. choose: attention row (B, L) to the places (B, m) of the tokens
            wanted; None wants all of them.

    Returns:
        The tokens (B, m, C), and the attention row (B, L).
    """
    attn, heads, y = layer.self_attn, layer.self_attn.num_heads, layer.layer_norm1(x)
    k, v = _project(y, heads, attn.k_proj, attn.v_proj)
    row = attention_row(layer, y, k, at, causal)
    places = choose(row) if choose else torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
    (q,) = _project(take(y, places), heads, attn.q_proj)
    past = None
    if causal:
        past = (torch.arange(x.shape[1], device=x.device) <= places.unsqueeze(-1)).unsqueeze(1)  # (B, 1, m, L)
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=past).transpose(1, 2).flatten(2)
    return _mlp(layer, take(x, places) + attn.out_proj(y)), row


class CLIPBackbone(nn.Module):
    """CLIP at a pedestrian's aspect ratio.

    Args:
        config: transformers' CLIPConfig. height, width: image size in pixels. text_length: text tokens.
    """

    def __init__(self, config: CLIPConfig, height: int, width: int, text_length: int) -> None:
        super().__init__()
        clip = CLIPModel(config)
        image, text = cast(Any, config.vision_config), cast(Any, config.text_config)
        self.grid = (height // image.patch_size, width // image.patch_size)
        self.vision, self.text = clip.vision_model, clip.text_model
        self.visual_projection, self.text_projection = clip.visual_projection, clip.text_projection
        self.image_positions = nn.Parameter(torch.zeros(1 + self.grid[0] * self.grid[1], image.hidden_size))
        self.text_positions = nn.Parameter(torch.zeros(text_length, text.hidden_size))
        del self.vision.embeddings.position_embedding, self.text.embeddings.position_embedding
        self.dim = cast(int, config.projection_dim)

    def load(self, tensors: dict[str, Tensor], stretched: str = "interpolated") -> None:
        """Take CLIP's weights (under the names of `weights.Weights`), with the positional tables resized to fit.

        Args:
            stretched: what becomes of text positions beyond the table's: interpolated, or random (the whole table).

        Raises:
            ValueError: a weight is missing, unexpected or of another shape; names them.
        """
        state = dict(tensors)
        for name, resized in (
            ("image_positions", lambda table: resize_image_positions(table, *self.grid)),
            ("text_positions", lambda table: self._text_table(table, stretched)),
        ):
            if name in state:
                state[name] = resized(state[name])
        own = self.state_dict()
        wrong = [
            f"{name}: missing"
            if name not in state
            else f"{name}: {tuple(state[name].shape)}, not {tuple(own[name].shape)}"
            for name in own
            if name not in state or state[name].shape != own[name].shape
        ]
        wrong += [f"{name}: unexpected" for name in state if name not in own]
        if wrong:
            raise ValueError(f"{len(wrong)} weights do not fit: {'; '.join(wrong[:8])}")
        self.load_state_dict(state)

    def _text_table(self, table: Tensor, stretched: str) -> Tensor:
        length = len(self.text_positions)
        if stretched == "random" and length > len(table):
            return torch.randn(length, table.shape[1]) * 0.01  # CLIP's own initialisation
        return resize_text_positions(table, length)

    def encode_images(self, pixels: Tensor, choose: Choose | None = None) -> tuple[Tensor, Tensor]:
        """Pixels (B, 3, H, W) to projected tokens and the class token's attention (B, 1 + n) in the last block.

        Args:
            choose: which tokens are wanted, as in `last_block`.

        Returns:
            Tokens (B, m, D), all 1 + n without `choose`; attention (B, 1 + n).
        """
        embeddings = self.vision.embeddings
        b, c, h, w = pixels.shape
        p = embeddings.patch_size
        rows = pixels.reshape(b, c, h // p, p, w // p, p).permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
        patches = F.linear(rows, embeddings.patch_embedding.weight.flatten(1))
        x = torch.cat([embeddings.class_embedding.expand(b, 1, -1), patches], dim=1) + self.image_positions
        x = self.vision.pre_layrnorm(x)
        *first, last = self.vision.encoder.layers
        for layer in first:
            x = _block(layer, x, causal=False)
        x, row = last_block(last, x, torch.zeros(b, dtype=torch.long, device=x.device), False, choose)
        return self.visual_projection(self.vision.post_layernorm(x)), row

    def encode_texts(self, ids: Tensor, choose: Choose | None = None) -> tuple[Tensor, Tensor]:
        """Token ids (B, L) to projected tokens (B, m, D), all L without `choose`, and the end token's attention (B, L).

        L may be the batch's longest caption: attention is causal, so what follows the end changes nothing.
        """
        x = self.text.embeddings.token_embedding(ids) + self.text_positions[: ids.shape[1]]
        *first, last = self.text.encoder.layers
        for layer in first:
            x = _block(layer, x, causal=True)
        x, row = last_block(last, x, ends(ids), True, choose)
        return self.text_projection(self.text.final_layer_norm(x)), row
