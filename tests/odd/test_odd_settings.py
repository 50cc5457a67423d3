"""Settings: whatever the schema allows either works or is refused by the name of its key, before any job."""

import dataclasses
import json
import math
import random
import types
import typing

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import save_retriever_place, save_vl_place
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import ValidationError, validate

from icl.data.pairs import read_pairs, split_of
from icl.data.settings import DatasetSettings
from icl.errors import InputError
from icl.fields import to_mapping, typed, yaml_key
from icl.mllm.settings import MLLMSettings, SFTSettings
from icl.mllm.tuning.lora import finetune
from icl.ranking.measure import measure
from icl.ranking.significance import bootstrap_interval, paired_test
from icl.rda.augmentation import shard_of
from icl.report.figures.ccd import ccd_mixture
from icl.report.figures.noise import noise_study
from icl.report.noise import noise_tables, noise_text
from icl.rerank.timing import time_of
from icl.retriever.encoding.embeddings import embed, open_store
from icl.retriever.settings import RetrieverSettings
from icl.retriever.training.schedule import rate_factor, rda_weight
from icl.retriever.training.trainer import train_retriever
from icl.retriever.weights.checkpoints import load_retriever
from icl.retriever.weights.published import published_settings
from icl.synthpedes.benchmark import write_benchmark
from icl.workflow.config import load_settings, settings_schema
from icl.workflow.settings import Settings
from icl.workflow.stages import retriever_part

SET = {"generator": "synth", "train_identities": 8, "val_identities": 4, "test_identities": 4}
DATA = {"datasets": {"d": SET}}
SCHEMA = settings_schema()


def leaf(hint):
    """int, float, ... of an annotation, and whether null is allowed."""
    args = typing.get_args(hint)
    if isinstance(hint, types.UnionType):
        return next(a for a in args if a is not type(None)), True
    return hint, False


def fields_of(cls, path=()):
    """(path of keys, field, type) of every setting below a class; `d` and `m` stand for names."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        hint, key = hints[field.name], (*path, yaml_key(field))
        if typing.get_origin(hint) is dict:
            yield from fields_of(typing.get_args(hint)[1], (*key, {"datasets": "d", "retrievers": "m"}[field.name]))
        elif dataclasses.is_dataclass(hint):
            yield from fields_of(hint, key)
        else:
            yield key, field, hint


EVERY = list(fields_of(Settings))


def kind_of(hint):
    inner, _ = leaf(hint)
    return typing.get_args(inner)[0] if typing.get_origin(inner) is tuple else inner


NUMBERS = [(path, field, hint) for path, field, hint in EVERY if kind_of(hint) in (int, float)]
NAMES = [".".join(path) for path, _, _ in NUMBERS]


def with_value(path, value):
    """A small configuration with one key set."""
    out = {"datasets": {"d": dict(SET)}}
    if path[0] == "retrievers":
        out["retrievers"] = {"m": {"source": "somewhere"}}
    place = out
    for key in path[:-1]:
        place = place.setdefault(key, {})
    place[path[-1]] = value
    return out


def loads_or_names(mapping):
    """Whether the settings load; a refusal is an InputError that names a key."""
    try:
        found = load_settings(mapping)
    except InputError as error:
        assert str(error).startswith("config key "), error
        assert error.remedy
        return None
    validate(to_mapping(found), SCHEMA)
    assert load_settings(to_mapping(found)) == found
    return found


@pytest.mark.parametrize(("path", "field", "hint"), NUMBERS, ids=NAMES)
def test_every_number_has_a_least_and_a_greatest_value(path, field, hint):
    low, high = field.metadata["low"], field.metadata["high"]
    assert low < high and math.isfinite(low) and math.isfinite(high)
    default = field.default if isinstance(field.default, tuple) else (field.default,)
    assert all(value is None or low <= value <= high for value in default)


@pytest.mark.parametrize(("path", "field", "hint"), NUMBERS, ids=NAMES)
def test_a_number_that_cannot_be_is_refused_by_name(path, field, hint):
    low, high, kind = field.metadata["low"], field.metadata["high"], kind_of(hint)
    beyond = [low - 1, high + 1, -(10**30), 10**30, 10**400, math.nan, math.inf, -math.inf, "many", True, [[1]], {}]
    beyond += ["1e999", "nan", "9" * 400, "0x10", "1_000"] + ([0.5, 1.0, "1.5"] if kind is int else [])
    beyond += [] if leaf(hint)[1] else [None]
    several = typing.get_origin(leaf(hint)[0]) is tuple
    for value in beyond:
        with pytest.raises(InputError) as caught:
            load_settings(with_value(path, [value] if several else value))
        assert f"config key {'.'.join(path)}" in str(caught.value), (value, caught.value)


@pytest.mark.parametrize(("path", "field", "hint"), NUMBERS, ids=NAMES)
def test_the_ends_of_every_range_load_or_name_a_key(path, field, hint):
    low, high = field.metadata["low"], field.metadata["high"]
    several = typing.get_origin(leaf(hint)[0]) is tuple
    for value in (low, high, str(low), str(high)):
        loads_or_names(with_value(path, [value] if several else value))


def value_of(field, hint):
    """Any value that the schema allows a key."""
    inner, optional = leaf(hint)
    limits, kind = field.metadata, kind_of(hint)
    if "choices" in limits:
        one = st.sampled_from(limits["choices"])
    elif kind is int:
        low, high = limits["low"], limits["high"]
        one = st.sampled_from([low, low + 1, high]) | st.integers(low, high) | st.integers(low, min(high, low + 200))
    elif kind is float:
        low, high = limits["low"], limits["high"]
        one = st.sampled_from([low, high, field.default if isinstance(field.default, float) else low])
        one |= st.floats(low, high)
    elif kind is bool:
        one = st.booleans()
    else:
        one = st.sampled_from(["", "models/synthclip", "no/such/folder", "a b", "é\n"]) | st.text(max_size=8)
    if typing.get_origin(inner) is tuple:
        one = st.lists(one, max_size=4)
    return st.none() | one if optional else one


@st.composite
def configurations(draw):
    """A few keys of the whole configuration, set to anything that the schema allows."""
    out = {"datasets": {"d": dict(SET)}}
    for path, field, hint in draw(st.lists(st.sampled_from(EVERY), max_size=12, unique_by=lambda e: e[0])):
        place = out
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = draw(value_of(field, hint))
    return out


@settings(max_examples=60, deadline=None)
@given(configurations())
def test_whatever_the_schema_allows_loads_or_is_refused_by_name(mapping):
    validate(mapping, SCHEMA)
    loads_or_names(mapping)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(entry=st.sampled_from(EVERY), value=JSON)
def test_any_value_of_any_key_loads_or_is_refused_by_name(entry, value):
    """Also what the schema does not allow: and what is taken, the schema allows too."""
    loads_or_names(with_value(entry[0], value))


@pytest.mark.parametrize(
    ("mapping", "key"),
    [
        pytest.param({"retriever": {"select_ratio": 0}}, "retriever.select_ratio", id="no token selected"),
        pytest.param({"retriever": {"text_length": 4}}, "retriever.text_length 4", id="too few words to select"),
        pytest.param({"retriever": {"select_ratio": 0.01}}, "retriever.select_ratio", id="less than one word"),
        pytest.param({"retriever": {"image_height": 100}}, "retriever.image_height", id="height in no whole patches"),
        pytest.param({"retriever": {"image_width": 44}}, "retriever.image_width", id="width in no whole patches"),
        pytest.param(
            {"retriever": {"image_height": 8, "image_width": 8}},
            "retriever.select_ratio",
            id="one patch, none selected",
        ),
        pytest.param({"datasets": {"d": {**SET, "text_length": 4}}}, "datasets.d.text_length 4", id="short benchmark"),
        pytest.param({"retriever": {"warmup_epochs": 12}}, "retriever.warmup_epochs", id="warm-up to the end"),
        pytest.param({"retriever": {"warmup_epochs": 50}}, "retriever.warmup_epochs", id="warm-up beyond the end"),
        pytest.param({"retriever": {"batch_size": 1}}, "retriever.batch_size", id="batches without negatives"),
        pytest.param({"retriever": {"lr": -1e-4}}, "retriever.lr", id="a negative rate"),
        pytest.param({"retriever": {"noise_rate": 1.5}}, "retriever.noise_rate", id="noise of more than all"),
        pytest.param({"retriever": {"tse_dim": 0}}, "retriever.tse_dim", id="no TSE"),
        pytest.param({"thi": {"rounds": 0}}, "thi.rounds", id="no rounds"),
        pytest.param({"thi": {"xi_grid": 0}}, "thi.xi_grid", id="no threshold"),
        pytest.param({"sft": {"lora_r": 0}}, "sft.lora_r", id="no rank"),
        pytest.param({"sft": {"lora_alpha": -1}}, "sft.lora_alpha", id="a negative alpha"),
        pytest.param({"mllm": {"max_new_tokens_vqa": 0}}, "mllm.max_new_tokens_vqa", id="no answer"),
        pytest.param({"rda": {"temperature": -0.5}}, "rda.temperature", id="a negative temperature"),
        pytest.param({"noise_study": [0.5, 0.5]}, "noise_study", id="a share twice"),
        pytest.param({"noise_study": [0.505]}, "noise_study", id="half a percent"),
        pytest.param({"noise_study": [0.0]}, "noise_study", id="no noise"),
        pytest.param({"seeds": [-1]}, "seeds[0]", id="a negative seed"),
        pytest.param({"seeds": [2**32]}, "seeds[0]", id="a seed that scikit-learn refuses"),
        pytest.param({"results": " "}, "results", id="no folder"),
        pytest.param(
            {"jobs": {"training_processes": 3, "training_nodes": 2}}, "jobs.training_nodes", id="3 on 2 nodes"
        ),
        pytest.param(
            {"jobs": {"training_processes": 8}, "retriever": {"batch_size": 4}},
            "retriever.batch_size",
            id="4 pairs for 8",
        ),
        pytest.param(
            {"datasets": {"d": {**SET, "train_identities": 1}}}, "datasets.d.train_identities", id="one to train"
        ),
        pytest.param(
            {"datasets": {"d": {**SET, "val_identities": 1}}}, "datasets.d.val_identities", id="one to select"
        ),
        pytest.param({"datasets": {"d": {**SET, "test_identities": 0}}}, "datasets.d", id="nobody to test"),
        pytest.param({"pretrain": {"vl_mixture_steps": [1, 2]}}, "pretrain.vl_mixture_steps", id="two stages"),
        pytest.param({"pretrain": {"clip_identities": 9}}, "pretrain.clip_batch", id="a batch of more than all"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_any_job(mapping, key):
    with pytest.raises(InputError) as caught:
        load_settings({**DATA, **mapping})
    assert key in str(caught.value)


def test_what_the_schema_says_of_numbers_is_what_is_checked():
    for path, field, _ in NUMBERS:
        low = field.metadata["low"]
        value = [low - 1] if isinstance(field.default, tuple) else low - 1
        with pytest.raises(ValidationError):
            validate(with_value(path, value), SCHEMA)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return save_retriever_place(tmp_path_factory.mktemp("odd-settings"))


def train(place, out, change):
    """Load the settings, and train what they ask for; InputErrors name a key or the training."""
    small = {"checkpoint": str(place / "clip"), "image_height": 32, "image_width": 16, "tse_dim": 16, "epochs": 1}
    try:
        found = load_settings({**DATA, "retriever": {**small, "batch_size": 16, **change}})
        part = typed(RetrieverSettings, retriever_part(found, "d", "rde"))
        pairs = read_pairs(place / "pairs.parquet")
        few = pairs[(pairs.split == "train") | (pairs.split == "val")].groupby(["split", "pid"]).head(3)
        train_retriever(part, few, place / "set" / "imgs", 1, out)
    except InputError as error:
        assert "retriever" in str(error) or "similarity" in str(error), error
        return False
    return (out / "model.safetensors").exists()


HIGH = {"image_height": 96, "image_width": 96, "text_length": 100, "tse_dim": 512, "epochs": 3, "warmup_epochs": 2}
"""What stands for the greatest value, where that takes long."""
MUST = (
    "weight_decay",
    "adam_eps",
    "rda_gamma_slope",
    "rda_gamma_floor",
    "warmup_factor",
    "token_mask_rate",
    "noise_rate",
)
RETRIEVER = [(field, hint) for path, field, hint in NUMBERS if path[0] == "retriever"]


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize(("field", "hint"), RETRIEVER, ids=[field.name for field, _ in RETRIEVER])
def test_the_ends_of_the_retrievers_ranges_train_or_name_their_key(place, tmp_path, field, hint, end):
    value = HIGH.get(field.name, field.metadata[end]) if end == "high" else field.metadata[end]
    change = {field.name: value}
    if field.name == "warmup_epochs":
        change["epochs"] = 3
    done = train(place, tmp_path, change)
    assert done or field.name not in MUST
    if not done:
        assert field.name in ("image_height", "image_width", "text_length", "select_ratio", "epochs", "lr", "lr_tse")


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_settings_of_the_retriever_train_or_name_their_key(place, tmp_path_factory, data):
    """Several at once; sizes are kept small."""
    change = {}
    for path, field, hint in EVERY:
        if path[0] == "retriever" and field.name not in ("checkpoint", "noise_file") and data.draw(st.booleans()):
            change[field.name] = data.draw(value_of(field, hint))
    for name, most in {**HIGH, "image_height": 32, "image_width": 32, "epochs": 2}.items():
        if name in change:
            change[name] = min(change[name], most)
    if "image_height" in change:
        change["image_height"] = 8 * (change["image_height"] // 8)
    train(place, tmp_path_factory.mktemp("any"), change)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_rates_are_finite_and_never_negative_over_any_course(data):
    epochs = data.draw(st.integers(1, 50))
    one = RetrieverSettings(
        epochs=epochs,
        warmup_epochs=data.draw(st.integers(0, epochs - 1)),
        warmup_factor=data.draw(st.floats(0, 1)),
        rda_gamma_slope=data.draw(st.floats(0, 1)),
        rda_gamma_floor=data.draw(st.floats(0, 1)),
    )
    rates = [rate_factor(epoch, one) for epoch in range(1, epochs + 1)]
    assert all(0 <= rate <= 1 for rate in rates) and max(rates) == 1
    assert all(0 <= rda_weight(epoch, one) <= 1 for epoch in range(1, epochs + 1))


@pytest.mark.parametrize(
    "text",
    ["text_length: 3", "text_length: -5", "select_ratio: 7", "select_ratio: .nan", "img_size: [0, 0]", "img_size: [384]",
     "img_size: 384", "img_size: [a, b]", "text_length: 1e999", "stride_size: ''", "{", "\x00", "- 1"],
)  # fmt: skip
def test_odd_settings_beside_a_published_retriever_are_named(tmp_path, text):
    (tmp_path / "best.pth").touch()
    (tmp_path / "configs.yaml").write_text(text)
    with pytest.raises(InputError, match="configs.yaml"):
        published_settings(str(tmp_path / "best.pth"), RetrieverSettings())


@pytest.mark.parametrize("samples", [1, 2, 1000])
@pytest.mark.parametrize("values", [[1.0], [0.0, 1.0], [0.5] * 7], ids=["one query", "two", "all alike"])
def test_intervals_of_any_number_of_samples(samples, values):
    for identities in (np.arange(len(values)), np.zeros(len(values), dtype=int)):
        low, high = bootstrap_interval(np.array(values), identities, samples, 0)
        assert min(values) <= low <= high <= max(values)
        found = paired_test(np.array([values]) - values[::-1], identities, samples, 0)
        assert found.low[0] <= found.high[0] and 0 < found.p[0] <= 1 and math.isfinite(found.mean[0])


@pytest.mark.parametrize("count", [1, 2, 1_000_000])
@pytest.mark.parametrize("queries", [1, 2, 7])
def test_any_number_of_timed_queries(count, queries):
    found = time_of(lambda asked: {"vqa": 0.1 * len(asked)}, {}, queries, count, 2)
    assert found["timed_alone"] == found["timed_together"] == min(count, queries)
    assert found["p50"] == pytest.approx(0.1) == found["seconds_per_query"]


@pytest.mark.parametrize("shards", [1, 3, 100_000])
def test_any_number_of_shards_holds_every_caption_once(place, shards):
    rows = read_pairs(place / "pairs.parquet")
    used = range(shards) if shards < 10 else sorted({i % shards for i in rows.image_id})
    parts = [shard_of(rows, shard, shards) for shard in used]
    assert sorted(c for part in parts for c in part.caption_id) == sorted(rows.caption_id)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"images_per_identity": 1}, id="one image each"),
        pytest.param({"train_identities": 2, "val_identities": 0, "test_identities": 1}, id="the fewest"),
        pytest.param({"seed": 100_000_000}, id="the greatest seed"),
        pytest.param({"seed": 0, "domain": "fine"}, id="seed 0"),
        pytest.param({"domain": "winter", "train_identities": 5}, id="not a multiple of a family"),
    ],
)
def test_odd_benchmarks_are_drawn(tmp_path, change):
    spec = DatasetSettings(**{**SET, **change})
    assert loads_or_names({"datasets": {"d": to_mapping(spec) | ({} if spec.has_val else {"xi": 0.5})}})
    write_benchmark(spec, tmp_path / "set", tmp_path / "truth.parquet")
    assert (
        len(list((tmp_path / "set" / "imgs" / "train").iterdir())) == spec.train_identities * spec.images_per_identity
    )


def test_the_greatest_seed_draws(place, tmp_path):
    small = dict(checkpoint=str(place / "clip"), image_height=32, image_width=16, tse_dim=16, epochs=2, batch_size=16)
    pairs, root = read_pairs(place / "pairs.parquet"), place / "set" / "imgs"
    train_retriever(RetrieverSettings(**small, noise_rate=0.5), pairs, root, 100_000_000, tmp_path)
    assert (tmp_path / "model.safetensors").exists()


@pytest.fixture(scope="module")
def vl(tmp_path_factory):
    return save_vl_place(tmp_path_factory.mktemp("odd-lora"))


@pytest.mark.parametrize(
    "change",
    [
        {"lora_r": 1, "lora_alpha": 1, "batch_size": 1},
        {"lora_r": 64, "lora_alpha": 100_000, "batch_size": 1_000_000, "piece": 1},
        {"lr": 0, "warmup_ratio": 1},
        {"lr": 1, "warmup_ratio": 0, "piece": 1_000_000},
    ],
    ids=str,
)
def test_the_ends_of_loras_ranges_tune_or_name_their_key(vl, tmp_path, change):
    found = load_settings({**DATA, "sft": {"epochs": 1, "batch_size": 4, **change}}).sft
    answers = [("0.png", "Yes"), ("1.png", "No"), ("2.png", "Yes")]
    records = [{"caption": "a man", "image": image, "answer": answer} for image, answer in answers]
    random.seed(0), torch.manual_seed(0)
    try:
        finetune(typed(SFTSettings, to_mapping(found)), MLLMSettings(model=str(vl / "model")), records, vl, 1, tmp_path)
    except InputError as error:
        assert "sft.lr" in str(error)
    else:
        assert (tmp_path / "adapter_model.safetensors").exists()


def test_a_noise_study_of_one_epoch_and_a_course_without_ccd_have_their_tables_and_figures(place, tmp_path):
    small = dict(checkpoint=str(place / "clip"), image_height=32, image_width=16, tse_dim=16, batch_size=16)
    pairs, root, names = read_pairs(place / "pairs.parquet"), place / "set" / "imgs", {}
    for method, ccd in (("rde-noise50", True), ("rde-noise50-noccd", False)):
        out = tmp_path / "d" / method / "seed1"
        given = RetrieverSettings(**small, epochs=1, noise_rate=0.5, ccd=ccd, watch_test=True)
        train_retriever(given, pairs, root, 1, out)
        model, tokenizer = load_retriever(out)
        test = split_of(pairs, "test")
        found = embed(model, tokenizer, test, open_store(test, root, model))
        found.save(out / "test.npz")
        (out / "test.json").write_text(json.dumps(measure(found.scores, found.text_pids, found.image_pids)))
        names[method] = (0.5, "tal" if ccd else "noccd")
    histories, metrics = (sorted(tmp_path.rglob(name)) for name in ("history.csv", "test.json"))
    table, epochs = noise_tables(histories, metrics, [path.parent for path in metrics], names)
    assert np.allclose(table.last_rank1, table.rank1) and np.allclose(table.best_map, table["map"]), "of one epoch"
    assert table[["bge_rank1", "tse_map"]].notna().all(axis=None)
    assert "50" in noise_text(table, epochs)
    assert noise_study(epochs).axes
    for folder in names:
        assert ccd_mixture(pd.read_parquet(tmp_path / "d" / folder / "seed1" / "ccd.parquet")).axes
