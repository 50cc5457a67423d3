"""CLIP ViT-B/16 at 384 x 128: one pass with fused attention against two passes with eager attention, as published.

The published way encodes every image and text twice (once for each granularity), takes whole attention matrices of all
blocks, and pads every text to 77 tokens.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from icl.retriever.losses.tal import tal
from icl.retriever.model import PRECISIONS
from icl.retriever.settings import RetrieverSettings
from icl.retriever.training.step import Batch, TrainingStep
from icl.retriever.weights.checkpoints import build_retriever
from icl.retriever.weights.names import from_transformers
from icl.retriever.world import World
from tests.bench.harness import alone, seconds, write
from tests.clip_sizes import VIT_B16, random_clip

LENGTH, TAU, MARGIN = 77, 0.015, 0.1


def retriever(precision: str = "float32"):
    settings = RetrieverSettings(image_height=384, image_width=128, tse_dim=1024, precision=precision)
    return build_retriever(from_transformers(random_clip(VIT_B16, 512)), settings, LENGTH)


def some_batch(rows: int) -> Batch:
    """Captions of 15 to 37 tokens, as CUHK-PEDES has on average 23.5 words; augmented texts that fill the 77 tokens."""
    draw = torch.Generator().manual_seed(0)
    ids, augmented = torch.zeros(rows, 37, dtype=torch.long), torch.zeros(rows, LENGTH, dtype=torch.long)
    for k in range(rows):
        for out, length in ((ids, 15 + 22 * k // max(1, rows - 1)), (augmented, LENGTH)):
            out[k, :length] = torch.randint(1, 49000, (length,), generator=draw)
            out[k, 0], out[k, length - 1] = 49406, 49407
    pixels = torch.randn(rows, 3, 384, 128, generator=draw)
    pids, label = torch.arange(rows) // 2, torch.ones(rows, dtype=torch.long)
    return Batch(pixels, [(ids, 1.0), (augmented, 0.5)], pids, label)


def eager_block(layer, x: torch.Tensor, causal: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """A block with its whole attention matrix."""
    attn, y = layer.self_attn, layer.layer_norm1(x)
    q, k, v = (
        p(y).view(*x.shape[:2], attn.num_heads, -1).transpose(1, 2) for p in (attn.q_proj, attn.k_proj, attn.v_proj)
    )
    scores = q @ k.transpose(2, 3) * q.shape[-1] ** -0.5
    if causal:
        scores = scores + torch.full(scores.shape[-2:], float("-inf")).triu(1)
    weights = scores.softmax(-1)
    x = x + attn.out_proj((weights @ v).transpose(1, 2).reshape(x.shape))
    return x + layer.mlp(layer.layer_norm2(x)), weights.mean(1)


def eager_image(model, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    tower = model.backbone.vision
    patches = F.conv2d(pixels, tower.embeddings.patch_embedding.weight, stride=16).flatten(2).transpose(1, 2)
    x = torch.cat([tower.embeddings.class_embedding.expand(len(patches), 1, -1), patches], 1)
    x = tower.pre_layrnorm(x + model.backbone.image_positions)
    for layer in tower.encoder.layers:
        x, attention = eager_block(layer, x, causal=False)
    return model.backbone.visual_projection(tower.post_layernorm(x)), attention


def eager_text(model, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    tower, ids = model.backbone.text, F.pad(ids, (0, LENGTH - ids.shape[1]))
    x = tower.embeddings.token_embedding(ids) + model.backbone.text_positions
    for layer in tower.encoder.layers:
        x, attention = eager_block(layer, x, causal=True)
    return model.backbone.text_projection(tower.final_layer_norm(x)), attention


def published_images(model, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """BGE by a first pass, TSE by a second."""
    whole, _ = eager_image(model, pixels)
    tokens, attention = eager_image(model, pixels)
    rows = attention[:, 0].clone()
    rows[:, 0] = -1
    chosen = rows.topk(int(0.3 * (rows.shape[1] - 1)), dim=1).indices
    picked = tokens.gather(1, chosen.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))
    return F.normalize(whole[:, 0], dim=-1), F.normalize(
        model.image_tse(picked, torch.ones_like(chosen, dtype=torch.bool)), dim=-1
    )


def published_texts(model, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    whole, _ = eager_text(model, ids)
    tokens, attention = eager_text(model, ids)
    ids = F.pad(ids, (0, LENGTH - ids.shape[1]))
    at, end = torch.arange(len(ids)), ids.argmax(1)
    rows = attention[at, end] * (ids != 0)
    rows[:, 0] = rows[at, end] = -1
    k = int(0.3 * (LENGTH - 2))
    chosen = rows.topk(k, dim=1).indices
    kept = torch.arange(k) < ((ids != 0).sum(1, keepdim=True) - 2)
    picked = tokens.gather(1, chosen.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))
    return F.normalize(whole[at, end], dim=-1), F.normalize(model.text_tse(picked, kept), dim=-1)


def published_step(model, batch: Batch) -> torch.Tensor:
    image = published_images(model, batch.pixels)
    total = torch.zeros(())
    for ids, weight in batch.texts:
        text = published_texts(model, ids)
        losses = [tal(i @ t.T, batch.pids, TAU, MARGIN) for i, t in zip(image, text, strict=True)]
        total = total + weight * sum(losses).sum()
    total.backward()
    return total.detach()


def our_step(model, batch: Batch, piece: int) -> torch.Tensor:
    return TrainingStep(model, tal, TAU, MARGIN, World(0, 1, torch.device("cpu")), piece).backward(batch)


def step_alone(ours: bool, precision: str, piece: int) -> float:
    """One training step in a process of its own, for its memory; its loss."""
    torch.set_num_threads(2)
    torch.manual_seed(0)
    model, batch = retriever(precision).train(), some_batch(16)
    return float(our_step(model, batch, piece) if ours else published_step(model, batch))


def nothing_alone() -> float:
    """The same process without a step: what the model and the libraries take."""
    torch.set_num_threads(2)
    return float(len(some_batch(16).pids) + sum(p.numel() for p in retriever().parameters()))


def precisions() -> list[str]:
    """float32, and bfloat16 where this CPU computes in it (others emulate it, ten times slower)."""
    if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        return ["float32", "bfloat16"]
    print("bfloat16 left out: this CPU has no units for it")
    return ["float32"]


def encoding(model, batch: Batch) -> list[dict]:
    rows, ids, count = [], batch.texts[0][0], len(batch.pids)
    ways = {
        "images": (lambda: model.encode_images(batch.pixels), lambda: published_images(model, batch.pixels)),
        "texts": (lambda: model.encode_texts(ids), lambda: published_texts(model, ids)),
    }
    for name, (ours, published) in ways.items():
        for a, b in zip(ours(), published(), strict=True):
            assert torch.allclose(a, b, atol=1e-4)
        for precision in precisions():
            model.dtype = PRECISIONS[precision]
            new, old = seconds(ours, published, 3)
            model.dtype = None
            row = {"what": f"encode {name}, {precision}", "per_second": count / new}
            rows.append(row | {"published_per_second": count / old, "ratio": old / new})
    return rows


def step_seconds(precision: str, piece: int) -> tuple[float, float]:
    """Seconds of our training step and of the published one, in turn in one process."""
    torch.manual_seed(0)
    model, batch = retriever(precision).train(), some_batch(16)

    def ours() -> None:
        model.zero_grad(set_to_none=True)
        our_step(model, batch, piece)

    def published() -> None:
        model.zero_grad(set_to_none=True)
        published_step(model, batch)

    ours(), published()
    return seconds(ours, published, 2)


def training() -> list[dict]:
    base = alone(nothing_alone)["peak_mb"]
    published, rows = alone(step_alone, False, "float32", 0), []
    for precision, piece in (("float32", 0), ("float32", 4), *((p, 0) for p in precisions()[1:])):
        found = alone(step_alone, True, precision, piece)
        loss = published["result"]
        assert precision != "float32" or abs(found["result"] - loss) < 1e-2 * abs(loss), "the same loss"
        new, old = step_seconds(precision, piece)
        row = {"what": f"training step of 16, RDA on, {precision}, pieces of {piece or 16}", "seconds": new}
        row |= {"published_seconds": old, "ratio": old / new, "peak_mb": found["peak_mb"]}
        rows.append(row | {"memory_ratio": (found["peak_mb"] - base) / (published["peak_mb"] - base)})
    return rows


def main() -> None:
    torch.manual_seed(0)
    model = retriever().eval()
    with torch.inference_mode():
        rows = encoding(model, some_batch(32))
    write("retriever", rows + training())


if __name__ == "__main__":
    main()
