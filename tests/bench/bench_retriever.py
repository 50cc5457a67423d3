"""CLIP ViT-B/16 at 384 x 128 with TSE: ours beside the published way (`tests/bench/published.py`)."""

from __future__ import annotations

from functools import partial

import torch

from icl.data.tokenizer import ends
from icl.memory import keep_freed_memory
from icl.retriever.losses.tal import tal
from icl.retriever.model import PRECISIONS
from icl.retriever.settings import RetrieverSettings
from icl.retriever.training.step import Batch, TrainingStep
from icl.retriever.weights.checkpoints import build_retriever
from icl.retriever.weights.names import from_transformers
from icl.retriever.world import World
from tests.bench import arithmetic
from tests.bench.harness import alone, ceiling, seconds, shares, write
from tests.bench.published import PublishedRDE
from tests.clip_sizes import VIT_B16, random_clip

LENGTH, TAU, MARGIN, STEP = 77, 0.015, 0.1, 16


def retriever(precision: str = "float32"):
    torch.manual_seed(0)
    settings = RetrieverSettings(image_height=384, image_width=128, tse_dim=1024, precision=precision)
    return build_retriever(from_transformers(random_clip(VIT_B16, 512)), settings, LENGTH).eval()


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


def lengths(ids: torch.Tensor) -> list[int]:
    """Tokens of each text, its end included."""
    return (ends(ids) + 1).tolist()


def our_step(model, batch: Batch, piece: int) -> torch.Tensor:
    model.zero_grad(set_to_none=True)
    return TrainingStep(model, tal, TAU, MARGIN, World(0, 1, torch.device("cpu")), piece).backward(batch)


def published_step(model: PublishedRDE, batch: Batch) -> torch.Tensor:
    model.zero_grad(set_to_none=True)
    return model.step(batch.pixels, batch.texts, batch.pids, lambda scores, pids: tal(scores, pids, TAU, MARGIN))


def step_alone(ours: bool, precision: str, piece: int) -> float:
    """One training step in a process of its own, for its memory; its loss."""
    batch = some_batch(STEP)
    if ours:
        keep_freed_memory()
        return float(our_step(retriever(precision), batch, piece))
    return float(published_step(PublishedRDE(retriever(), LENGTH), batch))


def nothing_alone(ours: bool) -> float:
    """The same process without a step: what the model and the libraries take."""
    model = retriever() if ours else PublishedRDE(retriever(), LENGTH)
    return float(len(some_batch(STEP).pids) + sum(p.numel() for p in model.parameters()))


def precisions() -> list[str]:
    """float32, and bfloat16 where this CPU computes in it (others emulate it, ten times slower)."""
    if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        return ["float32", "bfloat16"]
    print("bfloat16 left out: this CPU has no units for it")
    return ["float32"]


def encoding_seconds(names: list[str]) -> dict[str, list[float]]:
    """CPU seconds of embedding STEP images and as many texts: ours in each precision, then published."""
    model, published, batch = retriever(), PublishedRDE(retriever(), LENGTH).eval(), some_batch(STEP)
    ids = batch.texts[0][0]
    ways = {
        "images": (lambda: model.encode_images(batch.pixels), lambda: published.encode_images(batch.pixels)),
        "texts": (lambda: model.encode_texts(ids), lambda: published.encode_texts(ids)),
    }
    found = {}
    with torch.inference_mode():
        for name, (ours, theirs) in ways.items():
            for a, b in zip(ours(), theirs(), strict=True):
                assert torch.allclose(a, b, atol=1e-4)
            own = [partial(in_precision, model, precision, ours) for precision in names]
            found[name] = seconds([*own, theirs], 2)
    return found


def in_precision(model, precision: str, run):
    model.dtype = PRECISIONS[precision]
    try:
        return run()
    finally:
        model.dtype = None


def encoding(ceilings: dict[str, float]) -> list[dict]:
    """Rows of embedding images and texts, float32 and bfloat16 beside the published float32."""
    spent, lines = alone(encoding_seconds, list(ceilings))["result"], lengths(some_batch(STEP).texts[0][0])
    needs = {"images": STEP * arithmetic.image(), "texts": sum(map(arithmetic.text, lines))}
    rows = []
    for name, flops in needs.items():
        *own, old = spent[name]
        for (precision, most), new in zip(ceilings.items(), own, strict=True):
            row = {"what": f"encode {name}, {precision}", "per_second": STEP / new, "published_per_second": STEP / old}
            row |= {"ratio": old / new} | shares(flops, flops / ceilings["float32"], published=old)
            rows.append(row | shares(flops, flops / most, ours=new))
    return rows


def training_seconds(kinds: list[tuple[str, int]]) -> list[float]:
    """CPU seconds of our training step in each (precision, piece), then of the published one.

    All of them in one process that keeps freed memory, as our training does: the published step gains by it as well.
    """
    keep_freed_memory()
    model, published, batch = retriever(), PublishedRDE(retriever(), LENGTH), some_batch(STEP)
    losses: dict[int, float] = {}

    def kept(number: int, step) -> None:
        losses[number] = float(step())

    ways = [partial(in_precision, model, p, partial(our_step, model, batch, piece)) for p, piece in kinds]
    ways.append(partial(published_step, published, batch))
    found = seconds([partial(kept, number, way) for number, way in enumerate(ways)], 3)
    last = losses[len(kinds)]
    exact = [losses[n] for n, (precision, _) in enumerate(kinds) if precision == "float32"]
    assert all(abs(loss - last) <= 1e-3 * last for loss in exact), f"not the same loss: {losses}"
    return found


def training(ceilings: dict[str, float]) -> list[dict]:
    """Rows of the training step: its time in turn with the others, and its memory in a process of its own."""
    flops = arithmetic.training(STEP, [n for ids, _ in some_batch(STEP).texts for n in lengths(ids)])
    kinds = [("float32", 0), ("float32", 4), *((p, 0) for p in list(ceilings)[1:])]
    *spent, old = alone(training_seconds, kinds)["result"]
    bases = {ours: alone(nothing_alone, ours)["peak_mb"] for ours in (True, False)}
    memory = alone(step_alone, False, "float32", 0)["peak_mb"] - bases[False]
    rows = []
    for (precision, piece), new in zip(kinds, spent, strict=True):
        own = alone(step_alone, True, precision, piece)["peak_mb"] - bases[True]
        row = {"what": f"training step of {STEP}, RDA on, {precision}, pieces of {piece or STEP}", "seconds": new}
        row |= {"published_seconds": old, "ratio": old / new, "mb": own, "published_mb": memory}
        row |= {"memory_ratio": own / memory} | shares(flops, flops / ceilings["float32"], published=old)
        rows.append(row | shares(flops, flops / ceilings[precision], ours=new))
    return rows


def main() -> None:
    ceilings = {precision: ceiling(precision) for precision in precisions()}
    write("retriever", encoding(ceilings) + training(ceilings), ceilings)


if __name__ == "__main__":
    main()
