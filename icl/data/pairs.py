"""The pairs table: one row a caption, the form in which every benchmark enters the pipeline."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from icl.errors import InputError

COLUMNS = {"split": "str", "pid": "int64", "image_id": "int64", "image": "str", "caption_id": "int64", "caption": "str"}


def write_pairs(pairs: pd.DataFrame, path: Path) -> None:
    """Write a pairs table as parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pairs[list(COLUMNS)].to_parquet(path, index=False)


def read_pairs(path: Path) -> pd.DataFrame:
    """Read a pairs table.

    Returns:
        One row a caption: split, pid (raw identity), image_id (unique), image (path below the image root),
        caption_id (row number in the whole table), caption.

    Raises:
        InputError: a column is missing.
    """
    pairs = pd.read_parquet(path)
    missing = [name for name in COLUMNS if name not in pairs]
    if missing:
        raise InputError(str(path), f"no column {missing[0]!r}", ", ".join(COLUMNS), "Delete it and run again.")
    return pairs


def split_of(pairs: pd.DataFrame, split: str) -> pd.DataFrame:
    """Rows of one split, in caption_id order.

    Raises:
        InputError: the split is empty.
    """
    rows = pairs[pairs.split == split].sort_values("caption_id").reset_index(drop=True)
    if rows.empty:
        found = ", ".join(sorted(pairs.split.unique()))
        raise InputError(f"split {split!r}", "no captions", f"one of: {found}", "Choose a split that the set has.")
    return rows


def images_of(rows: pd.DataFrame) -> pd.DataFrame:
    """One row an image of a split (image_id, image, pid), in image_id order: the gallery."""
    return rows.drop_duplicates("image_id").sort_values("image_id")[["image_id", "image", "pid"]].reset_index(drop=True)
