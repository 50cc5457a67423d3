"""The settings of a published retriever: `configs.yaml` beside its `best.pth`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import yaml

from icl.errors import InputError
from icl.fields import to_mapping, typed
from icl.retriever.settings import RetrieverSettings

NAME = "configs.yaml"
STRIDE = 16
"""Patches do not overlap: stride and patch size of ViT-B/16."""


class _Loader(yaml.SafeLoader):
    """Plain values only; the published files write image sizes as Python tuples."""


_Loader.add_constructor(
    "tag:yaml.org,2002:python/tuple",
    lambda loader, node: loader.construct_sequence(cast(yaml.SequenceNode, node)),
)


def published_settings(source: str, settings: RetrieverSettings) -> RetrieverSettings:
    """Settings with the image size, text length and selection ratio that a checkpoint was trained with.

    Args:
        source: checkpoint; where it is no file, or has no `configs.yaml` beside it, the settings stay as they are.

    Raises:
        InputError: the file is no YAML of plain values, or asks for what this retriever cannot do; names the field.
    """
    path = Path(source).parent / NAME
    if not (Path(source).is_file() and path.is_file()):
        return settings
    try:
        found = yaml.load(path.read_text(), _Loader) or {}
        changes: dict[str, Any] = {
            key: kind(found[key]) for key, kind in (("text_length", int), ("select_ratio", float)) if key in found
        }
        if "img_size" in found:
            changes["image_height"], changes["image_width"] = (int(side) for side in found["img_size"])
        stride = int(found.get("stride_size", STRIDE))
    except (yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        expected = "img_size (height, width), text_length, select_ratio, stride_size"
        raise InputError(
            str(path), f"unreadable settings ({error})", expected, "Correct the file, or move it away."
        ) from error
    if stride != STRIDE:
        raise InputError(
            f"{path}, stride_size", str(stride), str(STRIDE), "Take a checkpoint whose patches do not overlap."
        )
    try:
        return typed(RetrieverSettings, to_mapping(replace(settings, **changes)))
    except InputError as error:
        raise InputError(f"{path}, {error.where}", error.found, error.expected, "Correct the file.") from error
