"""Several dialogues about one image in one sequence.

All blocks share the prefix (system turn, start of the user's turn, visual tokens) and cannot see each other: block-diagonal
attention and positions that restart after the prefix make each block the very sequence that inference will run, at a
fraction of the cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Block:
    """One dialogue after the shared prefix: token ids, and the weight of predicting each of them (0: not learned)."""

    ids: list[int]
    weights: list[float]


@dataclass
class Packed:
    """Attributes:
    ids: (B, L) token ids, image places filled with the image token.
    positions: (3, B, L) M-RoPE positions.
    mask: (B, 1, L, L) additive attention mask.
    weights: (B, L) weight of predicting the token at each place.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    weights: Tensor


def pack(prefix: list[int], positions: Tensor, samples: list[list[Block]], pad: int) -> Packed:
    """Pack each sample's blocks behind the shared prefix.

    Args:
        prefix: ids of the shared prefix. positions: (3, len(prefix)) its positions.
        samples: blocks of each sequence of the batch. pad: padding id.
    """
    start, n = int(positions.max()) + 1, len(prefix)
    length = n + max(sum(len(b.ids) for b in blocks) for blocks in samples)
    ids = torch.full((len(samples), length), pad)
    ids[:, :n] = torch.tensor(prefix)
    where = torch.zeros(3, len(samples), length, dtype=torch.long)
    where[:, :, :n] = positions.unsqueeze(1)
    owner = torch.full((len(samples), length), -1)  # -1 padding, 0 prefix, k block k
    owner[:, :n] = 0
    weights = torch.zeros(len(samples), length)
    for row, blocks in enumerate(samples):
        at = n
        for k, block in enumerate(blocks, 1):
            end = at + len(block.ids)
            ids[row, at:end] = torch.tensor(block.ids)
            where[:, row, at:end] = torch.arange(len(block.ids)) + start
            owner[row, at:end] = k
            weights[row, at + 1 : end] = torch.tensor(block.weights[1:])  # a block's first token has no predecessor
            at = end
    same = owner.unsqueeze(2) == owner.unsqueeze(1)
    allowed = (same | (owner == 0).unsqueeze(1)) & torch.ones(length, length, dtype=torch.bool).tril()
    mask = torch.zeros(allowed.shape).masked_fill_(~allowed, torch.finfo(torch.float32).min)
    return Packed(ids, where, mask.unsqueeze(1), weights)


def language_loss(model: nn.Module, packed: Packed, visual: Tensor | None, before: int) -> Tensor:
    """Weighted cross-entropy of the learned tokens; `visual` (B, n, hidden) stands from place `before` on."""
    embeds = model.model.language_model.embed_tokens(packed.ids)
    if visual is not None:
        embeds = torch.cat([embeds[:, :before], visual, embeds[:, before + visual.shape[1] :]], dim=1)
    hidden = model.model.language_model(
        inputs_embeds=embeds, attention_mask=packed.mask, position_ids=packed.positions, use_cache=False
    ).last_hidden_state
    learned = packed.weights[:, 1:] > 0
    logits = model.lm_head(hidden[:, :-1][learned])
    losses = nn.functional.cross_entropy(logits, packed.ids[:, 1:][learned], reduction="none")
    weights = packed.weights[:, 1:][learned]
    return (losses * weights).sum() / weights.sum()
