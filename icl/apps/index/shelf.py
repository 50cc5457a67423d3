"""What is known of pictures, on disk: vectors and thumbnails by the sha256 of a file's bytes (of captions: by the text's).

A shelf is a folder that appears whole, by one rename, and never changes; it is read memory-mapped, so that it costs the memory
of what is looked at, and an open one stays readable after its folder is gone.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from icl.apps.index.streamed import BLOCK
from icl.errors import InputError

CARD, VECTORS, DIGESTS, ENDS, THUMBNAILS = "shelf.json", "vectors.f32", "sha256.bin", "ends.i64", "thumbnails.bin"
PART = ".part"
"""Ending of a folder that is being written."""
DIGEST = 32
"""Bytes of a sha256."""


class Item(NamedTuple):
    """A picture: sha256 of its file, its vector (D + E,) float32, and its thumbnail, a JPEG; a text has none."""

    digest: bytes
    vector: np.ndarray
    thumbnail: bytes


@dataclass(frozen=True)
class Shelf:
    """An open shelf of n pictures.

    Attributes:
        vectors: (n, D + E) float32, BGE and TSE side by side, each L2-normalised. dim: D. digests: (n, 32) uint8.
        ends: (n,) where each thumbnail ends in `thumbnails`. crc32: of the vectors' bytes.
    """

    folder: Path
    dim: int
    vectors: np.ndarray
    digests: np.ndarray
    ends: np.ndarray
    thumbnails: np.ndarray
    crc32: int

    @classmethod
    def open(cls, folder: Path) -> Shelf:
        """Read what `write` wrote.

        Raises:
            InputError: a file is missing, or not as long as it should be.
        """
        try:
            card = json.loads((folder / CARD).read_text())
            n, dim, width = card["pictures"], card["bge"], card["bge"] + card["tse"]
            ends = _mapped(folder / ENDS, np.int64, (n,))
            return cls(
                folder,
                dim,
                _mapped(folder / VECTORS, np.float32, (n, width)),
                _mapped(folder / DIGESTS, np.uint8, (n, DIGEST)),
                ends,
                _mapped(folder / THUMBNAILS, np.uint8, (int(ends[-1]),)),
                card["crc32"],
            )
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            what = f"a damaged index ({type(error).__name__}: {error})"
            raise InputError(str(folder), what, "the files of an index", "Delete it and index again.") from error

    @property
    def bge(self) -> np.ndarray:
        """(n, D)."""
        return self.vectors[:, : self.dim]

    @property
    def tse(self) -> np.ndarray:
        """(n, E)."""
        return self.vectors[:, self.dim :]

    def __len__(self) -> int:
        return len(self.digests)

    def thumbnail(self, row: int) -> bytes:
        """The JPEG of a picture."""
        start = int(self.ends[row - 1]) if row else 0
        return self.thumbnails[start : int(self.ends[row])].tobytes()

    def item(self, row: int) -> Item:
        """All that is known of a picture."""
        return Item(self.digests[row].tobytes(), self.vectors[row], self.thumbnail(row))

    def is_whole(self) -> bool:
        """Whether the vectors are still those that were written; reads all of them."""
        found = 0
        for start in range(0, len(self), BLOCK):
            found = zlib.crc32(self.vectors[start : start + BLOCK], found)
        return found == self.crc32


def _mapped(path: Path, kind: type, shape: tuple[int, ...]) -> np.ndarray:
    expected = int(np.prod(shape)) * np.dtype(kind).itemsize
    if path.stat().st_size != expected:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes, not {expected}")
    return np.memmap(path, kind, "r", shape=shape) if expected else np.empty(shape, kind)


def write(folder: Path, items: Iterable[Item], dim: int) -> None:
    """Write a shelf of at least one picture: beside its place, synced, and then into it.

    Args:
        folder: must not be there. dim: D.
    """
    part = folder.with_name(folder.name + PART)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    count = end = crc32 = width = 0
    names = (VECTORS, DIGESTS, ENDS, THUMBNAILS)
    vectors, digests, ends, thumbnails = files = [(part / name).open("wb") for name in names]
    try:
        for item in items:
            row = np.ascontiguousarray(item.vector, dtype=np.float32)
            count, width, end = count + 1, len(row), end + len(item.thumbnail)
            crc32 = zlib.crc32(row, crc32)
            vectors.write(row)
            digests.write(item.digest)
            ends.write(np.int64(end).tobytes())
            thumbnails.write(item.thumbnail)
        for file in files:
            _sync(file)
    finally:
        for file in files:
            file.close()
    with (part / CARD).open("w") as file:
        json.dump({"pictures": count, "bge": dim, "tse": width - dim, "crc32": crc32}, file)
        _sync(file)
    part.replace(folder)


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that it is whole or as before, also after a power failure."""
    part = path.with_name(path.name + PART)
    with part.open("w") as file:
        file.write(text)
        _sync(file)
    part.replace(path)


def _sync(file) -> None:
    file.flush()
    os.fsync(file.fileno())
