"""Odd training data: any number of pairs, any batch, any noise; each trains, or stops with the split named."""

import os
import socket
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import save_retriever_place

from icl.data.pairs import read_pairs, write_pairs
from icl.errors import InputError
from icl.retriever.ccd import VARIANTS, divide, posterior_of_clean, quality
from icl.retriever.losses import LOSSES
from icl.retriever.settings import RetrieverSettings
from icl.retriever.training.data import division_batches
from icl.retriever.training.trainer import train_retriever
from icl.retriever.weights.checkpoints import load_retriever, new_retriever


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return save_retriever_place(tmp_path_factory.mktemp("odd-training"))


@pytest.fixture(scope="module")
def course(place):
    return RetrieverSettings(
        checkpoint=str(place / "clip"), image_height=32, image_width=16, tse_dim=16, epochs=2, batch_size=16
    )


@pytest.fixture(scope="module")
def pairs(place):
    """8 training identities of 3 images of 2 captions; 4 of val."""
    found = read_pairs(place / "pairs.parquet")
    return found[found.split != "test"]


def first(pairs, split, rows):
    """The first rows of a split, and the others whole."""
    return pd.concat([pairs[pairs.split == split].head(rows), pairs[pairs.split != split]])


def train(place, settings, pairs, out):
    train_retriever(settings, pairs, place / "set" / "imgs", 1, out)
    model, _ = load_retriever(out)
    assert all(torch.isfinite(t).all() for t in model.state_dict().values() if t.is_floating_point())
    history, ccd = pd.read_csv(out / "history.csv"), pd.read_parquet(out / "ccd.parquet")
    assert history.epoch.tolist() == list(range(1, settings.epochs + 1)) and np.isfinite(history.loss).all()
    assert len(ccd) == (pairs.split == "train").sum() and set(ccd.label) <= {0, 1}
    return history, ccd


@pytest.mark.parametrize("views", ["plain", "augmented"])
@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_a_pair_left_over_by_the_batches(place, course, pairs, tmp_path, views, loss):
    """33 pairs in batches of 16, and of 32: one is left alone."""
    few = first(pairs, "train", 33)
    for size in (16, 32):
        settings = replace(course, loss=loss, ccd_views=views, batch_size=size)
        _, ccd = train(place, settings, few, tmp_path / str(size))
        assert np.isfinite(ccd[["loss_bge", "loss_tse"]]).all(axis=None)


@pytest.mark.parametrize("count", range(2, 40))
@pytest.mark.parametrize("size", [2, 3, 7, 16, 100])
def test_batches_of_the_division_hold_every_pair_once_and_none_alone(count, size):
    batches = division_batches(torch.randperm(count), size)
    assert sorted(torch.cat(batches).tolist()) == list(range(count))
    assert min(map(len, batches)) > 1 and max(map(len, batches)) <= size + 1
    if count % size != 1:
        assert [len(b) for b in batches] == [len(b) for b in torch.arange(count).split(size)]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"batch_size": 2}, id="batches of two"),
        pytest.param({"batch_size": 47}, id="all but one"),
        pytest.param({"batch_size": 48}, id="all"),
        pytest.param({"batch_size": 1_000_000}, id="more than there are"),
        pytest.param({"batch_size": 1_000_000, "ccd_views": "augmented"}, id="more, augmented views"),
        pytest.param({"batch_size": 17, "piece": 1}, id="pieces of one"),
        pytest.param({"piece": 1_000_000}, id="a piece of more than all"),
        pytest.param({"noise_rate": 1e-9}, id="noise that reaches nobody"),
        pytest.param({"noise_rate": 0.03}, id="noise of one pair"),
        pytest.param({"noise_rate": 1.0}, id="noise everywhere"),
        pytest.param({"noise_rate": 1.0, "ccd": False}, id="noise everywhere, no division"),
        pytest.param({"epochs": 1}, id="one epoch"),
        pytest.param({"epochs": 1, "noise_rate": 0.5}, id="one epoch of noise"),
        pytest.param({"ccd_variant": "strict"}, id="strict mixtures"),
        pytest.param({"batchnorm": "frozen", "batchnorm_padding": True}, id="as published"),
        pytest.param({"tokens": "published", "batchnorm_padding": True, "token_mask_rate": 1.0}, id="all words masked"),
    ],
)
def test_odd_courses_train(place, course, pairs, tmp_path, change):
    train(place, replace(course, **change), pairs, tmp_path)


@pytest.mark.parametrize(
    "choose",
    [
        pytest.param(lambda p: p.drop_duplicates("pid"), id="one image and caption an identity"),
        pytest.param(lambda p: p.drop_duplicates("image_id"), id="one caption an image"),
        pytest.param(lambda p: p[p.pid.isin(sorted(p.pid.unique())[:2])], id="two identities"),
        pytest.param(lambda p: p.drop_duplicates("pid").head(2), id="two pairs"),
        pytest.param(lambda p: p.drop_duplicates("pid").head(3), id="three pairs"),
        pytest.param(lambda p: p.assign(caption="a man"), id="every caption alike"),
        pytest.param(lambda p: p.assign(caption=""), id="every caption empty"),
        pytest.param(
            lambda p: p.drop_duplicates("pid").head(2).assign(caption=["", "red"]), id="one word in all captions"
        ),
        pytest.param(lambda p: p.assign(caption="!\U0001f600 " * 60), id="every caption odd and long"),
        pytest.param(lambda p: p.assign(image=p.image.iloc[0]), id="every image alike"),
        pytest.param(lambda p: p.assign(pid=p.pid * 10**15), id="great numbers as identities"),
    ],
)
def test_odd_training_splits_train(place, course, pairs, tmp_path, choose):
    few = pd.concat([choose(pairs[pairs.split == "train"]), pairs[pairs.split != "train"]])
    train(place, course, few, tmp_path)


@pytest.mark.parametrize(
    ("choose", "said"),
    [
        pytest.param(lambda p: p[p.pid == p.pid.iloc[0]], "'train'.*1 identities, 6 captions", id="one identity"),
        pytest.param(lambda p: p.head(1), "'train'.*1 identities, 1 captions", id="one pair"),
        pytest.param(lambda p: p.head(0), "'train'.*0 identities", id="nobody"),
    ],
)
def test_a_training_split_of_one_identity_is_named(place, course, pairs, tmp_path, choose, said):
    few = pd.concat([choose(pairs[pairs.split == "train"]), pairs[pairs.split != "train"]])
    with pytest.raises(InputError, match=said):
        train_retriever(course, few, place / "set" / "imgs", 1, tmp_path)
    assert not list(tmp_path.iterdir()), "before any work"


def test_a_val_split_of_one_identity_selects_nothing(place, course, pairs, tmp_path):
    """It is always found: its mAP would take the first epoch, without a word."""
    few = first(pairs, "val", 1)
    with pytest.raises(InputError, match="'val'.*1 identities.*retriever.selection: last"):
        train_retriever(course, few, place / "set" / "imgs", 1, tmp_path)
    train(place, replace(course, selection="last"), few, tmp_path)


def test_val_of_two_queries_and_no_val_at_all(place, course, pairs, tmp_path):
    val = pairs[pairs.split == "val"].drop_duplicates("pid").head(2)
    train(place, course, pd.concat([pairs[pairs.split == "train"], val]), tmp_path / "two")
    train(place, course, pairs[pairs.split == "train"], tmp_path / "none")


@pytest.mark.parametrize("text", ["", "[", "{}", "[3]", '[{"caption_id": 1}]', '"text"', "null", "\x00"])
def test_damaged_augmented_captions_are_named(place, course, pairs, tmp_path, text):
    (tmp_path / "augmented.json").write_text(text)
    with pytest.raises(InputError, match="augmented.json"):
        train_retriever(course, pairs, place / "set" / "imgs", 1, tmp_path / "m", tmp_path / "augmented.json")


def test_rates_that_diverge_stop_with_what_to_lower(place, course, pairs, tmp_path):
    """Also where no split is watched, so that CCD is the first to see it."""
    with pytest.raises(InputError, match="retriever.lr|NaN"):
        train(place, replace(course, lr=1e30, lr_tse=1e30), pairs, tmp_path / "watched")
    alone = replace(course, lr=1e30, lr_tse=1e30, batch_size=48)
    with pytest.raises(InputError, match="before epoch 2.*retriever.lr"):
        train(place, alone, pairs[pairs.split == "train"], tmp_path / "alone")


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("same", [True, False])
def test_a_batch_without_negatives_has_a_finite_loss_and_gradient(loss, same):
    """One pair, or several of one identity."""
    for count in (1, 1, 4):
        scores = torch.randn(count, count, generator=torch.Generator().manual_seed(1)).clamp(-1, 1).requires_grad_()
        pids = torch.zeros(count, dtype=torch.long) if same else torch.arange(count)
        values = LOSSES[loss](scores, pids, 0.015, 0.1)
        values.sum().backward()
        assert values.shape == (count,) and torch.isfinite(values).all() and torch.isfinite(scores.grad).all()
        if loss in ("tal", "trl") and (same or count == 1):
            assert (values == 0).all() and (scores.grad == 0).all()


@pytest.mark.parametrize("variant", sorted(VARIANTS))
@pytest.mark.parametrize(
    "losses",
    [
        pytest.param([1.0, 2.0], id="two"),
        pytest.param([1.0] * 9, id="all alike"),
        pytest.param([0.0] * 8 + [1.0], id="one apart"),
        pytest.param([0.0, 1e-300], id="almost alike"),
        pytest.param([0.0, 1e30, 5.0], id="far apart"),
        pytest.param(list(range(300)), id="evenly spread"),
    ],
)
def test_odd_losses_are_divided(losses, variant):
    found = divide(np.array(losses), np.array(losses[::-1]), variant, 3)
    assert set(found.clean.tolist()) <= {0, 1}
    assert np.isfinite(posterior_of_clean(np.array(losses), variant, 3)).all()


def test_quality_where_every_pair_is_noisy():
    found = quality(divide(np.arange(9.0), np.arange(9.0), "default", 1), np.zeros(9, dtype=bool))
    assert found["ccd_precision"] == 100 and np.isnan(found["ccd_auroc"])


def test_a_process_without_a_share_of_a_batch_computes_nothing(course):
    model, _ = new_retriever(course)
    empty = model.select_images(torch.zeros(0, 3, 32, 16))
    assert empty.whole.shape == (0, model.backbone.dim)
    assert model.eval().select_texts(torch.zeros(0, 5, dtype=torch.long)).whole.shape == (0, model.backbone.dim)


SCRIPT = """
import sys
from pathlib import Path
from icl.data.pairs import read_pairs, write_pairs
from icl.retriever.training.trainer import train_retriever
from icl.retriever.settings import RetrieverSettings
place, out = Path(sys.argv[1]), Path(sys.argv[2])
train_retriever(RetrieverSettings(**eval(sys.argv[3])), read_pairs(out / "pairs.parquet"), place / "set" / "imgs", 1, out)
"""


@pytest.mark.slow
def test_more_processes_than_pairs_in_a_batch_train_as_one(place, course, pairs, tmp_path):
    """Three processes; two pairs are left over by the division's batches, and val has two images."""
    val = pairs[pairs.split == "val"].drop_duplicates("pid").head(2)
    few = pd.concat([pairs[pairs.split == "train"].head(34), val])
    settings = replace(course, batch_size=32, ccd_views="augmented", adam_eps=0.1)
    train(place, settings, few, tmp_path / "one")
    (tmp_path / "three").mkdir()
    write_pairs(few, tmp_path / "three" / "pairs.parquet")
    (tmp_path / "train.py").write_text(SCRIPT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {**os.environ, "WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    words = [sys.executable, str(tmp_path / "train.py"), str(place), str(tmp_path / "three"), repr(asdict(settings))]
    processes = [subprocess.Popen(words, env={**told, "RANK": str(rank)}) for rank in range(3)]
    assert [p.wait(timeout=300) for p in processes] == [0, 0, 0]
    one, three = (load_retriever(tmp_path / name)[0].state_dict() for name in ("one", "three"))
    for name in one:
        np.testing.assert_allclose(three[name].float(), one[name].float(), atol=1e-5, err_msg=name)
