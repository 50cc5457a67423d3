"""The only reader of configuration: mapping -> typed settings -> mapping, and the schema of both.

`python -m icl.config` prints the schema that is committed as `config/schema.yaml`.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing

from icl.errors import InputError
from icl.settings import Settings

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_WHOLE = re.compile(r"[-+]?\d+")
_DATASET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_NAMES = {str: "text", bool: "true or false", int: "a whole number", float: "a number", type(None): "null"}
#: Wildcards of the retrievers that are trained here: without and with RDA.
TRAINED = ("rde", "rda")
#: Layouts whose release has no validation split (shared facts of the four benchmarks).
LAYOUTS_WITHOUT_VAL = ("icfg-pedes", "ufine6926")


def yaml_key(field: dataclasses.Field) -> str:
    """The key of a field in YAML; differs from its name where that is a Python keyword (`lambda`)."""
    return field.metadata.get("key", field.name)


def load_settings(mapping: dict) -> Settings:
    """Build the typed settings.

    Raises:
        InputError: unknown key (with the nearest known one), wrong type, value out of range, impossible
            combination; the message names the full path of the key.
    """
    settings = _build(Settings, mapping, "")
    _check_datasets(settings)
    _check_retrievers(settings)
    _check_mllm(settings)
    return settings


def to_mapping(settings) -> dict:
    """The inverse of `load_settings`, for any settings dataclass; tuples become lists."""
    return {yaml_key(f): _plain(getattr(settings, f.name)) for f in dataclasses.fields(settings)}


def typed(cls: type, mapping: dict):
    """One settings dataclass from its own part of the mapping (what a rule's params hold)."""
    return _build(cls, mapping, "")


def settings_schema() -> dict:
    """JSON schema of the configuration."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_object_schema(Settings)}


def _plain(value):
    if dataclasses.is_dataclass(value):
        return to_mapping(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _build(cls: type, mapping, where: str):
    if not isinstance(mapping, dict):
        raise InputError(f"config key {where or '(top level)'}", repr(mapping), "a mapping of keys", "Indent its keys.")
    fields = {yaml_key(f): f for f in dataclasses.fields(cls)}
    for key in mapping:
        if key not in fields:
            raise _unknown_key(key, where, fields)
    hints = typing.get_type_hints(cls)
    values = {}
    for key, field in fields.items():
        if key in mapping:
            path = f"{where}.{key}" if where else key
            values[field.name] = _value(mapping[key], hints[field.name], field.metadata, path)
    return cls(**values)


def _unknown_key(key, where: str, fields: dict) -> InputError:
    near = difflib.get_close_matches(str(key), fields, n=1, cutoff=0.5)
    known = ", ".join(sorted(fields))
    path = f"{where}.{key}" if where else str(key)
    remedy = f"Did you mean '{near[0]}'?" if near else "Remove it."
    return InputError(f"config key {path}", "an unknown key", f"one of: {known}", remedy)


def _value(value, hint, limits, path: str):
    """One value checked against its type and limits; lists become tuples."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        if value is None and type(None) in args:
            return None
        return _value(value, next(a for a in args if a is not type(None)), limits, path)
    if origin is dict:
        return _build_named(value, args[1], path)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise _wrong(path, value, f"a list, each item {_NAMES[args[0]]}")
        return tuple(_value(item, args[0], limits, f"{path}[{n}]") for n, item in enumerate(value))
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, path)
    return _within(_scalar(value, hint, path), limits, path)


def _build_named(value, cls: type, path: str) -> dict:
    if not isinstance(value, dict):
        raise _wrong(path, value, "a mapping of names")
    for name in value:
        if not _DATASET_NAME.fullmatch(str(name)):
            raise _wrong(f"{path}.{name}", name, "a name of letters, digits, - and _ (used in paths)")
    return {str(name): _build(cls, item, f"{path}.{name}") for name, item in value.items()}


def _scalar(value, hint: type, path: str):
    if hint is int and isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)  # Snakemake's --config gives the items of a list as text
    if hint is float:
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            return float(value)  # YAML 1.1 reads 1e-4 as text
        if isinstance(value, int) and not isinstance(value, bool):
            return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise _wrong(path, value, _NAMES[hint])
    return value


def _within(value, limits, path: str):
    choices = limits.get("choices")
    if choices and value not in choices:
        near = difflib.get_close_matches(str(value), choices, n=1)
        remedy = f"Did you mean '{near[0]}'?" if near else f"Choose a value for {path}."
        raise InputError(f"config key {path}", repr(value), "one of: " + ", ".join(map(repr, choices)), remedy)
    low, high = limits.get("low"), limits.get("high")
    if (low is not None and value < low) or (high is not None and value > high):
        span = f"at least {low}" if high is None else f"between {low} and {high}"
        raise _wrong(path, value, span)
    return value


def _wrong(path: str, value, expected: str) -> InputError:
    return InputError(f"config key {path}", repr(value), expected, "Correct the value in the config file.")


def _check_datasets(settings: Settings) -> None:
    if not settings.datasets:
        raise InputError("config key datasets", "no benchmark", "at least one", "Add one under `datasets:`.")
    for key in ("methods", "seeds"):
        values = getattr(settings, key)
        if not values or len(set(values)) < len(values):
            raise _wrong(key, list(values), "a non-empty list without repeats")
    if settings.retriever.selection == "best-test" and not settings.retriever.watch_test:
        raise _wrong("retriever.watch_test", False, "true, since retriever.selection is best-test")
    for name, dataset in settings.datasets.items():
        path = f"config key datasets.{name}"
        if bool(dataset.root) == bool(dataset.generator):
            found = "both root and generator" if dataset.root else "neither root nor generator"
            raise InputError(path, found, "exactly one of them", "Set root to the benchmark's folder.")
        if dataset.download and dataset.layout != "rstpreid" and not dataset.download_url:
            raise _wrong(f"datasets.{name}.download", True, "false: its owners hand the files out on request only")
        if dataset.generator and not (dataset.train_identities and dataset.test_identities):
            raise InputError(path, "no identities", "train_identities and test_identities", "Set both.")
        interacts = settings.retrievers or any("THI" in method for method in settings.methods)
        if interacts and dataset.xi is None and not has_val(dataset):
            raise InputError(f"{path}.xi", "null", "a number, since there is no val split to choose it on", "Set it.")


def _check_retrievers(settings: Settings) -> None:
    for name, given in settings.retrievers.items():
        path = f"retrievers.{name}"
        if name in TRAINED or name in settings.methods:
            raise _wrong(path, name, f"a name of its own ({', '.join(TRAINED)} and the methods are taken)")
        if not given.source:
            raise _wrong(f"{path}.source", "", "a checkpoint, or a folder of scores")


def _check_mllm(settings: Settings) -> None:
    if settings.mllm.backend == "openai" and not settings.mllm.url:
        raise _wrong("mllm.url", "", "the server's address, such as http://localhost:8000/v1")


def has_val(dataset) -> bool:
    """Whether a benchmark has a validation split."""
    return bool(dataset.val_identities) if dataset.generator else dataset.layout not in LAYOUTS_WITHOUT_VAL


def _object_schema(cls: type) -> dict:
    hints = typing.get_type_hints(cls)
    properties = {yaml_key(f): _schema(f, hints[f.name]) for f in dataclasses.fields(cls)}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _schema(field: dataclasses.Field, hint) -> dict:
    schema = _type_schema(hint, field.metadata)
    schema["description"] = field.metadata["help"]
    if field.default is not dataclasses.MISSING:
        schema["default"] = _plain(field.default)
    return schema


def _type_schema(hint, limits) -> dict:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return {"anyOf": [_type_schema(a, limits if a is not type(None) else {}) for a in args]}
    if origin is tuple:
        return {"type": "array", "items": _type_schema(args[0], limits)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _object_schema(args[1])}
    if dataclasses.is_dataclass(hint):
        return _object_schema(hint)
    schema = {"type": {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}[hint]}
    pairs = (("choices", "enum"), ("low", "minimum"), ("high", "maximum"))
    schema |= {key: _plain(limits[name]) for name, key in pairs if name in limits}
    return schema


if __name__ == "__main__":
    import sys

    import yaml

    sys.stdout.write("# Generated by `python -m icl.config` from icl/settings.py; do not edit.\n")
    sys.stdout.write(yaml.safe_dump(settings_schema(), sort_keys=False, width=110))
