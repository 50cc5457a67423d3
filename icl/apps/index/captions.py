"""The MLLM's captions of a gallery's pictures, kept by what was asked of whom about which content."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from icl.apps.index.place import Manifest, Place
from icl.apps.index.shelf import write_whole
from icl.apps.shipped import Judge
from icl.mllm.places import DAMAGED
from icl.mllm.prompts import load_prompt
from icl.mllm.protocol import is_tolerant
from icl.progress import task
from icl.rerank.describing import describe

PORTION = 64
"""Pictures that are described and written together."""
TASKS = ("vqa", "aggregate")


def describer(judge: Judge) -> str:
    """What a caption depends on beside the picture: model, prompts, and settings of the MLLM."""
    mllm = judge.mllm
    parts = [[judge.backend.identity(name), load_prompt(name).sha256] for name in TASKS]
    asked = [load_prompt("system").sha256, mllm.reading, mllm.max_new_tokens_vqa, mllm.max_new_tokens_text]
    return hashlib.sha256(json.dumps([parts, asked], sort_keys=True).encode()).hexdigest()


def read_captions(path: Path, by: str) -> dict[str, dict]:
    """Lines of a file by one describer, by the picture's sha256; a line that a killed run left unfinished is passed over."""
    return {row["sha256"]: row for row in _rows(path) if row["by"] == by}


def prune(path: Path, kept: Iterable[str]) -> None:
    """Drop the captions of pictures that have gone, whoever wrote them.

    Args:
        kept: sha256 of those that are there.
    """
    rows, kept = list(_rows(path)), set(kept)
    if any(row["sha256"] not in kept for row in rows):
        _write(path, (row for row in rows if row["sha256"] in kept))


def _rows(path: Path) -> Iterator[dict]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            with suppress(*DAMAGED):
                row = json.loads(line)
                yield {**row, **{name: str(row[name]) for name in ("sha256", "by", "caption")}}


def _write(path: Path, rows: Iterable[dict]) -> None:
    write_whole(path, "".join(f"{json.dumps(row)}\n" for row in rows))


def describe_all(place: Place, manifest: Manifest, gallery: Path, judge: Judge) -> str:
    """Bring the captions of an index up to date: what is there stays, what is new is asked, what has gone is dropped.

    Captions of other galleries are taken over. An answer that fell back (`mllm.on_failure`) is asked for again the next time.

    Returns:
        The describer.
    """
    by, path = describer(judge), place.captions
    pictures: dict[str, Path] = {}
    for name, digest in manifest.contents():
        pictures.setdefault(digest, gallery / name)
    others = place.folder.parents[1].glob(f"*/{place.folder.name}/{path.name}")
    own = read_captions(path, by)
    whole = {digest: row for digest, row in own.items() if not row.get("fallback")}
    for other in others if pictures.keys() - whole.keys() else ():
        whole = {d: row for d, row in read_captions(other, by).items() if not row.get("fallback")} | whole
    missing = [digest for digest in pictures if digest not in whole]
    if own.keys() != pictures.keys() or len(whole) < len(own) or _is_torn(path):
        _write(path, (whole[d] for d in pictures if d in whole))
    if missing:
        judge.backend.forget_images()  # by their paths, whose pictures may have changed
    with task(len(missing), "describing images") as work:
        for start in range(0, len(missing), PORTION):
            part = missing[start : start + PORTION]
            found, fallbacks = describe([pictures[digest] for digest in part], judge.backend, judge.mllm)
            mark = {"fallback": True} if is_tolerant(judge.backend) and any(fallbacks.values()) else {}
            _append(path, [{"sha256": d, "by": by, **row, **mark} for d, row in zip(part, found, strict=True)])
            work.advance(len(part))
    return by


def _is_torn(path: Path) -> bool:
    if not path.exists() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def _append(path: Path, rows: list[dict]) -> None:
    with path.open("ab") as file:
        file.write("".join(f"{json.dumps(row)}\n" for row in rows).encode())
        file.flush()
        os.fsync(file.fileno())
