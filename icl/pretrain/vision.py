"""SynthVL, stage 1: the vision tower learns to see, by classifying what a photograph shows."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from icl.pretrain.schedule import optimise
from icl.synthpedes.captions import VALUES
from icl.synthpedes.corpus import Corpus

CLASSES = {
    **{key: ("", *values) for key, values in VALUES.items()},
    "gender": ("male", "female"),
    "hair_style": ("short", "long", "ponytail", "bald"),
    "glasses": ("", "black"),
    "belt": ("", "black", "brown", "white"),
    "others": ("", "yes"),
}
"""Classes of each attribute; "" is none."""


def labels_of(corpus: Corpus) -> Tensor:
    """(N, attributes) class numbers in the order of `CLASSES`."""
    return torch.tensor([[values.index(seen[key]) for key, values in CLASSES.items()] for seen in corpus.seen])


def patchify(images: Tensor, mean: Tensor, std: Tensor, patch: int, merge: int, temporal: int) -> Tensor:
    """uint8 images (B, H, W, 3) to Qwen2-VL's patch rows (B * patches, 3 * temporal * patch * patch).

    The same numbers as the stock image processor gives, without its per-image work.
    """
    b, h, w, c = images.shape
    x = (images.float() / 255 - mean) / std
    x = x.view(b, h // patch // merge, merge, patch, w // patch // merge, merge, patch, c)
    x = x.permute(0, 1, 4, 2, 5, 7, 3, 6)  # (B, H', W', m, m, C, p, p)
    x = x.unsqueeze(6).expand(*x.shape[:6], temporal, patch, patch)
    return x.reshape(b * (h // patch) * (w // patch), c * temporal * patch * patch)


class AttributeHeads(nn.Module):
    """One learned query an attribute, attending to the merged visual tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(len(CLASSES), width) * 0.05)
        self.norm = nn.LayerNorm(width)
        self.key, self.value = nn.Linear(width, width), nn.Linear(width, width)
        self.outputs = nn.ModuleList(nn.Linear(width, len(values)) for values in CLASSES.values())

    def forward(self, tokens: Tensor) -> list[Tensor]:
        tokens = self.norm(tokens)  # (B, n, C)
        attention = torch.softmax(self.queries @ self.key(tokens).transpose(1, 2) / tokens.shape[-1] ** 0.5, dim=-1)
        pooled = attention @ self.value(tokens)  # (B, attributes, C)
        return [head(pooled[:, k]) for k, head in enumerate(self.outputs)]


class Eye:
    """Feeds uint8 images to a Qwen2-VL vision tower."""

    def __init__(self, tower: Any, image_processor: Any) -> None:
        self.tower, self.p = tower, image_processor
        self.mean, self.std = torch.tensor(self.p.image_mean), torch.tensor(self.p.image_std)

    def __call__(self, images: Tensor) -> Tensor:
        """Visual tokens (B, n, hidden) of uint8 images (B, H, W, 3)."""
        p = self.p
        rows = patchify(images, self.mean, self.std, p.patch_size, p.merge_size, p.temporal_patch_size)
        b, h, w, _ = images.shape
        grid = torch.tensor([[1, h // p.patch_size, w // p.patch_size]]).expand(b, 3)
        return self.tower(rows, grid_thw=grid).pooler_output.view(b, -1, self.tower.config.hidden_size)


def flipped(images: np.ndarray, rng: np.random.Generator) -> Tensor:
    """A copy in which half of the images are mirrored."""
    out = torch.from_numpy(images.copy())
    mirror = torch.from_numpy(rng.random(len(images)) < 0.5)
    out[mirror] = out[mirror].flip(2)
    return out


def train_vision(eye: Eye, corpus: Corpus, steps: int, batch: int, lr: float, seed: int, label: str) -> AttributeHeads:
    """Train tower and heads; returns the heads (used to measure, then dropped)."""
    heads = AttributeHeads(eye.tower.config.hidden_size)
    labels, rng = labels_of(corpus), np.random.default_rng(seed)

    def loss_of(step: int) -> Tensor:
        chosen = rng.choice(len(labels), batch, replace=False)
        logits = heads(eye(flipped(corpus.images[chosen], rng)))
        truth = labels[chosen]
        losses = [nn.functional.cross_entropy(out, truth[:, k]) for k, out in enumerate(logits)]
        return cast(Tensor, sum(losses)) / len(logits)

    optimise([*eye.tower.named_parameters(), *heads.named_parameters()], loss_of, steps, lr, label)
    return heads


@torch.no_grad()
def attribute_accuracy(eye: Eye, heads: AttributeHeads, corpus: Corpus) -> dict[str, float]:
    """Share of correct classes by attribute."""
    labels = labels_of(corpus)
    parts = [heads(eye(torch.from_numpy(corpus.images[k : k + 256]))) for k in range(0, len(labels), 256)]
    return {
        key: float((torch.cat([part[k] for part in parts]).argmax(-1) == labels[:, k]).float().mean())
        for k, key in enumerate(CLASSES)
    }
