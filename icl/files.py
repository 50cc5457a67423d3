"""Small files: JSON, JSON lines, digests, checksums, arrays, training states."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from icl.errors import InputError
from icl.progress import announce

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


def reason(error: Exception) -> str:
    """An error of a library in one line."""
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def read_arrays(path: Path, expected: str, remedy: str):
    """What a NumPy file holds: one array (memory-mapped, read-only), or several by name; its content decides, not its name.

    Args:
        expected, remedy: for the message.

    Raises:
        InputError: missing, empty, truncated, of another form, or holding Python objects; nothing in it is executed.
    """
    import numpy as np

    try:
        with open(path, "rb") as file:
            zipped = file.read(2) == b"PK"
        if not zipped:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any(name.split("/")[-1] == "data.pkl" for name in names):
            raise InputError(str(path), "a file of torch.save", expected, f"Write it with numpy.save. {remedy}")
        if not names or not all(name.endswith(".npy") for name in names):
            raise InputError(str(path), f"a zip of {', '.join(names[:4]) or 'nothing'}", expected, remedy)
        with np.load(path, allow_pickle=False) as data:
            found = {name: data[name] for name in data}
        if strange := [name for name, array in found.items() if not isinstance(array, np.ndarray)]:
            raise ValueError(f"{strange[0]} is no array")
        return found
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(str(path), "no such file", expected, remedy) from error
    except Exception as error:  # NumPy, zipfile, zlib and the OS each raise their own types
        raise InputError(str(path), f"no readable NumPy file ({reason(error)})", expected, remedy) from error


def array_names(path: Path) -> list[str]:
    """Names of the arrays in a .npz; none where it is no such file, or a damaged one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return []


def same_shapes(found: dict, expected: dict) -> None:
    """That one state dict has the names and shapes of another.

    Raises:
        ValueError: it has not; names the first difference.
    """
    for name in sorted({*found, *expected}):
        shapes = [tuple(state[name].shape) if name in state else "absent" for state in (found, expected)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{name}: {shapes[0]}, not {shapes[1]}")


def resume(path: Path, state: Callable[[], dict], take: Callable[[dict], None]) -> None:
    """Go on from the state that a killed training left, where there is one; a damaged one is deleted, with a line that says so.

    Args:
        path: file of torch.save. state: the present state. take: puts a state in place; raises where it does not fit.

    Raises:
        InputError: the file may not be read; it stays as it is.
    """
    if not path.exists():
        return
    import torch

    fresh = copy.deepcopy(state())
    try:
        _check_sums(path)
        take(torch.load(path, weights_only=True, map_location="cpu"))
    except FileNotFoundError:
        take(fresh)  # another process of this training found it damaged first
    except (MemoryError, torch.OutOfMemoryError):
        raise  # nothing is wrong with the file
    except OSError as error:
        remedy = "Give access to it, or delete it to start that training anew."
        raise InputError(str(path), f"no access ({reason(error)})", "a readable training state", remedy) from error
    except Exception as error:  # torch, pickle and the optimisers each raise their own types
        announce(f"{path}: damaged ({reason(error)}); it is deleted, and this training starts anew")
        take(fresh)
        path.unlink(missing_ok=True)


def _check_sums(path: Path) -> None:
    """torch itself reads past a changed byte of a weight."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        if spoilt := archive.testzip():
            raise ValueError(f"wrong checksum of {spoilt}")


def file_digest(path: Path) -> str:
    """sha256 of a file's content; read once a process, and again after the file has changed."""
    found = os.stat(path)
    return _known_digest(path, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@lru_cache(maxsize=200_000)
def _known_digest(path: Path, *stamp: int) -> str:
    return _digest(path)


def folder_digest(folder: str) -> str:
    """sha256 over the files of a model or adapter folder; a hub id stands for itself."""
    root = Path(folder)
    if not root.is_dir():
        return folder
    files = sorted(p for p in root.iterdir() if p.suffix in (".safetensors", ".json", ".jinja"))
    return hashlib.sha256(json.dumps([(p.name, file_digest(p)) for p in files]).encode()).hexdigest()


def make_readable(folder: Path) -> None:
    """Make a folder's files readable to whoever may read the folder: safetensors writes them for their owner alone.

    A server often runs as another user.
    """
    for path in folder.rglob("*"):
        mode = path.parent.stat().st_mode & 0o666
        if path.is_file() and path.stat().st_mode & 0o666 != mode:
            path.chmod(mode)


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
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
