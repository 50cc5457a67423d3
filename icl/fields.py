"""Settings as typed dataclasses: declaring a key, checking a mapping against them, and their JSON schema."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from icl.errors import InputError

T = TypeVar("T")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_WHOLE = re.compile(r"[-+]?\d{1,18}")
SEED_LIMIT = 100_000_000
"""Greatest seed: what is derived from one must stay below 2^32, as scikit-learn and NumPy ask."""
_DATASET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_TRUTH = {"true": True, "false": False}
_NULL = ("null", "Null", "NULL", "None", "~")
_NAMES = {str: "text", bool: "true or false", int: "a whole number", float: "a number", type(None): "null"}


def yaml_key(field: dataclasses.Field) -> str:
    """The key of a field in YAML; differs from its name where that is a Python keyword (`lambda`)."""
    return field.metadata.get("key", field.name)


def to_mapping(settings: Any) -> dict:
    """The inverse of `load_settings`, for any settings dataclass; tuples become lists."""
    return {yaml_key(f): _plain(getattr(settings, f.name)) for f in dataclasses.fields(settings)}


def typed(cls: type[T], mapping: dict) -> T:
    """One settings dataclass from its own part of the mapping (what a rule's params hold)."""
    return build(cls, mapping, "")


def decisive(settings: Any, only: tuple[str, ...] | None = None) -> dict:
    """The keys of a settings dataclass that can change a result (see `setting`), as a mapping.

    Args:
        only: of these keys; None: of all.
    """
    fields = [f for f in dataclasses.fields(settings) if not f.metadata.get("operational")]
    chosen = {yaml_key(f): f for f in fields if only is None or yaml_key(f) in only}
    return {key: _plain(getattr(settings, f.name)) for key, f in chosen.items()}


def with_operational(part: dict, settings: T) -> T:
    """The settings that a rule's params hold, completed by the operational ones of the whole configuration.

    Args:
        part: mapping of the params. settings: the dataclass of the configuration, of the same type as the result.
    """
    own: Any = settings
    fields = [f for f in dataclasses.fields(own) if f.metadata.get("operational")]
    return dataclasses.replace(typed(type(own), part), **{f.name: getattr(own, f.name) for f in fields})


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_mapping(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def build(cls: type[T], mapping: Any, where: str) -> T:
    if not isinstance(mapping, dict):
        raise InputError(f"config key {where or '(top level)'}", repr(mapping), "a mapping of keys", "Indent its keys.")
    fields = {yaml_key(f): f for f in dataclasses.fields(cast(Any, cls))}
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


def _unknown_key(key: object, where: str, fields: dict) -> InputError:
    near = difflib.get_close_matches(str(key), fields, n=1, cutoff=0.5)
    known = ", ".join(sorted(fields))
    path = f"{where}.{key}" if where else str(key)
    remedy = f"Did you mean '{near[0]}'?" if near else "Remove it."
    return InputError(f"config key {path}", "an unknown key", f"one of: {known}", remedy)


def _value(value: Any, hint: Any, limits: Mapping, path: str) -> Any:
    """One value checked against its type and limits; lists become tuples."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        if type(None) in args and (value is None or value in _NULL):
            return None
        return _value(value, next(a for a in args if a is not type(None)), limits, path)
    if origin is dict:
        return _build_named(value, args[1], path)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise wrong_value(path, value, f"a list, each item {_NAMES[args[0]]}")
        return tuple(_value(item, args[0], limits, f"{path}[{n}]") for n, item in enumerate(value))
    if dataclasses.is_dataclass(hint):
        return build(cast(type, hint), value, path)
    return _within(_scalar(value, hint, path), limits, path)


def _build_named(value: Any, cls: type, path: str) -> dict:
    if not isinstance(value, dict):
        raise wrong_value(path, value, "a mapping of names")
    for name in value:
        if not _DATASET_NAME.fullmatch(str(name)):
            raise wrong_value(f"{path}.{name}", name, "a name of letters, digits, - and _ (used in paths)")
    return {str(name): build(cls, item, f"{path}.{name}") for name, item in value.items()}


def _scalar(value: Any, hint: type, path: str) -> Any:
    if hint is bool and isinstance(value, str) and value.lower() in _TRUTH:
        return _TRUTH[value.lower()]  # Snakemake's --config gives nested values as text
    if hint is int and isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if hint is float and not isinstance(value, bool):
        if isinstance(value, int) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
            value = _as_float(value)  # YAML 1.1 reads 1e-4 as text
        if isinstance(value, float) and not math.isfinite(value):
            raise wrong_value(path, value, "a finite number")
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise wrong_value(path, value, _NAMES[hint])
    return value


def _as_float(value: int | str) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _within(value: Any, limits: Mapping, path: str) -> Any:
    choices = limits.get("choices")
    if choices and value not in choices:
        near = difflib.get_close_matches(str(value), choices, n=1)
        remedy = f"Did you mean '{near[0]}'?" if near else f"Choose a value for {path}."
        raise InputError(f"config key {path}", repr(value), "one of: " + ", ".join(map(repr, choices)), remedy)
    low, high = limits.get("low"), limits.get("high")
    if (low is not None and value < low) or (high is not None and value > high):
        span = f"at least {low}" if high is None else f"between {low} and {high}"
        raise wrong_value(path, value, span)
    return value


def wrong_value(path: str, value: object, expected: str) -> InputError:
    return InputError(
        f"config key {path}", repr(value), expected, "Correct it, in the configuration file or in --config."
    )


def object_schema(cls: type) -> dict:
    hints = typing.get_type_hints(cls)
    properties = {yaml_key(f): _schema(f, hints[f.name]) for f in dataclasses.fields(cls)}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _schema(field: dataclasses.Field, hint: Any) -> dict:
    schema = _type_schema(hint, field.metadata)
    schema["description"] = field.metadata["help"]
    if field.default is not dataclasses.MISSING:
        schema["default"] = _plain(field.default)
    return schema


def _type_schema(hint: Any, limits: Mapping) -> dict:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return {"anyOf": [_type_schema(a, limits if a is not type(None) else {}) for a in args]}
    if origin is tuple:
        return {"type": "array", "items": _type_schema(args[0], limits)}
    if origin is dict:
        return {"type": "object", "additionalProperties": object_schema(args[1])}
    if dataclasses.is_dataclass(hint):
        return object_schema(cast(type, hint))
    schema = {"type": {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}[hint]}
    pairs = (("low", "minimum"), ("high", "maximum"), ("own", "examples") if "own" in limits else ("choices", "enum"))
    schema |= {key: _plain(limits[name]) for name, key in pairs if name in limits}
    return schema


def setting(default: Any, help: str, operational: bool = False, **extra: Any) -> Any:
    """A dataclass field with a description (shown in the generated schema and in the docs).

    Args:
        operational: it says how the work is done (a server's address, time-outs, batch sizes) and cannot change a result: a
            changed value reruns nothing.
        extra: `low`, `high`, `choices`, and `key` where the name in YAML is another one. `own`: the project's own choices,
            where plug-ins add to them, so that the schema does not depend on what is installed.
    """
    meta = {"help": help, "operational": operational, **extra}
    if isinstance(default, (list, dict)):
        raise TypeError("mutable defaults are not allowed; use a tuple")
    return dataclasses.field(default=default, metadata=meta)
