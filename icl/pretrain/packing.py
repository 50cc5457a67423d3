"""Many dialogues about one image for the price of one image.

The prefix (system turn, start of the user's turn, visual tokens) runs once an image; its keys and values are shared by all
dialogues about that image, which run behind it in batches of similar length. Each is the very sequence that inference runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache


@dataclass(frozen=True)
class Block:
    """One dialogue after the shared prefix.

    Attributes:
        ids: token ids. weights: weight of predicting each of them (0: not learned).
        marks: (place, 1 if the phrase that ends there contradicts the image else 0), for grounding.
    """

    ids: list[int]
    weights: list[float]
    marks: tuple[tuple[int, int], ...] = ()


class Grounding(nn.Module):
    """A probe that reads from a middle layer whether a phrase contradicts the image; used in pre-training only."""

    def __init__(self, width: int, layer: int) -> None:
        super().__init__()
        self.layer, self.norm, self.head = layer, nn.LayerNorm(width), nn.Linear(width, 2)

    def forward(self, hidden_states: tuple[Tensor, ...]) -> Tensor:
        return self.head(self.norm(hidden_states[self.layer]))


def _share(cache: DynamicCache, owners: Tensor) -> DynamicCache:
    """A cache whose rows are those of `cache` at `owners`."""
    shared = DynamicCache()
    layers: list[Any] = cache.layers
    for number, layer in enumerate(layers):
        shared.update(layer.keys[owners], layer.values[owners], number)
    return shared


def _padded(rows: list[list], fill: float) -> Tensor:
    length = max(map(len, rows))
    return torch.tensor([row + [fill] * (length - len(row)) for row in rows])


def _groups(samples: list[list[Block]], size: int) -> list[list[tuple[int, Block]]]:
    """(image number, block) pairs sorted by length, in groups of about `size`."""
    flat = [(n, block) for n, blocks in enumerate(samples) for block in blocks]
    flat.sort(key=lambda item: len(item[1].ids))
    return [flat[k : k + size] for k in range(0, len(flat), size)]


def block_states(
    model: Any, prefix: Tensor, positions: Tensor, samples: list[list[Block]], size: int = 96
) -> Iterator[tuple[list[tuple[int, Block]], Any]]:
    """Run all blocks of a batch behind their shared prefixes.

    Args:
        prefix: (B, n, C) embedded prefixes, or (1, n, C) where all samples share one. positions: (3, n).
        samples: the blocks of each image. size: blocks in one batch.

    Yields:
        (group of (image number, block), output of the language model with hidden states), group after group.
    """
    decoder, cache, start = model.model.language_model, DynamicCache(), int(positions.max()) + 1
    where = positions.unsqueeze(1).expand(3, len(prefix), -1)
    decoder(inputs_embeds=prefix, position_ids=where, past_key_values=cache, use_cache=True)
    for group in _groups(samples, size):
        ids = _padded([block.ids for _, block in group], 0)
        owners = torch.tensor([n if len(prefix) > 1 else 0 for n, _ in group])
        place = (torch.arange(ids.shape[1]) + start).expand(3, len(group), -1)
        yield (
            group,
            decoder(
                inputs_embeds=decoder.embed_tokens(ids),
                position_ids=place,
                past_key_values=_share(cache, owners),
                use_cache=True,
                output_hidden_states=True,
            ),
        )


def language_loss(
    model: Any, prefix: Tensor, positions: Tensor, samples: list[list[Block]], probe: Grounding | None = None
) -> Tensor:
    """Weighted cross-entropy of the learned tokens, plus that of the grounding marks (weight 1)."""
    total: Any = 0.0
    weight: Any = 0.0
    marks = []
    for group, out in block_states(model, prefix, positions, samples):
        ids = _padded([block.ids for _, block in group], 0)
        weights = _padded([block.weights for _, block in group], 0.0)
        learned = weights[:, 1:] > 0
        logits = model.lm_head(out.last_hidden_state[:, :-1][learned])
        losses = nn.functional.cross_entropy(logits, ids[:, 1:][learned], reduction="none")
        total, weight = total + (losses * weights[:, 1:][learned]).sum(), weight + weights[:, 1:][learned].sum()
        spots = [(row, place, label) for row, (_, block) in enumerate(group) for place, label in block.marks]
        if probe is not None and spots:
            rows, places, labels = (torch.tensor(column) for column in zip(*spots, strict=True))
            verdicts = probe(tuple(out.hidden_states))[rows, places]
            marks.append(nn.functional.cross_entropy(verdicts, labels, reduction="none"))
    loss = total / weight
    return loss + torch.cat(marks).mean() if marks else loss
