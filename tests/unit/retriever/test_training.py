"""Training: resume equals an uninterrupted run; labels, augmented texts and checkpoints behave."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import save_retriever_place

from icl.data.annotations import read_annotations
from icl.data.images import load_image
from icl.data.pairs import images_of, read_pairs, split_of
from icl.errors import InputError
from icl.retriever.encoding.embeddings import Embeddings, embed, encode_texts, open_store
from icl.retriever.settings import RetrieverSettings
from icl.retriever.training.trainer import Trainer, train_retriever
from icl.retriever.weights.checkpoints import load_retriever, new_retriever


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return save_retriever_place(tmp_path_factory.mktemp("retriever"))


@pytest.fixture(scope="module")
def settings(place):
    return RetrieverSettings(checkpoint=str(place / "clip"), epochs=3, batch_size=16, warmup_epochs=0, adam_eps=1e-8)


def run(place, settings, out, stop_after=None, augmented=None):
    pairs = read_pairs(place / "pairs.parquet")
    trainer = Trainer(settings, pairs, place / "set" / "imgs", 1, out, augmented)
    if stop_after is None:
        return trainer.run()
    trainer._resume()
    while trainer.epoch < stop_after:
        trainer._epoch(trainer.epoch + 1)


def weights(folder: Path):
    return load_retriever(folder)[0].state_dict()


def test_a_resumed_run_equals_an_uninterrupted_one(place, settings, tmp_path):
    run(place, settings, tmp_path / "whole")
    run(place, settings, tmp_path / "cut", stop_after=1)
    assert (tmp_path / "cut" / "state.pt").exists()
    run(place, settings, tmp_path / "cut")
    ours, theirs = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    one, two = (pd.read_parquet(tmp_path / n / "ccd.parquet") for n in ("whole", "cut"))
    pd.testing.assert_frame_equal(one, two)
    assert not (tmp_path / "cut" / "state.pt").exists()
    history = pd.read_csv(tmp_path / "whole" / "history.csv")
    assert history.epoch.tolist() == [1, 2, 3] and history.loss.iloc[-1] < history.loss.iloc[0]


def test_augmented_texts_change_the_training_and_must_be_complete(place, settings, tmp_path):
    rows = split_of(read_pairs(place / "pairs.parquet"), "train")
    table = [{"caption_id": int(c), "diversity_captions": [["A person."], ["Red.", "Blue."]]} for c in rows.caption_id]
    (tmp_path / "augmented.json").write_text(json.dumps(table))
    one = replace(settings, epochs=1)
    run(place, one, tmp_path / "rda", augmented=tmp_path / "augmented.json")
    run(place, one, tmp_path / "rde")
    a, b = weights(tmp_path / "rda"), weights(tmp_path / "rde")
    assert any(not torch.equal(a[name], b[name]) for name in a)
    (tmp_path / "short.json").write_text(json.dumps(table[1:]))
    with pytest.raises(InputError, match=f"caption {rows.caption_id[0]}"):
        run(place, one, tmp_path / "x", augmented=tmp_path / "short.json")


def test_embeddings_equal_one_by_one_encoding(place, settings, tmp_path):
    model, tokenizer = new_retriever(settings)
    model.eval()
    rows = split_of(read_pairs(place / "pairs.parquet"), "test")
    store = open_store(rows, place / "set" / "imgs", model)
    found = embed(model, tokenizer, rows, store)
    assert found.scores.shape == (len(rows), len(images_of(rows)))
    for k in (0, 3, len(store) - 1):
        bge, tse = encode_texts(model, tokenizer, [rows.caption[k]])
        np.testing.assert_allclose(found.text_bge[k], bge[0], atol=1e-5)
        np.testing.assert_allclose(found.text_tse[k], tse[0], atol=1e-5)
        with torch.no_grad():
            bge, tse = model.encode_images(store.batch(torch.tensor([k])))
        np.testing.assert_allclose(found.image_tse[k], tse[0], atol=1e-5)
    found.save(tmp_path / "e.npz")
    assert np.array_equal(Embeddings.load(tmp_path / "e.npz").text_bge, found.text_bge)


def test_a_nan_stops_the_run_and_names_the_batch(place, settings, tmp_path):
    with pytest.raises(InputError, match="epoch 1, batch.*loss nan.*retriever.lr"):
        run(place, replace(settings, lr=1e30, lr_tse=1e30), tmp_path / "nan")


def test_broken_files_are_named(place, settings, tmp_path):
    with pytest.raises(InputError, match="no-such-clip"):
        new_retriever(replace(settings, checkpoint=str(tmp_path / "no-such-clip")))
    train_retriever(
        replace(settings, epochs=1), read_pairs(place / "pairs.parquet"), place / "set" / "imgs", 1, tmp_path / "m"
    )
    path = tmp_path / "m" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="model.safetensors"):
        load_retriever(tmp_path / "m")


def test_images_that_cannot_be_read_are_named(place, tmp_path):
    image = next((place / "set" / "imgs" / "train").iterdir())
    (tmp_path / "cut.jpg").write_bytes(image.read_bytes()[:300])
    with pytest.raises(InputError, match="cut.jpg"):
        load_image(tmp_path / "cut.jpg")
    with pytest.raises(InputError, match="gone.jpg"):
        load_image(tmp_path / "gone.jpg")


@pytest.mark.parametrize("field", ["split", "id", "file_path", "captions"])
def test_a_missing_field_is_named_with_its_record(place, tmp_path, field):
    rows = json.loads((place / "set" / "reid_raw.json").read_text())
    del rows[3][field]
    (tmp_path / "reid_raw.json").write_text(json.dumps(rows))
    (tmp_path / "imgs").symlink_to(place / "set" / "imgs")
    with pytest.raises(InputError, match=f"record 3.*{field}"):
        read_annotations("cuhk-pedes", tmp_path)


def test_a_missing_image_and_a_wrong_release_are_named(place, tmp_path):
    rows = json.loads((place / "set" / "reid_raw.json").read_text())
    rows[0]["file_path"] = "train/none.jpg"
    (tmp_path / "reid_raw.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match="image folder.*imgs"):
        read_annotations("cuhk-pedes", tmp_path)
    (tmp_path / "imgs").mkdir()
    with pytest.raises(InputError, match="none.jpg"):
        read_annotations("cuhk-pedes", tmp_path)
    (tmp_path / "reid_raw.json").rename(tmp_path / "caption_all.json")
    with pytest.raises(InputError, match="caption_all.json"):
        read_annotations("cuhk-pedes", tmp_path)
    with pytest.raises(InputError, match="cuhk-pedes"):
        read_annotations("cuhk", tmp_path)
