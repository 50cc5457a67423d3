"""Beginnings that prompts share: the image with the fixed instruction before it, or the instruction of a text prompt.

They run through the decoder once; their keys and values are then copied to every prompt that begins so.
"""

from __future__ import annotations

from collections.abc import Sequence as Many
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from icl.mllm.qwen.model import QwenVL
from icl.mllm.qwen.sequences import Sequence, collate

WORTH = 0.85
"""Beginnings are shared where that leaves at most this share of the tokens to compute."""


@dataclass(frozen=True)
class Prefix:
    """Attributes:
    length: tokens of the beginnings, one length for all. rows: (N,) which beginning each prompt has.
    layers: keys and values (U, heads, length, hs) of each decoder layer.
    """

    length: int
    rows: Tensor
    layers: list[tuple[Tensor, Tensor]]

    def cache(self, prompts: Many[int]) -> DynamicCache:
        """The beginnings of some of the prompts, as the cache that their other tokens go on from."""
        out, rows = DynamicCache(), self.rows[list(prompts)]
        for number, (keys, values) in enumerate(self.layers):
            out.update(keys[rows], values[rows], number)
        return out


def common_length(sequences: Many[Sequence]) -> int:
    """Leading tokens that all prompts have in common, short of the shortest one's last; an image counts whole or not at all."""
    first = sequences[0].ids
    length = min(map(len, sequences)) - 1
    for other in sequences[1:]:
        differs = (other.ids[:length] != first[:length]).nonzero()
        length = int(differs[0]) if len(differs) else length
    cut = [s.image_at for s in sequences if s.visual is not None and length < s.image_at + len(s.visual)]
    return min([length, *cut])


def share(qwen: QwenVL, sequences: Many[Sequence], batch_size: int) -> Prefix | None:
    """Compute the beginnings that prompts share; None where too little is shared to be worth it.

    Args:
        sequences: N prompts. batch_size: beginnings that go through the decoder at once.
    """
    length = common_length(sequences)
    images = [None if s.visual is None or length <= s.image_at else s.visual.data_ptr() for s in sequences]
    first = {image: s for image, s in zip(reversed(images), reversed(sequences), strict=True)}
    total = sum(map(len, sequences))
    if total - (len(sequences) - len(first)) * length > WORTH * total:
        return None
    number = {image: k for k, image in enumerate(first)}
    rows = torch.tensor([number[image] for image in images])
    own = [s.part(0, length) for s in first.values()]
    parts = [_layers(qwen, own[k : k + batch_size]) for k in range(0, len(own), batch_size)]
    layers = []
    for layer in zip(*parts, strict=True):
        keys, values = (torch.cat(kind) for kind in zip(*layer, strict=True))
        layers.append((keys, values))
    return Prefix(length, rows.to(qwen.device), layers)


def _layers(qwen: QwenVL, beginnings: Many[Sequence]) -> list[tuple[Tensor, Tensor]]:
    cache = DynamicCache()
    qwen.hidden(collate(qwen, beginnings), cache)
    layers: list[Any] = cache.layers
    return [(layer.keys, layer.values) for layer in layers]
