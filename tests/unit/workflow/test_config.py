"""Configuration: what is refused, with which words, and the schema in step with the typed settings."""

import dataclasses

import pytest
import yaml
from running import HOUSE

from icl.errors import InputError
from icl.fields import to_mapping, typed, yaml_key
from icl.retriever.settings import RetrieverSettings
from icl.workflow.config import load_settings, settings_schema
from icl.workflow.settings import Settings

CONFIG = HOUSE / "config"
DATA = {"datasets": {"d": {"generator": "synth", "train_identities": 4, "val_identities": 2, "test_identities": 2}}}


@pytest.mark.parametrize("name", ["config", "smoke", "paper"])
def test_shipped_configurations_load_and_fit_the_schema(name):
    from jsonschema import validate

    mapping = yaml.safe_load((CONFIG / f"{name}.yaml").read_text())
    validate(mapping, settings_schema())
    assert load_settings(to_mapping(load_settings(mapping))) == load_settings(mapping)


def test_committed_schema_is_the_generated_one():
    assert yaml.safe_load((CONFIG / "schema.yaml").read_text()) == settings_schema()


def test_schema_names_every_setting_with_a_description():
    def check(cls, schema):
        assert set(schema["properties"]) == {yaml_key(f) for f in dataclasses.fields(cls)}
        for field in dataclasses.fields(cls):
            part = schema["properties"][yaml_key(field)]
            assert part["description"]
            if field.default_factory is not dataclasses.MISSING and field.name not in ("datasets", "retrievers"):
                check(field.default_factory, part)

    check(Settings, settings_schema())


@pytest.mark.parametrize(
    "change, words",
    [
        ({"retreiver": {}}, ["retreiver", "Did you mean 'retriever'?"]),
        ({"retriever": {"epoch": 2}}, ["retriever.epoch", "Did you mean 'epochs'?"]),
        ({"thi": {"lambda_": 0.5}}, ["thi.lambda_", "Did you mean 'lambda'?"]),
        ({"thi": {"lambda": 1.5}}, ["thi.lambda", "between 0 and 1"]),
        ({"retriever": {"loss": "tall"}}, ["retriever.loss", "Did you mean 'tal'?"]),
        ({"retriever": {"epochs": 2.5}}, ["retriever.epochs", "a whole number"]),
        ({"retriever": {"epochs": True}}, ["retriever.epochs", "a whole number"]),
        ({"retriever": {"lr": "fast"}}, ["retriever.lr", "a number"]),
        ({"retriever": [1]}, ["retriever", "a mapping"]),
        ({"seeds": 1}, ["seeds", "a list"]),
        ({"seeds": ["one"]}, ["seeds[0]", "a whole number"]),
        ({"seeds": [1, 1]}, ["seeds", "without repeats"]),
        ({"methods": ["ICL+TUI"]}, ["methods[0]", "Did you mean 'ICL+THI'?"]),
        ({"datasets": {}}, ["datasets", "no benchmark"]),
        ({"datasets": {"a b": {}}}, ["datasets.a b", "used in paths"]),
        ({"datasets": {"d": {}}}, ["datasets.d", "neither root nor generator"]),
        ({"datasets": {"d": {"root": "x", "layout": "icfg-pedes"}}}, ["datasets.d.xi", "no val split"]),
    ],
)
def test_a_mistake_is_named_with_its_remedy(change, words):
    with pytest.raises(InputError) as caught:
        load_settings({**DATA, **change})
    for word in words:
        assert word in str(caught.value)


def test_numbers_that_yaml_reads_as_text_are_numbers():
    assert load_settings({**DATA, **yaml.safe_load("retriever: {lr: 1e-4}")}).retriever.lr == 1e-4
    assert load_settings({**DATA, "seeds": ["1", "2"]}).seeds == (1, 2)  # as `--config seeds=[1,2]` comes


def test_a_part_of_the_settings_survives_the_way_through_a_rule():
    part = to_mapping(RetrieverSettings(epochs=3))
    assert typed(RetrieverSettings, part) == RetrieverSettings(epochs=3)


def test_the_conda_environment_is_the_lock():
    lock = (CONFIG.parent / "requirements.lock").read_text().splitlines()
    pins = [line for line in lock if line and not line.startswith("#")]
    environment = yaml.safe_load((CONFIG / "environment.yaml").read_text())
    assert environment["dependencies"][-1]["pip"] == pins
