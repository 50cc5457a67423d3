"""Matrix products that a task needs, in FLOP: a product of (m, k) and (k, n) is 2 m k n, all else counts as nothing.

What is needed does not depend on how it is done: one pass of a tower an image or text, each text up to its end token, the
last block for the tokens that are used. A way that encodes twice or computes padding needs no more, it only takes longer.
"""

from __future__ import annotations

from collections.abc import Iterable


def block(length: int, width: int, wanted: int, keys: int | None = None, hidden: int | None = None) -> int:
    """A transformer block of width d on L tokens, of which the m wanted ones are computed, with an MLP of h (4 d).

    Keys and values 4 L d kv (kv = d where every head has its own), queries and output 4 m d^2, scores and sum 4 m L d,
    MLP 4 m d h. With m = L and h = 4 d: 24 L d^2 + 4 L^2 d.
    """
    keys, hidden = keys or width, hidden or 4 * width
    return 4 * length * width * keys + wanted * (4 * width**2 + 4 * length * width + 4 * width * hidden)


def tower(length: int, width: int, layers: int, wanted: int, out: int) -> int:
    """All blocks, the last one and the projection to `out` for the m wanted tokens alone (plus 2 m d out)."""
    return (layers - 1) * block(length, width, length) + block(length, width, wanted) + 2 * wanted * width * out


def head(kept: int, dim: int, out: int) -> int:
    """TSE on k tokens: linear D -> E, and D -> D -> E: 2 k (2 D E + D^2)."""
    return 2 * kept * (2 * dim * out + dim**2)


def image(height: int = 384, width: int = 128, ratio: float = 0.3) -> int:
    """An image by CLIP ViT-B/16 (patches of 16 x 16: 2 x 3 x 16^2 x 768 each; 12 blocks of 768; out 512) and TSE of 1,024."""
    patches = height * width // 256
    kept = int(ratio * patches)
    return 2 * patches * 3 * 256 * 768 + tower(1 + patches, 768, 12, 1 + kept, 512) + head(kept, 512, 1024)


def text(tokens: int, length: int = 77, ratio: float = 0.3) -> int:
    """A text of so many tokens, start and end included, by CLIP's text tower (12 blocks of 512, out 512) and TSE of 1,024."""
    kept = min(int(ratio * (length - 2)), tokens - 2)
    return tower(tokens, 512, 12, 1 + kept, 512) + head(kept, 512, 1024)


def training(images: int, texts: Iterable[int]) -> int:
    """Forward and backward of images and texts (tokens of each): backward has two products for each of forward's."""
    return 3 * (images * image() + sum(text(tokens) for tokens in texts))


def similarities(queries: int, gallery: int, dims: int = 512 + 1024) -> int:
    """Cosines of BGE and TSE: 2 Q G (D + E)."""
    return 2 * queries * gallery * dims


def vision(config, patches: int) -> int:
    """An image of so many patches by Qwen2-VL's vision tower: its blocks, and the merger of s^2 patches to one token."""
    d, merged = config.embed_dim, config.spatial_merge_size**2
    embed = 2 * patches * config.in_channels * config.temporal_patch_size * config.patch_size**2 * d
    wide = merged * d
    merger = 2 * patches // merged * (wide**2 + wide * config.hidden_size)
    return embed + config.depth * block(patches, d, patches, hidden=int(config.mlp_ratio * d)) + merger


def decoder(config, prompt: int, answer: int) -> int:
    """A prompt and its answer (tokens of each) by Qwen2-VL's decoder, with keys and values kept.

    N = prompt + answer - 1 tokens (the last one is not read again) through gated MLPs of h: 6 d h instead of 4 d h; each
    token attends to those up to it, about half of N on average: 4 N (N / 2) d; 2 d V for each token of the answer.
    """
    n, d = prompt + max(answer, 1) - 1, config.hidden_size
    keys = d * config.num_key_value_heads // config.num_attention_heads
    layer = n * (4 * d * keys + 4 * d**2 + 2 * n * d + 6 * d * config.intermediate_size)
    return config.num_hidden_layers * layer + 2 * max(answer, 1) * d * config.vocab_size
