"""The pairs table: one row a caption, the form in which every benchmark enters the pipeline."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import pandas as pd

from icl.errors import InputError

COLUMNS = {"split": "str", "pid": "int64", "image_id": "int64", "image": "str", "caption_id": "int64", "caption": "str"}
NO_CAPTION = -1
"""`caption_id` of the row of an image without captions; its caption is null."""


def write_pairs(pairs: pd.DataFrame, path: Path) -> None:
    """Write a pairs table as parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pairs[list(COLUMNS)].to_parquet(path, index=False)


def read_pairs(path: Path) -> pd.DataFrame:
    """Read a pairs table.

    Returns:
        One row a caption: split, pid (raw identity), image_id (unique), image (path below the image root),
        caption_id (number of the caption in the whole table), caption. An image without captions has one row, with
        caption_id `NO_CAPTION` and no caption: it belongs to the gallery (`images_of`), not to the queries (`captions_of`).

    Raises:
        InputError: unreadable, a column is missing, or an image's path leaves the image root.
    """
    remedy = "Delete it and run again."
    try:
        pairs = pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise InputError(str(path), f"no readable parquet file ({error})", "a pairs table", remedy) from error
    missing = [name for name in COLUMNS if name not in pairs]
    if missing:
        raise InputError(str(path), f"no column {missing[0]!r}", ", ".join(COLUMNS), remedy)
    for name in pairs.image.unique():
        inner_path(name, str(path))
    return pairs


def inner_path(name: str, where: str) -> str:
    """A path that a file gives for an image, without `.` and `..`.

    Args:
        name: path below the image root, with forward slashes. where: the file and record that give it.

    Raises:
        InputError: it leads out of the image root, or is no path.
    """
    normal, out = posixpath.normpath(name), "a path that leaves the benchmark's folder"
    if name.startswith("/") or normal == ".." or normal.startswith("../") or re.match("[A-Za-z]:[/\\\\]", name):
        found = out
    elif "\\" in name:
        found = "backslashes"
    elif normal == "." or name.endswith("/"):
        found = "no file's name"
    elif "\0" in name or not _is_unicode(name):
        found = "characters that no path can have"
    else:
        return normal
    remedy = "Mend that record; images outside can be linked into the folder."
    raise InputError(f"{where}, image {name!a}", found, "a path below the image folder, with forward slashes", remedy)


def _is_unicode(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def split_of(pairs: pd.DataFrame, split: str) -> pd.DataFrame:
    """Rows of one split, in caption_id order; images without captions come first.

    Raises:
        InputError: the split has no captions.
    """
    rows = pairs[pairs.split == split].sort_values("caption_id", kind="stable").reset_index(drop=True)
    if captions_of(rows).empty:
        found = ", ".join(sorted(pairs.split.unique()))
        raise InputError(f"split {split!r}", "no captions", f"one of: {found}", "Choose a split that the set has.")
    return rows


def captions_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a caption, in their order: the queries of a split, or its training pairs."""
    return rows[rows.caption_id != NO_CAPTION].reset_index(drop=True)


def images_of(rows: pd.DataFrame) -> pd.DataFrame:
    """One row an image of a split (image_id, image, pid), in image_id order: the gallery."""
    return rows.drop_duplicates("image_id").sort_values("image_id")[["image_id", "image", "pid"]].reset_index(drop=True)
