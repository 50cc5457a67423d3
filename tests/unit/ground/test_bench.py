"""The benchmarks compare with the published way as it is, and count the products that a task needs."""

import json
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from icl.ranking.metrics import retrieval_metrics
from icl.retriever.losses.tal import tal
from icl.retriever.settings import RetrieverSettings
from icl.retriever.training.step import Batch, TrainingStep
from icl.retriever.weights.checkpoints import build_retriever
from icl.retriever.weights.names import from_transformers
from icl.retriever.world import World
from tests.bench import arithmetic
from tests.bench.bench_growth import curves, draw, slope
from tests.bench.bench_metrics import make, published_metrics, published_scores
from tests.bench.harness import seconds, shares
from tests.bench.published import PublishedRDE
from tests.clip_sizes import SMALL, random_clip

LENGTH = 20


def both():
    """Our small retriever and the published way with its weights; a batch of raw and augmented captions of several lengths."""
    settings = RetrieverSettings(image_height=64, image_width=32, tse_dim=48, select_ratio=0.3)
    ours, model = (
        build_retriever(from_transformers(random_clip(SMALL, 32)), settings, LENGTH).eval() for _ in range(2)
    )
    with torch.no_grad():  # biases and norms of a fresh model are zeros and ones
        draw = torch.Generator().manual_seed(0)
        for a, b in zip(ours.parameters(), model.parameters(), strict=True):
            b.copy_(a.add_(0.02 * torch.randn(a.shape, generator=draw)))
    draw = torch.Generator().manual_seed(1)
    texts = []
    for width in (9, LENGTH):
        ids = torch.zeros(6, width, dtype=torch.long)
        for row, length in zip(ids, torch.linspace(4, width, 6).int().tolist(), strict=True):
            row[:length] = torch.randint(1, 97, (length,), generator=draw)
            row[0], row[length - 1] = 98, 99
        texts.append((ids, 1.0 if width == 9 else 0.4))
    pixels, pids = torch.randn(6, 3, 64, 32, generator=draw), torch.arange(6) // 2
    return ours, PublishedRDE(model, LENGTH).eval(), Batch(pixels, texts, pids, torch.ones(6, dtype=torch.long))


def test_the_published_way_gives_our_embeddings_loss_and_gradients():
    ours, published, batch = both()
    with torch.no_grad():
        for ids, _ in batch.texts:
            for a, b in zip(ours.encode_texts(ids), published.encode_texts(ids), strict=True):
                torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
        for a, b in zip(ours.encode_images(batch.pixels), published.encode_images(batch.pixels), strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
    step = TrainingStep(ours, tal, 0.05, 0.1, World(0, 1, torch.device("cpu")), 0)
    loss = published.step(batch.pixels, batch.texts, batch.pids, lambda s, pids: tal(s, pids, 0.05, 0.1))
    torch.testing.assert_close(step.backward(batch), loss)
    vision, text = ours.backbone.vision.encoder.layers, ours.backbone.text.encoder.layers
    for layer, block in zip([*vision, *text], [*published.image_blocks, *published.text_blocks], strict=True):
        torch.testing.assert_close(layer.mlp.fc1.weight.grad, block.wide.weight.grad, atol=1e-5, rtol=1e-3)
        own = torch.cat([getattr(layer.self_attn, f"{name}_proj").weight.grad for name in "qkv"])
        torch.testing.assert_close(own, block.attention.in_proj_weight.grad, atol=1e-5, rtol=1e-3)


def test_the_published_way_runs_each_tower_once_in_training_and_twice_in_evaluation():
    """A baseline that does more than the real one makes ours look better than it is."""
    _, published, batch = both()
    with (
        patch.object(published, "image_tower", wraps=published.image_tower) as image,
        patch.object(published, "text_tower", wraps=published.text_tower) as text,
    ):
        published.step(batch.pixels, batch.texts, batch.pids, lambda s, pids: tal(s, pids, 0.05, 0.1))
        assert (image.call_count, text.call_count) == (1, len(batch.texts))
        published.encode_images(batch.pixels), published.encode_texts(batch.texts[0][0])
        assert (image.call_count, text.call_count) == (3, len(batch.texts) + 2)


def test_the_arithmetic_counts_what_is_multiplied():
    """The published towers compute all tokens of all blocks, by products that PyTorch counts."""
    _, published, batch = both()
    length, width, patches = 33, 64, 32
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        published.image_tower(batch.pixels)
    whole = 2 * patches * 3 * 64 * width + arithmetic.tower(length, width, 2, length, 32)
    assert counted.get_total_flops() == len(batch.pixels) * whole
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        published.text_tower(batch.texts[0][0])
    assert counted.get_total_flops() == 6 * arithmetic.tower(LENGTH, width, 2, LENGTH, 32)
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        tokens, attention = torch.randn(6, length, 32), torch.rand(6, length, length)
        published.select_images(tokens, attention)
    assert counted.get_total_flops() == 6 * arithmetic.head(int(0.3 * patches), 32, 48)


def test_the_arithmetic_of_the_papers_sizes():
    """ViT-B/16 at 384 x 128 is known as 33 to 35 GFLOP; a training step of 16 with RDA as about 2.06 TFLOP."""
    assert 31e9 < arithmetic.image() < 35e9
    assert arithmetic.text(77) < 77 * 12 * (24 * 512**2 + 4 * 77 * 512) + 2 * 77 * 512**2
    assert arithmetic.training(16, [*range(15, 38, 2), *[26] * 4, *[77] * 16]) == pytest.approx(2.0e12, rel=0.05)
    assert arithmetic.similarities(6156, 3074) == 2 * 6156 * 3074 * 1536


def test_the_published_metrics_are_ours():
    scores, queries, gallery = make(60, 90, 20)
    ours = retrieval_metrics(scores.rows(slice(None)), queries, gallery)
    found = published_metrics(published_scores(scores), torch.from_numpy(queries), torch.from_numpy(gallery))
    assert found == pytest.approx([ours.rank1, ours.map, ours.minp], abs=1e-3)


def test_shares_compare_the_time_at_the_ceiling_with_the_time_spent():
    assert shares(4e12, 2.0, ours=4.0, published=8.0) == {
        "tflop": 4.0,
        "ours_of_ceiling": 0.5,
        "published_of_ceiling": 0.25,
    }
    calls = []
    assert len(seconds([lambda: calls.append(0), lambda: calls.append(1)], 3)) == 2 and calls == [0, 1] * 3


def test_growth_is_drawn_from_its_json_with_the_exponents(tmp_path):
    sizes = [100, 200, 400]
    assert slope(sizes, [3e-4 * n**1.5 for n in sizes]) == pytest.approx(1.5)
    rows = [
        {"what": what, "against": against, "size": n, "seconds": n / 1e4}
        for what, against in (("a", "queries"), ("a", "gallery"), ("b", "captions"), ("c", "queries = gallery"))
        for n in sizes
    ]
    assert curves(rows)["gallery", "a"] == (sizes, [n / 1e4 for n in sizes])
    path, out = tmp_path / "growth.json", tmp_path / "growth.png"
    path.write_text(json.dumps({"machine": "a processor", "threads": 1, "rows": rows}))
    with np.errstate(all="raise"):
        draw(path, out)
    assert out.read_bytes()[:4] == b"\x89PNG"
