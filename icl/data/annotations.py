"""Read the benchmarks' annotation files, in the layouts as distributed."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from icl.data.layouts import LAYOUTS, Layout
from icl.data.pairs import COLUMNS, NO_CAPTION, inner_path
from icl.errors import InputError

SPLITS = ("train", "val", "test")
MEND = "Mend that record."


@dataclass(frozen=True)
class Annotations:
    """Attributes:
    pairs: the pairs table. repeated: records of each split that name an image again; it counts as one.
    """

    pairs: pd.DataFrame
    repeated: dict[str, int]

    def oddities(self) -> list[str]:
        """What none of the public benchmarks holds, and is read in a way that its owner should know; a line a split."""
        bare, out = self.pairs[self.pairs.caption_id == NO_CAPTION].split.value_counts(), []
        for split in SPLITS:
            if count := bare.get(split, 0):
                out.append(f"{split}: {count} images without captions, which stand in the gallery alone")
            if count := self.repeated[split]:
                out.append(f"{split}: {count} records that name an image again, which counts once")
        return out


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


def read_annotations(layout: str, root: Path) -> pd.DataFrame:
    """The pairs table of `read_benchmark`."""
    return read_benchmark(layout, root).pairs


def read_benchmark(layout: str, root: Path) -> Annotations:
    """Read a benchmark.

    A record with `"captions": []` is an image of the gallery alone. Records that name the same file in one split with one
    identity are one image, with the captions of all. Symbolic links below the root are followed.

    Args:
        layout: a name of `LAYOUTS`. root: the benchmark's folder.

    Raises:
        InputError: a file, field or image missing or of a wrong kind, an unknown split, a caption that is no text, a path
            that leaves the folder, an image with two identities or in two splits; each by the number of its record.
    """
    path = annotation_file(layout, root)
    known = LAYOUTS[layout]
    folder = known.image_root(root)
    if not folder.is_dir():
        steps = known.access_steps(root)
        raise InputError(f"image folder {folder}", "no such folder", f"the images that {path.name} names", steps)
    records = known.read(path) if known.read else _load(path)
    for number, record in enumerate(records):
        _check(f"{path}, record {number}", record, known.path_field)
    _refuse_superseded(path, records, known)
    return _table(path, folder, records, known.path_field)


def _load(path: Path) -> list:
    remedy = "Restore the file."
    try:
        records = json.loads(
            path.read_text(encoding="utf-8-sig")
        )  # with the mark that some editors put first, or without
    except OSError as error:
        raise InputError(str(path), f"a file that cannot be read ({error})", "a list of records", remedy) from error
    except (ValueError, RecursionError) as error:
        raise InputError(str(path), f"no valid JSON ({error})", "a list of records", remedy) from error
    if not isinstance(records, list) or not records:
        found = "an empty list" if records == [] else type(records).__name__
        raise InputError(str(path), found, "a non-empty list of records", remedy)
    return records


def _check(where: str, record: Any, field: str) -> None:
    """One record by itself."""
    if not isinstance(record, dict):
        raise InputError(where, type(record).__name__, "an object", MEND)
    for name, kind in {"split": str, "id": int, field: str, "captions": list}.items():
        if name not in record:
            raise InputError(where, f"no field {name!r}", f"fields split, id, {field}, captions", _remedy(name))
        if not isinstance(record[name], kind) or isinstance(record[name], bool):
            raise InputError(where, f"{name!r} of type {type(record[name]).__name__}", kind.__name__, _remedy(name))
    if record["split"] not in SPLITS:
        raise InputError(where, f"split {record['split']!r}", " or ".join(SPLITS), MEND)
    if not 0 <= record["id"] < 2**63:
        raise InputError(where, f"id {record['id']}", "a number from 0 to 2^63 - 1", MEND)
    for number, caption in enumerate(record["captions"]):
        _check_caption(f"{where}, caption {number}", caption)


def _remedy(field: str) -> str:
    return 'Mend that record; `"captions": []` is an image without any.' if field == "captions" else MEND


def _check_caption(where: str, caption: object) -> None:
    if not isinstance(caption, str):
        raise InputError(
            where, f"{json.dumps(caption)[:60]}", "a text", f"{MEND} An image without captions has an empty list."
        )
    if all(unicodedata.category(letter)[0] in "ZC" for letter in caption):  # white space, control and format characters
        raise InputError(
            where, f"a blank text {caption[:20]!a}", "words", "Write the caption, or take it out of the list."
        )
    try:
        caption.encode()
    except UnicodeEncodeError as error:
        raise InputError(where, f"half a character at {error.start}", "Unicode text", MEND) from error


def _refuse_superseded(path: Path, records: list[dict], known: Layout) -> None:
    counts = tuple(len({record["id"] for record in records if record["split"] == split}) for split in SPLITS)
    if counts == known.superseded:
        found, official = ("/".join(map(str, c)) for c in (counts, known.identities))
        raise InputError(
            str(path), f"the superseded split {found}", f"{official} identities", "Take the owners' current file."
        )


def _table(path: Path, folder: Path, records: list[dict], field: str) -> Annotations:
    """All records in their order. An image has the number and the name of the first record that names its file."""
    first: dict[tuple, int] = {}
    names, image_ids, repeated = [], [], dict.fromkeys(SPLITS, 0)
    for number, record in enumerate(records):
        where = f"{path}, record {number}"
        names.append(inner_path(record[field], where))
        image_id = first.setdefault(_file_key(folder, names[number], where), number)
        image_ids.append(image_id)
        if image_id != number:
            _refuse_contradiction(where, record, image_id, records[image_id])
            repeated[record["split"]] += 1
    described = {image_id for image_id, record in zip(image_ids, records, strict=True) if record["captions"]}
    rows, caption_id = [], 0
    for number, (image_id, record) in enumerate(zip(image_ids, records, strict=True)):
        image = record["split"], record["id"], image_id, names[image_id]
        for caption in record["captions"]:
            rows.append((*image, caption_id, caption))
            caption_id += 1
        if image_id == number and image_id not in described:
            rows.append((*image, NO_CAPTION, None))
    return Annotations(pd.DataFrame(rows, columns=list(COLUMNS)).astype({"caption": "str"}), repeated)


def _file_key(folder: Path, name: str, where: str) -> tuple:
    """Equal for two names of one file, also where the file system takes upper and lower case for the same."""
    image = folder / name
    try:
        found = image.stat() if image.is_file() else None
    except OSError as error:  # a name too long, a folder that may not be entered
        raise InputError(f"{where}, image {name!r}", f"{error.strerror}", "a readable image", MEND) from error
    if found is None or found.st_size == 0:
        what = "no such file" if found is None else "an empty file"
        raise InputError(str(image), what, f"the image named by {where}", "Restore the image.")
    return unicodedata.normalize("NFC", name).casefold(), found.st_dev, found.st_ino


def _refuse_contradiction(where: str, record: dict, earlier: int, other: dict) -> None:
    for field in ("split", "id"):
        if record[field] != other[field]:
            found = f"an image of {field} {record[field]!r} that record {earlier} names with {field} {other[field]!r}"
            raise InputError(where, found, f"one {field} an image", "Take one of the two records out.")
