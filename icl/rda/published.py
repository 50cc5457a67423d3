"""A published augmentation file in place of our own generation: annotation rows with `diversity_captions`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from icl.data.pairs import captions_of
from icl.errors import InputError

REMEDY = "Check rda.source: the file of this benchmark, whole, as it was published."


def import_published(path: Path, pairs: pd.DataFrame, out: Path) -> None:
    """Take a published augmentation file.

    A caption whose list is empty stands for itself.

    Raises:
        InputError: the file's train captions are not those of the pairs table, or a record has another form.
    """
    texts = []
    for number, row in enumerate(_records(path)):
        if row.get("split") == "train":
            texts += _texts(f"{path}, record {number}", row)
    rows = captions_of(pairs[pairs.split == "train"].sort_values("caption_id"))
    if [caption for caption, _ in texts] != rows.caption.tolist():
        found = f"{len(texts)} train captions that are not the benchmark's {len(rows)}"
        raise InputError(str(path), found, "the same captions in the same order", REMEDY)
    table = [{"caption_id": int(c), "diversity_captions": d} for c, (_, d) in zip(rows.caption_id, texts, strict=True)]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(table, indent=1))


def _records(path: Path) -> list[dict]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(str(path), f"no JSON ({error})", "a list of annotation records", REMEDY) from error
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise InputError(str(path), "something else", "a list of annotation records", REMEDY)
    return found


def _texts(where: str, row: dict) -> list[tuple[str, list[list[str]] | str]]:
    """(caption, its sub-sentences' variants or plain text) of a record."""
    captions, diversity = row.get("captions"), row.get("diversity_captions")
    if not isinstance(captions, list) or not isinstance(diversity, list) or len(captions) != len(diversity):
        raise InputError(
            where, "no diversity_captions for each of its captions", "as many of one as of the other", REMEDY
        )
    return [
        (caption, _variants(where, caption, variants)) for caption, variants in zip(captions, diversity, strict=True)
    ]


def _variants(where: str, caption: str, variants: Any) -> list[list[str]] | str:
    if isinstance(variants, str):
        return variants if variants.strip() else caption
    lists: list[Any] = variants if isinstance(variants, list) else [None]
    if not all(isinstance(one, list) and all(isinstance(text, str) for text in one) for one in lists):
        expected = "a text, or lists of texts"
        raise InputError(where, f"diversity_captions {str(variants)[:60]!r}", expected, REMEDY)
    kept = [[text for text in one if text.strip()] for one in lists]
    return [one for one in kept if one] or caption
