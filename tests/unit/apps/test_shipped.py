"""The shipped retriever and adapter: whole, portable, and used only where they are what the configuration would train."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from running import HOUSE
from safetensors.torch import load_file

from icl.apps.shipped import (
    CHOSEN,
    ORIGIN,
    SHIPPED,
    WEIGHTS,
    Trained,
    chosen_names,
    portable,
    read_chosen,
    write_shipped,
)
from icl.errors import InputError
from icl.fields import decisive
from icl.files import CHECKSUMS, verify_checksums
from icl.retriever.weights.checkpoints import load_retriever
from icl.workflow import searching
from icl.workflow.config import load_settings

DEFAULT = yaml.safe_load((HOUSE / "config/config.yaml").read_text())


def settings(**changes):
    return load_settings({**DEFAULT, **changes})


def files():
    return [path for path in SHIPPED.rglob("*") if path.is_file()]


def test_every_file_has_a_checksum_that_matches_and_all_are_small():
    listed = {line.split(maxsplit=1)[1] for line in (SHIPPED / CHECKSUMS).read_text().splitlines()}
    assert listed == {path.relative_to(SHIPPED).as_posix() for path in files()} - {CHECKSUMS}
    verify_checksums(SHIPPED)
    assert sum(path.stat().st_size for path in files()) < 10e6


def test_no_file_holds_a_path_of_the_machine_that_wrote_it():
    for path in files():
        assert not re.search(rb'"/(home|root|tmp|work|usr|mnt|data|Users)/', path.read_bytes()), path


def test_it_loads_and_its_numbers_are_finite():
    model, tokenizer = load_retriever(SHIPPED)
    assert tokenizer.length == json.loads((SHIPPED / "model.json").read_text())["text_length"]
    assert all(torch.isfinite(t).all() for t in model.state_dict().values() if t.is_floating_point())
    assert all(torch.isfinite(t).all() for t in load_file(SHIPPED / WEIGHTS).values())
    for way in CHOSEN:
        assert read_chosen(way, [SHIPPED / name for name in chosen_names(way)])


def test_a_damaged_copy_is_named(tmp_path):
    shutil.copytree(SHIPPED, tmp_path / "copy")
    path = tmp_path / "copy/chosen/thi.json"
    for text, found in (("{}", "no xi"), ("[", "no parameters")):
        path.write_text(text)
        with pytest.raises(InputError, match=r"thi\.json"):
            verify_checksums(tmp_path / "copy")
        with pytest.raises(InputError, match=found):
            read_chosen("thi", [path])


def test_writing_the_shipped_folder_again_gives_the_same_files(tmp_path):
    judge = {key: 50.0 for key in ("accuracy_own", "accuracy_easy", "accuracy_hard")}
    measured = {key: 50.0 for key in ("rank1", "rank5", "rank10", "map", "minp", "queries", "gallery")}
    for name, value in (("metrics.json", measured), ("judge.json", {"base": judge, "lora": judge})):
        (tmp_path / name).write_text(json.dumps(value))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/left.over").touch()
    metrics = tmp_path / "metrics.json"
    chosen = [SHIPPED / f"chosen/{way}.json" for way in CHOSEN]
    run = Trained(SHIPPED, SHIPPED / "adapter", chosen, metrics, [metrics] * 3, tmp_path / "judge.json")
    write_shipped(run, searching.origin_of(settings()), tmp_path / "out")
    verify_checksums(tmp_path / "out")
    for path in files():
        name = path.relative_to(SHIPPED)
        if name.name not in ("README.md", ORIGIN, CHECKSUMS):  # the origin gains keys as the settings do
            assert (tmp_path / "out" / name).read_bytes() == path.read_bytes(), name
    assert not searching.differences(settings(), json.loads((tmp_path / "out" / ORIGIN).read_text()))
    assert not (tmp_path / "out/left.over").exists()


def test_paths_of_one_machine_become_names():
    given = {"a": ["/home/somebody/models/clip", "models/synthclip"], "b": {"c": 1, "d": "words / and more"}}
    assert portable(given) == {"a": ["clip", "models/synthclip"], "b": {"c": 1, "d": "words / and more"}}


def test_the_default_configuration_is_answered_by_the_shipped_models():
    found = searching.models(settings(), SHIPPED)
    assert found.model == str(SHIPPED / "model.safetensors") and found.adapter
    assert found.chosen == [str(SHIPPED / "chosen/evidence.json")]
    assert "shipped" in found.who and "differs" not in found.who


CHANGES = [
    ({"retriever": {"epochs": 24}}, "retriever.epochs 24 (shipped: 12)"),
    ({"retriever": {"image_height": 192}}, "retriever.image_height"),
    ({"seeds": [2, 1]}, "seed 2 (shipped: 1)"),
    ({"rda": {"variants": 3}}, "rda.variants 3"),
    ({"sft": {"lora_r": 4}}, "sft.lora_r 4"),
    ({"mllm": {"model": "Qwen/Qwen2-VL-7B-Instruct"}}, "mllm.model Qwen/Qwen2-VL-7B-Instruct"),
    ({"datasets": {"synthpedes": DEFAULT["datasets"]["synthpedes"] | {"train_identities": 99}}}, "train_identities 99"),
    ({"datasets": {"mine": DEFAULT["datasets"]["synthpedes"]}}, "datasets mine"),
]


@pytest.mark.parametrize(("change", "told"), CHANGES, ids=[told for _, told in CHANGES])
def test_another_configuration_is_answered_by_its_own_models_and_told_why(change, told):
    own = searching.models(settings(**change), SHIPPED)
    assert own.model.startswith("results/retriever/") and told in own.who and "own" in own.who
    forced = searching.models(settings(**change, search={"models": "shipped"}), SHIPPED)
    assert forced.model == str(SHIPPED / "model.safetensors") and told in forced.who and "although" in forced.who


@pytest.mark.parametrize(
    "change", [{"mllm": {"timeout": 9.0}}, {"bootstrap": 10}, {"thi": {"lambda": 0.5}}, {"rda": {"shards": 4}}]
)
def test_settings_that_change_no_weight_leave_the_shipped_models(change):
    assert searching.models(settings(**change), SHIPPED).model == str(SHIPPED / "model.safetensors")


def test_every_setting_of_the_retriever_and_of_the_adapter_is_compared():
    origin = searching.origin_of(settings())
    assert set(decisive(settings().retriever)) == set(origin["retriever"])
    assert set(decisive(settings().sft)) == set(origin["sft"])


def test_from_another_folder_the_projects_own_models_are_the_shipped_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert searching.folder_of() == SHIPPED
    changes = {
        "retriever": {"checkpoint": str(HOUSE / "models/synthclip")},
        "mllm": {"model": str(HOUSE / "models/synthvl")},
    }
    assert "differs" not in searching.models(settings(**changes), searching.folder_of()).who
    (tmp_path / "models/synthpedes-icl").mkdir(parents=True)
    assert searching.folder_of().parent == Path("models")


def test_ones_own_models_and_none_shipped(tmp_path):
    own = searching.models(settings(search={"models": "run"}), SHIPPED)
    assert own.model == "results/retriever/synthpedes/rda/seed1/model.safetensors"
    assert own.adapter == ["results/lora/seed1/adapter/adapter_model.safetensors"]
    assert own.chosen == ["results/evidence/synthpedes/rda/lora/seed1/chosen.json"]
    assert searching.models(settings(), tmp_path).model == own.model
    both = searching.models(settings(search={"way": "captionsevidence"}), SHIPPED).chosen
    assert [Path(path).name for path in both] == ["captions.json", "captionsevidence.json"]
    alone = searching.models(settings(search={"way": "none"}), SHIPPED)
    assert not alone.adapter and not alone.chosen
    with pytest.raises(InputError, match="no shipped retriever"):
        searching.models(settings(search={"models": "shipped"}), tmp_path)


@pytest.mark.parametrize(
    ("query", "gallery", "where"), [("", ".", "query"), ("a man", "", "gallery"), ("a man", "no", "gallery")]
)
def test_what_is_missing_is_told_before_any_job(query, gallery, where):
    with pytest.raises(InputError, match=f"search.{where}"):
        searching.asked(settings(search={"query": query, "gallery": gallery}))
