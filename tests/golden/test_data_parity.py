"""Parity of tokenisation, masking, augmented-text draws and annotation formats with the published implementation."""

import json
import random

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from vectors_at import GOLDEN

from icl.data.annotations import read_annotations
from icl.data.tokenizer import CaptionTokenizer
from icl.errors import InputError
from icl.rda.published import import_published
from icl.rda.reorganize import reorganize

pytestmark = pytest.mark.golden
LAYOUTS = {"CUHK-PEDES": "cuhk-pedes", "ICFG-PEDES": "icfg-pedes", "RSTPReid": "rstpreid", "UFine6926": "ufine6926"}
FILES = {
    "CUHK-PEDES": "reid_raw.json",
    "ICFG-PEDES": "ICFG-PEDES.json",
    "RSTPReid": "data_captions.json",
    "UFine6926": "UFine6926_Annotations_1024.json",
}


def load_json(name: str):
    return json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def single_file(tmp_path_factory):
    """A checkpoint that is one file, so that CLIP's own vocabulary is taken."""
    path = tmp_path_factory.mktemp("clip") / "ViT-B-16.pt"
    path.write_bytes(b"")
    return str(path)


@pytest.mark.parametrize("length", [77, 168])
def test_token_ids(single_file, length):
    meta = load_json("tokenize")
    tokenizer = CaptionTokenizer(
        single_file, length, tokens="published"
    )  # "<|endoftext|>" in a caption is a token there
    assert (tokenizer.mask, tokenizer.start, tokenizer.end) == (meta["mask_id"], meta["sot_id"], meta["eot_id"])
    wrong = []
    for caption in meta["captions"]:
        found = tokenizer.encode([caption["text"]])[0].tolist()
        if found != caption[f"ids_{length}"]:
            wrong.append((caption["text"], found, caption[f"ids_{length}"]))
    assert not wrong


def test_masking_rates_and_form(single_file):
    """The share of each treatment, which ids are drawn, and the form of the output, on as many tokens as the file's."""
    meta = load_json("tokenize")
    told, tokenizer = meta["masking"], CaptionTokenizer(single_file, 77)
    words, rows = told["words_per_caption"], told["tokens_drawn"] // told["words_per_caption"]
    ids = torch.zeros(rows, 77, dtype=torch.long)
    ids[:, 0], ids[:, words + 1] = tokenizer.start, tokenizer.end
    ids[:, 1 : words + 1] = torch.arange(1000, 1000 + words)
    before = ids.clone()
    out = tokenizer.mask_tokens(ids, 1 - told["nominal"]["kept"], torch.Generator().manual_seed(1))
    assert torch.equal(ids, before) and out.shape == ids.shape and out.dtype == torch.int64
    lengths = (out != 0).sum(1) - 2
    removed = 1 - lengths.float().mean().item() / words
    inside = (out != 0) & (out != tokenizer.start) & (out != tokenizer.end)
    masked = ((out == tokenizer.mask) & inside).sum().item() / (rows * words)
    drawn = inside & (out != tokenizer.mask) & ((out < 1000) | (out >= 1000 + words))
    low, high = told["random_token_range"]
    for share, name in ((removed, "removed"), (masked, "mask"), (drawn.sum().item() / (rows * words), "random")):
        sd = (told["nominal"][name] * (1 - told["nominal"][name]) / (rows * words)) ** 0.5
        assert abs(share - told["nominal"][name]) < 5 * sd, name
        assert abs(share - told["measured"][name]) < 7 * sd, name
    assert out[drawn].min() >= low and out[drawn].max() <= high
    last = out[torch.arange(rows), lengths + 1]
    assert (out[:, 0] == tokenizer.start).all() and (last == tokenizer.end).all(), "later tokens move left"
    assert ((out == tokenizer.start) | (out == tokenizer.end)).sum() == 2 * rows


def test_augmented_texts_are_drawn_from_the_same_set():
    """One variant of each sub-sentence, in every order, joined by a space; the published reads are all reachable."""
    for example in load_json("rda")["examples"]:
        parts = example["dec_captions"]
        before, rng = json.dumps(parts), random.Random(1)
        found = {reorganize(parts, rng) for _ in range(4000)}
        assert json.dumps(parts) == before, "the list is not shuffled in place"
        if isinstance(parts, str):
            assert found == {parts} == set(example["texts_of_three_consecutive_reads"])
            continue
        few = np.prod([len(p) for p in parts if p] or [1]) * np.prod(range(1, len(parts) + 1)) < 400
        for text in example["texts_of_three_consecutive_reads"]:
            if few:
                assert " ".join(text.split()) in {" ".join(t.split()) for t in found}, (text, parts)


@pytest.fixture(params=sorted(LAYOUTS))
def benchmark(request, tmp_path):
    """One benchmark in its official layout, its images made here."""
    told = load_json("rda")["datasets"][request.param]
    root = tmp_path / request.param
    images = root if request.param == "UFine6926" else root / "imgs"
    for row in told["annotation"]:
        path = images / row[told["path_key"]]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 8)).save(path)
    (root / FILES[request.param]).write_text(json.dumps(told["annotation"]))
    return request.param, told, root


def test_annotation_formats(benchmark):
    """Captions, images and identities of every split, in the published order; training identities counted from 0."""
    name, told, root = benchmark
    pairs = read_annotations(LAYOUTS[name], root)
    train = pairs[pairs.split == "train"]
    assert train.caption.tolist() == [row[3] for row in told["train"]]
    assert [
        path.endswith(image) for image, path in zip(train.image, (row[2] for row in told["train"]), strict=True)
    ].count(False) == 0
    numbered = pd.factorize(train.pid, sort=True)[0].tolist()
    first = min(row[0] for row in told["train"])  # the published UFine6926 reader forgets to subtract one
    assert numbered == [row[0] - first for row in told["train"]]
    assert len(set(numbered)) == told["num_classes"]
    for split in ("test", "val"):
        rows = pairs[pairs.split == split]
        assert rows.caption.tolist() == told[split]["captions"]
        assert rows.pid.tolist() == told[split]["caption_pids"]
        images = rows.drop_duplicates("image_id")
        assert images.pid.tolist() == told[split]["image_pids"]
        assert all(p.endswith(i) for i, p in zip(images.image, told[split]["img_paths"], strict=True))


def test_published_augmentation_files_are_imported(benchmark, tmp_path):
    name, told, root = benchmark
    pairs, out = read_annotations(LAYOUTS[name], root), tmp_path / "augmented.json"
    import_published(root / FILES[name], pairs, out)
    assert [row["diversity_captions"] for row in json.loads(out.read_text())] == [row[4] for row in told["train"]]


def test_gaps_in_the_training_identities_are_no_fault(benchmark):
    """The published readers assert; here an identity's number carries no meaning."""
    name, told, root = benchmark
    rows = told["annotation"]
    last = max(row["id"] for row in rows if row["split"] == "train")
    for row in rows:
        row["id"] += 500 * (row["id"] == last and row["split"] == "train")
    (root / FILES[name]).write_text(json.dumps(rows))
    assert read_annotations(LAYOUTS[name], root).pid.max() == last + 500


def test_a_missing_field_is_named(benchmark):
    name, told, root = benchmark
    del told["annotation"][1]["captions"]
    (root / FILES[name]).write_text(json.dumps(told["annotation"]))
    with pytest.raises(InputError, match="record 1.*captions"):
        read_annotations(LAYOUTS[name], root)
