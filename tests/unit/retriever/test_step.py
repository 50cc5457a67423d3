"""A training step is the same in one pass, piece by piece, and over several processes."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import save_retriever_place

from icl.data.images import Augmentation
from icl.data.pairs import read_pairs, split_of
from icl.errors import InputError
from icl.retriever.losses.infonce import infonce
from icl.retriever.losses.tal import tal
from icl.retriever.model import PRECISIONS
from icl.retriever.settings import RetrieverSettings
from icl.retriever.training.data import noise_index
from icl.retriever.training.step import Batch, TrainingStep
from icl.retriever.training.trainer import train_retriever
from icl.retriever.weights.checkpoints import load_retriever, new_retriever
from icl.retriever.world import World

# Adam's published epsilon: a key's bias has no true gradient, and a small epsilon would blow its rounding up to whole steps.
COURSE = dict(epochs=2, batch_size=10, warmup_epochs=0, adam_eps=0.1)  # a small epsilon would blow up rounding
ALONE = World(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return save_retriever_place(tmp_path_factory.mktemp("step"))


@pytest.fixture
def settings(place):
    return RetrieverSettings(checkpoint=str(place / "clip"), **COURSE)


def some_batch(model, tokenizer, rows: int) -> Batch:
    draw = torch.Generator().manual_seed(3)
    pixels = torch.randn(rows, 3, 96, 48, generator=draw)
    words = ["red", "blue", "coat", "hat", "man", "woman", "bag", "green"]
    texts = [" ".join(words[: 1 + k % 8]) for k in range(2 * rows)]
    ids = tokenizer.encode(texts)
    pids = torch.arange(rows) // 2
    label = torch.ones(rows, dtype=torch.long)
    label[1] = 0
    return Batch(pixels, [(ids[:rows], 1.0), (ids[rows:], 0.5)], pids, label)


def gradients(settings, precision: str, piece: int, rows: int = 10):
    torch.manual_seed(1)
    model, tokenizer = new_retriever(replace(settings, precision=precision))
    model.train()
    step = TrainingStep(model, tal, 0.015, 0.1, ALONE, piece)
    loss = step.backward(some_batch(model, tokenizer, rows))
    scale = step.scaler.get_scale() if precision == "float16" else 1.0
    found = {n: p.grad / scale for n, p in model.named_parameters() if p.grad is not None}
    return loss, found, {n: b.clone() for n, b in model.named_buffers()}


@pytest.mark.parametrize("piece", [1, 3, 10, 64])
def test_gradient_caching_changes_neither_loss_nor_gradient_nor_batchnorm(settings, piece):
    loss, direct, buffers = gradients(settings, "float32", 0)
    cached_loss, cached, cached_buffers = gradients(settings, "float32", piece)
    assert cached_loss.item() == pytest.approx(loss.item(), rel=1e-5)
    assert set(cached) == set(direct)
    for name, gradient in direct.items():
        np.testing.assert_allclose(cached[name], gradient, atol=1e-5 * max(1.0, gradient.abs().max().item()))
    for name, buffer in buffers.items():
        np.testing.assert_allclose(cached_buffers[name], buffer, atol=1e-5)


def test_bfloat16_stays_near_and_losses_stay_float32(settings):
    loss, _, _ = gradients(settings, "float32", 0)
    low, _, _ = gradients(settings, "bfloat16", 0)
    assert low.dtype == torch.float32
    assert low.item() == pytest.approx(loss.item(), rel=0.1)


def run_processes(count: int, script: Path, *arguments: str) -> None:
    """What torchrun does on one machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen([sys.executable, str(script), *arguments], env={**os.environ, **shared, "RANK": str(rank)})
        for rank in range(count)
    ]
    assert [p.wait(timeout=300) for p in processes] == [0] * count


SCRIPT = """
import sys
from pathlib import Path
from icl.data.pairs import read_pairs
from icl.retriever.training.trainer import train_retriever
from icl.retriever.settings import RetrieverSettings
place, out, piece = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
settings = RetrieverSettings(checkpoint=str(place / "clip"), piece=piece, **eval(sys.argv[4]))
train_retriever(settings, read_pairs(place / "pairs.parquet"), place / "set" / "imgs", 1, out)
"""


@pytest.mark.parametrize("piece", [0, 2])
def test_two_processes_train_as_one(place, settings, tmp_path, piece):
    """Odd batches included: the shares then differ in size."""
    (tmp_path / "train.py").write_text(SCRIPT)
    run_processes(2, tmp_path / "train.py", str(place), str(tmp_path / "two"), str(piece), repr(COURSE))
    train_retriever(settings, read_pairs(place / "pairs.parquet"), place / "set" / "imgs", 1, tmp_path / "one")
    one, two = (load_retriever(tmp_path / name)[0].state_dict() for name in ("one", "two"))
    for name in one:
        np.testing.assert_allclose(two[name].float(), one[name].float(), atol=1e-5, err_msg=name)
    losses = [pd.read_csv(tmp_path / name / "history.csv").loss for name in ("one", "two")]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_ccd_on_augmented_views_is_another_division_and_the_same_in_two_processes(place, settings, tmp_path):
    """As published: losses of augmented images and masked captions."""
    (tmp_path / "train.py").write_text(SCRIPT)
    course = {**COURSE, "ccd_views": "augmented"}
    run_processes(2, tmp_path / "train.py", str(place), str(tmp_path / "two"), "0", repr(course))
    pairs, root = read_pairs(place / "pairs.parquet"), place / "set" / "imgs"
    for name, one in (("plain", settings), ("one", replace(settings, ccd_views="augmented"))):
        train_retriever(one, pairs, root, 1, tmp_path / name)
    losses = {name: pd.read_parquet(tmp_path / name / "ccd.parquet").loss_bge for name in ("plain", "one", "two")}
    assert not np.allclose(losses["one"], losses["plain"])
    np.testing.assert_allclose(losses["two"], losses["one"], atol=1e-4)


def test_the_augmented_texts_can_have_a_loss_of_their_own(settings):
    """Published: always TAL. With InfoNCE for the raw captions, only their part changes."""
    torch.manual_seed(1)
    model, tokenizer = new_retriever(settings)
    batch = some_batch(model.eval(), tokenizer, 10)
    raw, augmented = (replace(batch, texts=[text]) for text in batch.texts)

    def loss(own, rda, batch):
        return TrainingStep(model, own, 0.015, 0.1, ALONE, 0, rda).backward(batch).item()

    both = loss(infonce, tal, batch)
    assert both == pytest.approx(loss(infonce, None, raw) + loss(tal, None, augmented), rel=1e-5)
    assert both != pytest.approx(loss(infonce, None, batch), rel=1e-3)


def test_a_worlds_shares_cover_all_rows_once():
    for count in (1, 5, 64):
        for size in (1, 2, 3, 7):
            rows = [k for r in range(size) for k in range(count)[World(r, size, ALONE.device).share(count)]]
            assert rows == list(range(count))


def test_part_of_the_draws_is_the_draws_of_the_part():
    pixels = torch.rand(6, 3, 96, 48, generator=torch.Generator().manual_seed(0))
    draws = Augmentation.draw(6, 96, 48, torch.Generator().manual_seed(1))
    whole = draws.erase(draws.move(pixels))
    part = draws.part(slice(2, 5))
    assert torch.equal(part.erase(part.move(pixels[2:5])), whole[2:5])
    assert whole.shape == pixels.shape and not torch.equal(whole, pixels)


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5])
def test_noise_moves_the_share_and_stays_a_permutation(rate):
    index = noise_index(200, rate, "", seed=3)
    assert sorted(index) == list(range(200))
    assert (index != np.arange(200)).sum() == round(200 * rate)


def test_a_published_noise_index_decides_and_must_fit(tmp_path):
    np.save(tmp_path / "set_0.2.npy", np.roll(np.arange(10), 1))
    assert noise_index(10, 0.2, str(tmp_path / "set_0.2.npy"), 0).tolist() == np.roll(np.arange(10), 1).tolist()
    with pytest.raises(InputError, match=r"set_0\.2\.npy.*permutation of 0 to 10"):
        noise_index(11, 0.2, str(tmp_path / "set_0.2.npy"), 0)


def test_noise_is_measured_and_moves_the_augmented_texts_along(place, settings, tmp_path):
    import json

    pairs = read_pairs(place / "pairs.parquet")
    rows = split_of(pairs, "train")
    table = [{"caption_id": int(c), "diversity_captions": f"text {c}"} for c in rows.caption_id]
    (tmp_path / "augmented.json").write_text(json.dumps(table))
    noisy = replace(settings, noise_rate=0.5, epochs=2)
    train_retriever(noisy, pairs, place / "set" / "imgs", 1, tmp_path / "m", tmp_path / "augmented.json")
    history = pd.read_csv(tmp_path / "m" / "history.csv")
    assert {"ccd_precision", "ccd_recall", "ccd_auroc"} <= set(history)
    told = pd.read_parquet(tmp_path / "m" / "ccd.parquet")
    assert (~told.really_clean).sum() == round(0.5 * len(rows))
    from icl.retriever.training.data import TrainingData

    model, _ = new_retriever(noisy)
    data = TrainingData.open(noisy, pairs, place / "set" / "imgs", model, tmp_path / "augmented.json", 1)
    by_caption = dict(zip(rows.caption, rows.caption_id, strict=False))
    for k in np.flatnonzero(~data.clean):
        moved_to = data.rows.caption.iloc[k]
        if (rows.caption == moved_to).sum() == 1:
            assert data.diversity[k] == f"text {by_caption[moved_to]}"


@pytest.mark.parametrize(("low", "word"), [(0.5, "bfloat16"), (0.9, "float32"), (2.0, "float32")])
def test_auto_takes_bfloat16_where_it_is_faster_and_keeps_the_word(place, settings, tmp_path, monkeypatch, low, word):
    import json

    from icl.retriever import precision

    monkeypatch.setenv("ICL_DEVICE", "cpu")
    monkeypatch.setattr(precision, "_seconds", lambda dtype: low if dtype == torch.bfloat16 else 1.0)
    precision.concrete.cache_clear()
    try:
        auto = replace(settings, precision="auto", epochs=1)
        train_retriever(auto, read_pairs(place / "pairs.parquet"), place / "set" / "imgs", 1, tmp_path, None)
    finally:
        precision.concrete.cache_clear()
    assert json.loads((tmp_path / "model.json").read_text())["settings"]["precision"] == word
    assert json.loads((tmp_path / "selection.json").read_text())["precision"] == word
    assert load_retriever(tmp_path)[0].dtype == PRECISIONS[word]


def test_what_is_measured_is_a_rate():
    from icl.retriever.precision import _seconds, concrete

    assert _seconds(torch.float32) > 0
    assert concrete("auto") in ("float32", "bfloat16") and concrete("float16") == "float16"
