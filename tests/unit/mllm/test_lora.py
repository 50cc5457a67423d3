"""LoRA: only the decoder's adapter learns, a resumed run equals an uninterrupted one, and the adapter is really used."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest
import torch
from helpers import save_vl_place
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from icl.errors import InputError
from icl.mllm import prompts
from icl.mllm.backends.transformers_backend import TransformersBackend
from icl.mllm.protocol import YES_NO, Request
from icl.mllm.qwen import model
from icl.mllm.settings import MLLMSettings, SFTSettings
from icl.mllm.tuning.lora import LoraTrainer, epoch_batches, finetune
from icl.mllm.tuning.merge import merge_adapter


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return save_vl_place(tmp_path_factory.mktemp("lora"))


@pytest.fixture(scope="module")
def records():
    return [
        {"id": k, "caption": f"A man in {colour}.", "image": f"{k % 4}.png", "answer": YES_NO[k % 2]}
        for k, colour in enumerate(["red", "blue", "green", "black", "white", "pink", "grey", "a red coat"])
    ]


SFT = SFTSettings(epochs=2, batch_size=4)


def trainer(place, records, out, sft=SFT):
    return LoraTrainer(sft, MLLMSettings(model=str(place / "model")), records, place, 1, out)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_resumed_fine_tuning_equals_an_uninterrupted_one(place, records, tmp_path, monkeypatch, steps):
    """Two steps an epoch: killed within the first epoch, between the two, and within the second."""
    whole = trainer(place, records, tmp_path / "whole")
    frozen = {name: p.clone() for name, p in whole.qwen.model.named_parameters() if "lora_" not in name}
    whole.run()
    assert all(torch.equal(p, frozen[n]) for n, p in whole.qwen.model.named_parameters() if n in frozen)
    monkeypatch.setattr("icl.mllm.tuning.lora.SAVE_STEPS", 1)
    cut = trainer(place, records, tmp_path / "cut")
    learn = cut._learn

    def killed(*arguments):
        if cut.step == steps:
            raise KeyboardInterrupt
        return learn(*arguments)

    cut._learn = killed
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    resumed = trainer(place, records, tmp_path / "cut")
    resumed.run()
    assert resumed.step == 4 and resumed.optimizer.state[resumed.parameters[0]]["step"] == 4
    one, two = (get_peft_model_state_dict(t.qwen.model) for t in (whole, resumed))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    histories = [pd.read_csv(tmp_path / name / "history.csv").drop(columns="seconds") for name in ("whole", "cut")]
    pd.testing.assert_frame_equal(*histories)
    assert all("language_model" in name for name in one)
    assert not (tmp_path / "cut" / "state.pt").exists()


def test_pieces_and_checkpointing_change_memory_and_not_the_gradients(place, records, tmp_path):
    grads = []
    for n, sft in enumerate((SFT, replace(SFT, piece=3), replace(SFT, gradient_checkpointing=True))):
        run = trainer(place, records, tmp_path / str(n), sft)
        loss, right = run._backward(list(range(8)))
        grads.append([loss, right, *(p.grad.clone() for p in run.parameters if p.grad is not None)])
    assert len(grads[0]) > 10
    for other in grads[1:]:
        assert other[0] == pytest.approx(grads[0][0], abs=1e-5) and other[1] == grads[0][1]
        for a, b in zip(grads[0][2:], other[2:], strict=True):
            torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)


def test_kept_visual_tokens_are_bounded(place, monkeypatch):
    monkeypatch.setattr(model, "KEPT_BYTES", 30_000)  # one image has 18 x 192 numbers of 4 bytes
    qwen = model.load_qwen_vl(str(place / "model"))
    images = [place / f"{k}.png" for k in range(4)]
    first, again = qwen.see(images, 50176), qwen.see(images[::-1], 50176)
    assert len(qwen._kept) == 2
    for path in images:
        torch.testing.assert_close(first[path], again[path])


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
    for path in [*(tmp_path / "adapter").iterdir(), *(tmp_path / "merged").iterdir()]:
        assert path.stat().st_mode & 0o777 == path.parent.stat().st_mode & 0o666, (
            f"{path.name}: a server may be another user"
        )
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


def test_an_adapter_with_older_names_serves_and_one_that_does_not_fit_is_refused(place, records, tmp_path):
    mllm = MLLMSettings(model=str(place / "model"))
    finetune(replace(SFT, lr=0.05), mllm, records, place, 1, tmp_path / "new")
    shutil.copytree(tmp_path / "new", tmp_path / "old")
    weights = load_file(tmp_path / "new" / "adapter_model.safetensors")
    older = {name.replace(".model.language_model.layers", ".model.layers"): t for name, t in weights.items()}
    assert older.keys().isdisjoint(weights)
    config = json.loads((tmp_path / "old" / "adapter_config.json").read_text())
    config["target_modules"] = r"^(?!.*visual).*(?:q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj).*"
    (tmp_path / "old" / "adapter_config.json").write_text(json.dumps(config))
    save_file(older, tmp_path / "old" / "adapter_model.safetensors")
    ask = [Request("localise", prompts.localise_text("A man in red."), place / "0.png", 4, YES_NO)]
    new, old = (TransformersBackend(mllm, str(tmp_path / name)).answer(ask)[0] for name in ("new", "old"))
    assert new.probabilities == old.probabilities
    for change, message in (
        (lambda w: {name.replace("layers.0", "layers.70"): t for name, t in w.items()}, "unknown names"),
        (lambda w: dict(list(w.items())[1:]), "missing weights"),
        (lambda w: {name: t[..., :3].contiguous() for name, t in w.items()}, "other shapes"),
        (lambda w: {name: t * 0 if "lora_B" in name else t for name, t in w.items()}, "changes no weight"),
    ):
        save_file(change(weights), tmp_path / "old" / "adapter_model.safetensors")
        with pytest.raises(InputError, match=message):
            TransformersBackend(mllm, str(tmp_path / "old"))


def test_batches_hold_every_record_once(records):
    import random

    batches = epoch_batches([5, 9, 3, 7, 8, 2, 6], 3, random.Random(0))
    assert sorted(k for batch in batches for k in batch) == list(range(7)) and max(map(len, batches)) == 3


def test_an_empty_set_is_refused(place, tmp_path):
    with pytest.raises(InputError, match="SFT set"):
        trainer(place, [], tmp_path / "none")
