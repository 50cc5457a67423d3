"""LoRA: only the decoder's adapter learns, a resumed run equals an uninterrupted one, and the adapter is really used."""

from dataclasses import replace

import pytest
import torch
from helpers import save_tiny_qwen2vl, tiny_corpus
from peft.utils import get_peft_model_state_dict
from PIL import Image

from icl.errors import InputError
from icl.mllm import prompts
from icl.mllm.lora import LoraTrainer, epoch_batches, finetune
from icl.mllm.merge import merge_adapter
from icl.mllm.protocol import YES_NO, Request
from icl.mllm.transformers_backend import TransformersBackend
from icl.settings import MLLMSettings, SFTSettings


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lora")
    corpus = tiny_corpus()
    save_tiny_qwen2vl(folder / "model", corpus)
    for k, pixels in enumerate(corpus.images[:4]):
        Image.fromarray(pixels).save(folder / f"{k}.png")
    return folder


@pytest.fixture(scope="module")
def records():
    return [
        {"id": k, "caption": f"A man in {colour}.", "image": f"{k % 4}.png", "answer": YES_NO[k % 2]}
        for k, colour in enumerate(["red", "blue", "green", "black", "white", "pink", "grey", "a red coat"])
    ]


SFT = SFTSettings(epochs=2, batch_size=4)


def trainer(place, records, out, sft=SFT):
    return LoraTrainer(sft, MLLMSettings(model=str(place / "model")), records, place, 1, out)


def test_a_resumed_fine_tuning_equals_an_uninterrupted_one(place, records, tmp_path):
    whole = trainer(place, records, tmp_path / "whole")
    frozen = {name: p.clone() for name, p in whole.qwen.model.named_parameters() if "lora_" not in name}
    whole.run()
    assert all(torch.equal(p, frozen[n]) for n, p in whole.qwen.model.named_parameters() if n in frozen)
    cut = trainer(place, records, tmp_path / "cut")
    cut._epoch(1)
    resumed = trainer(place, records, tmp_path / "cut")
    resumed.run()
    one, two = (get_peft_model_state_dict(t.qwen.model) for t in (whole, resumed))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    assert all("language_model" in name for name in one)
    assert not (tmp_path / "cut" / "state.pt").exists()


def test_the_adapter_serves_its_tasks_only(place, records, tmp_path):
    mllm = MLLMSettings(model=str(place / "model"))
    finetune(replace(SFT, lr=0.05), mllm, records, place, 1, tmp_path / "adapter")
    base, tuned = TransformersBackend(mllm), TransformersBackend(mllm, str(tmp_path / "adapter"))
    judge = Request("localise", prompts.localise_text("A man in red."), place / "0.png", 4, YES_NO)
    ask = Request("vqa", prompts.vqa_text(), place / "0.png", 8)
    (a, c), (b, d) = base.answer([judge, ask]), tuned.answer([judge, ask])
    assert a.probabilities["Yes"] != pytest.approx(b.probabilities["Yes"], abs=1e-4)
    assert c.text == d.text
    assert base.identity("vqa") == tuned.identity("vqa") and base.identity("localise") != tuned.identity("localise")


def test_the_merged_model_answers_as_the_adapter_does(place, records, tmp_path):
    mllm = MLLMSettings(model=str(place / "model"))
    finetune(replace(SFT, lr=0.05), mllm, records, place, 1, tmp_path / "adapter")
    merge_adapter(mllm.model, tmp_path / "adapter", tmp_path / "merged")
    ask = [Request("localise", prompts.localise_text(r["caption"]), place / r["image"], 4, YES_NO) for r in records]
    tuned = TransformersBackend(mllm, str(tmp_path / "adapter")).answer(ask)
    merged = TransformersBackend(MLLMSettings(model=str(tmp_path / "merged"))).answer(ask)
    for one, two in zip(tuned, merged, strict=True):
        assert one.probabilities["Yes"] == pytest.approx(two.probabilities["Yes"], abs=1e-4)


def test_an_adapter_that_changes_nothing_is_refused(place, records, tmp_path):
    mllm = MLLMSettings(model=str(place / "model"))
    finetune(replace(SFT, lr=0.0, epochs=1), mllm, records, place, 1, tmp_path / "adapter")
    with pytest.raises(InputError, match="changes no weight"):
        merge_adapter(mllm.model, tmp_path / "adapter", tmp_path / "merged")


def test_batches_hold_every_record_once(records):
    import random

    batches = epoch_batches([5, 9, 3, 7, 8, 2, 6], 3, random.Random(0))
    assert sorted(k for batch in batches for k in batch) == list(range(7)) and max(map(len, batches)) == 3


def test_an_empty_set_is_refused(place, tmp_path):
    with pytest.raises(InputError, match="SFT set"):
        trainer(place, [], tmp_path / "none")
