"""Small files: JSON, JSON lines, digests and checksums."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from icl.errors import InputError

CHECKSUMS = "SHA256SUMS"


def write_json(path: str | Path, value) -> None:
    """Write JSON so that the file is whole or absent."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=2) + "\n")
    part.replace(path)


def write_records(records: Iterable[dict], path: Path) -> None:
    """Write JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def read_records(path: Path) -> list[dict]:
    """Read JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@lru_cache(maxsize=200_000)
def file_digest(path: Path) -> str:
    """sha256 of a file's content; read once a process."""
    return _digest(path)


def write_checksums(folder: Path, pattern: str = "*.safetensors") -> None:
    """sha256 of a folder's files that match a pattern (`**/*`: all of them), in sha256sum's format."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.glob(pattern) if path.is_file())
    lines = [f"{_digest(folder / name)}  {name}\n" for name in names if name != CHECKSUMS]
    (folder / CHECKSUMS).write_text("".join(lines))


def verify_checksums(folder: Path) -> None:
    """Compare a model folder's files with its checksums.

    Raises:
        InputError: a file differs or is missing; names it.
    """
    for line in (folder / CHECKSUMS).read_text().splitlines():
        digest, name = line.split(maxsplit=1)
        path = folder / name
        found = _digest(path) if path.is_file() else "no such file"
        if found != digest:
            raise InputError(
                str(path), f"sha256 {found[:12]}...", f"{digest[:12]}...", "Restore it: git checkout models."
            )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
