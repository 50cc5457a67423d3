"""Parsing, RDA and the SFT set."""

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from icl.errors import InputError
from icl.mllm import reading
from icl.mllm.protocol import Answer
from icl.mllm.settings import MLLMSettings
from icl.mllm.tuning import records
from icl.mllm.tuning.judge import auroc, calibration_error
from icl.rda.attribute_words import attribute_words, same_attributes
from icl.rda.augmentation import augment, gather, shard_of
from icl.rda.published import import_published
from icl.rda.reorganize import reorganize
from icl.rda.settings import RDASettings
from icl.retriever.ccd import divide
from icl.retriever.mining import top_k_negatives


@given(st.text(max_size=300))
def test_parsers_never_raise_and_give_no_empty_text(text):
    assert all(s.strip() for s in reading.vqa_subtexts(text))
    assert all(reading.numbered_list(text))
    reading.is_yes(text), attribute_words(text)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("1. Yes, the shirt is striped.\n2. no, there is none", ["The shirt is striped.", "There is none."]),
        ("1) Upper body: a red jacket. It is long.", ["Upper body: a red jacket. It is long."]),
        ("**3.** Short hair", ["Short hair."]),
        ("A man in red.", ["A man in red."]),
        ("12. No.", ["No."]),
        ("", []),
    ],
)
def test_vqa_subtexts(answer, expected):
    assert reading.vqa_subtexts(answer) == expected


@pytest.mark.parametrize(
    ("answer", "yes"), [("Yes.", True), ("no", False), ("eyes closed", False), ("No, yes", False), ("", False)]
)
def test_is_yes(answer, yes):
    assert reading.is_yes(answer) is yes


@pytest.mark.parametrize(
    ("rewrite", "same"),
    [
        ("This person wears crimson trousers.", True),
        ("He has red pants on.", True),
        ("The person wears trousers.", False),
        ("The person wears blue trousers.", False),
        ("The person wears red trousers and a hat.", False),
    ],
)
def test_a_rewrite_that_loses_or_adds_an_attribute_is_seen(rewrite, same):
    assert same_attributes(rewrite, "The person is wearing long red trousers.") is same


def test_reorganize_draws_one_variant_of_each_and_changes_nothing():
    lists = [["a1", "a2"], ["b1"], ["c1", "c2", "c3"], []]
    copy = json.loads(json.dumps(lists))
    for seed in range(20):
        words = reorganize(lists, random.Random(seed)).split()
        assert sorted(w[0] for w in words) == ["a", "b", "c"]
    assert lists == copy and reorganize("as it is", random.Random(0)) == "as it is"
    assert len({reorganize(lists, random.Random(seed)) for seed in range(40)}) > 5


class Assistant:
    """Answers each task in its form; the first rewrite is faithful, the second changes a colour."""

    def __init__(self) -> None:
        self.asked = []

    def identity(self, task):
        return {}

    def answer(self, requests):
        self.asked += requests
        answers = {
            "vqa": "1. The person is male.\n2. Yes, the person is wearing a red hat.",
            "aggregate": "The man wears a red hat.",
            "decompose": "1. The person is male.\n2. The person is wearing a red hat.",
        }
        return [Answer(answers.get(r.task) or self._rewrite(r.text.split("Sentence: ")[1])) for r in requests]

    def _rewrite(self, sentence):
        return f"1. Indeed: {sentence}\n2. {sentence.replace('red', 'blue')}\n3. nothing"


@pytest.fixture()
def rows():
    n = np.arange(8)
    images = [f"{k}.jpg" for k in n // 2]
    return pd.DataFrame(
        dict(split="train", pid=n // 4, image_id=n // 2, image=images, caption_id=n, caption=[f"c{k}" for k in n])
    )


def test_augmentation_asks_each_image_and_each_sentence_once(rows):
    backend = Assistant()
    out = augment(rows, Path("root"), backend, MLLMSettings(), RDASettings(variants=3))
    counts = pd.Series([r.task for r in backend.asked]).value_counts().to_dict()
    assert counts == {"vqa": 4, "aggregate": 8, "decompose": 8, "rewrite": 2}
    hat = out[0]["diversity_captions"][1]
    sentence = "The person is wearing a red hat."
    assert hat == [f"Indeed: {sentence}", sentence, sentence]  # the blue hat and the empty rewrite are rejected
    assert out[0]["fallbacks"] == {"vqa": 0, "aggregate": 0, "decompose": 0, "rewrite": 3}


def test_shards_hold_every_caption_once_and_gather_restores_the_order(rows, tmp_path):
    parts = [shard_of(rows, k, 3) for k in range(3)]
    assert sorted(c for part in parts for c in part.caption_id) == rows.caption_id.tolist()
    paths = []
    for k, part in enumerate(parts):
        paths.append(tmp_path / f"{k}.jsonl")
        found = augment(part, Path("root"), Assistant(), MLLMSettings(), RDASettings(variants=3))
        paths[-1].write_text("".join(json.dumps(row) + "\n" for row in found))
    assert gather(paths, tmp_path / "all.json") == {"vqa": 0, "aggregate": 0, "decompose": 0, "rewrite": 24}
    whole = augment(rows, Path("root"), Assistant(), MLLMSettings(), RDASettings(variants=3))
    assert json.loads((tmp_path / "all.json").read_text()) == whole
    paths[0].write_text(paths[0].read_text()[:-20])
    with pytest.raises(InputError, match="0.jsonl"):
        gather(paths, tmp_path / "all.json")


def test_published_augmentation_files_can_stand_in(rows, tmp_path):
    published = [
        {"split": "train", "captions": [f"c{2 * k}", f"c{2 * k + 1}"], "diversity_captions": [[["a"]], "plain"]}
        for k in range(4)
    ]
    (tmp_path / "r.json").write_text(json.dumps(published))
    import_published(tmp_path / "r.json", rows, tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text())[1] == {"caption_id": 1, "diversity_captions": "plain"}
    published[0]["captions"][0] = "other"
    (tmp_path / "r.json").write_text(json.dumps(published))
    with pytest.raises(InputError, match="r.json"):
        import_published(tmp_path / "r.json", rows, tmp_path / "out.json")


def test_sft_records_are_one_yes_and_one_no_of_another_identity(rows, tmp_path):
    pids = np.repeat([0, 0, 1, 1], 1)
    columns = top_k_negatives(np.random.default_rng(0).random((8, 4)), rows.pid.to_numpy(), pids, 2)
    negatives = records.negatives_by_caption(columns, rows.caption_id.to_numpy(), ["0.jpg", "1.jpg", "2.jpg", "3.jpg"])
    drawn = records.build_records(rows, {0, 1, 5, 6}, negatives, 3, seed=1)
    assert len(drawn) == 6 and drawn == records.build_records(rows, {0, 1, 5, 6}, negatives, 3, seed=1)
    pid_of = dict(zip(rows.image, rows.pid, strict=True))
    for yes, no in zip(drawn[::2], drawn[1::2], strict=True):
        assert (yes["answer"], no["answer"]) == ("Yes", "No") and yes["caption_id"] == no["caption_id"]
        assert yes["caption_id"] in {0, 1, 5, 6}
        assert pid_of[yes["image"]] == rows.pid[yes["caption_id"]] != pid_of[no["image"]]
    records.write_llamafactory(drawn, tmp_path / "imgs", tmp_path / "lf")
    info = json.loads((tmp_path / "lf" / "dataset_info.json").read_text())["icl_localisation"]
    data = json.loads((tmp_path / "lf" / info["file_name"]).read_text())
    assert len(data) == 6 and data[0]["messages"][-1]["content"] == "Yes" and len(data[0]["images"]) == 1
    assert data[0]["messages"][1]["content"].startswith("<image>")


def test_mining_equals_naive_loops():
    rng = np.random.default_rng(1)
    similarity, text_pids, image_pids = rng.random((9, 20)), rng.integers(0, 4, 9), rng.integers(0, 4, 20)
    found = top_k_negatives(similarity, text_pids, image_pids, 3)
    for q in range(9):
        wrong = [g for g in range(20) if image_pids[g] != text_pids[q]]
        assert found[q].tolist() == sorted(wrong, key=lambda g: -similarity[q, g])[:3]
    with pytest.raises(InputError, match="hard negatives"):
        top_k_negatives(similarity, np.zeros(9), np.zeros(20), 1)


def test_division_labels():
    rng = np.random.default_rng(0)
    noisy = rng.random(600) < 0.3
    losses = np.where(noisy, rng.normal(4, 0.4, 600), rng.normal(1, 0.4, 600))
    other = np.where(np.arange(600) < 40, 5.0 - losses, losses)
    found = divide(losses, other, "default", seed=3)
    agreed = found.agreed
    assert np.array_equal(found.clean[agreed], 1 - noisy[agreed]) and (~agreed).sum() >= 35
    assert 0.2 < found.clean[~agreed].mean() < 0.8  # a coin decides
    assert not np.array_equal(divide(losses, other, "default", seed=4).clean, found.clean)


def test_judge_measures():
    assert auroc(np.array([0.9, 0.8]), np.array([0.1, 0.85])) == 0.75
    shares, truth = np.array([0.95, 0.95, 0.05, 0.05]), np.array([1, 0, 0, 0])
    assert calibration_error(shares, truth) == pytest.approx(0.5 * 0.45 + 0.5 * 0.05)
