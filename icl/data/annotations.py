"""Read the benchmarks' annotation files, in the layouts as distributed."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from icl.data.layouts import LAYOUTS, Layout
from icl.errors import InputError

SPLITS = ("train", "val", "test")


def annotation_file(layout: str, root: Path) -> Path:
    """The annotation file below `root`.

    Raises:
        InputError: none is there; says which name is expected.
    """
    known = LAYOUTS[layout]
    for name in known.files:
        if (Path(root) / name).is_file():
            return Path(root) / name
    steps = known.access_steps(root)
    if (Path(root) / "caption_all.json").is_file():
        raise InputError(str(root), "only caption_all.json, which has no split", known.files[0], steps)
    found = "no annotation file" if Path(root).is_dir() else "no such folder"
    raise InputError(f"benchmark folder {root}", found, known.files[0], steps)


def _load(path: Path) -> list[dict]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(str(path), f"no valid JSON ({error})", "a list of records", "Restore the file.") from error
    if not isinstance(rows, list) or not rows:
        raise InputError(str(path), type(rows).__name__, "a non-empty list of records", "Restore the file.")
    return rows


def _check(path: Path, number: int, row: dict, fields: dict[str, type]) -> None:
    for name, kind in fields.items():
        if name not in row:
            raise InputError(
                f"{path}, record {number}", f"no field {name!r}", f"fields {', '.join(fields)}", "Mend that record."
            )
        if not isinstance(row[name], kind):
            found = f"{name!r} of type {type(row[name]).__name__}"
            raise InputError(f"{path}, record {number}", found, kind.__name__, "Mend that record.")


def read_annotations(layout: str, root: Path) -> pd.DataFrame:
    """Read a benchmark into the pairs table.

    Args:
        layout: a name of `LAYOUTS`. root: the benchmark's folder.

    Raises:
        InputError: file, field or image missing, unknown split, an empty image file; each by name.
    """
    path = annotation_file(layout, root)
    known = LAYOUTS[layout]
    field, folder = known.path_field, known.image_root(root)
    if not folder.is_dir():
        steps = known.access_steps(root)
        raise InputError(f"image folder {folder}", "no such folder", f"the images that {path.name} names", steps)
    out, caption_id = [], 0
    for number, row in enumerate(_load(path)):
        _check(path, number, row, {"split": str, "id": int, field: str, "captions": list})
        if row["split"] not in SPLITS:
            raise InputError(f"{path}, record {number}", f"split {row['split']!r}", " or ".join(SPLITS), "Mend it.")
        image = folder / row[field]
        if not image.is_file() or image.stat().st_size == 0:
            found = "an empty file" if image.is_file() else "no such file"
            raise InputError(str(image), found, f"the image named by {path}, record {number}", "Restore the image.")
        for caption in row["captions"]:
            out.append((row["split"], row["id"], number, row[field], caption_id, caption))
            caption_id += 1
    pairs = pd.DataFrame(out, columns=["split", "pid", "image_id", "image", "caption_id", "caption"])
    _refuse_superseded(path, pairs, known)
    return pairs


def _refuse_superseded(path: Path, pairs: pd.DataFrame, known: Layout) -> None:
    counts = tuple(int(pairs[pairs.split == s].pid.nunique()) for s in SPLITS)
    if counts == known.superseded:
        found, official = ("/".join(map(str, c)) for c in (counts, known.identities))
        raise InputError(
            str(path), f"the superseded split {found}", f"{official} identities", "Take the owners' current file."
        )
