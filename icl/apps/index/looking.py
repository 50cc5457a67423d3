"""Look at image files: what they hold, and a picture for the retriever and a thumbnail of those that are new."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Container, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from icl.data.images import fitted
from icl.data.pictures import load_image, require_file
from icl.errors import InputError
from icl.files import reason

THUMBNAIL, QUALITY = 256, 80
"""Pixels of a thumbnail's longer side at most, and its JPEG quality."""
THREADS = 4
PORTION = 256
"""Files that are looked at, encoded and written together: what a killed run loses at most."""


@dataclass(frozen=True)
class Looked:
    """A file. digest: sha256 of its bytes. pixels: (3, H, W) uint8 and thumbnail: where it is new. problem: why it is none."""

    name: str
    digest: bytes = b""
    pixels: Tensor | None = None
    thumbnail: bytes = b""
    problem: str = ""


def look(gallery: Path, names: list[str], known: Container[bytes], size: tuple[int, int]) -> Iterator[list[Looked]]:
    """Look at files in portions, the next one while the caller works on the last.

    Args:
        known: digests of pictures that need not be decoded; may grow meanwhile. size: height and width for the retriever.
    """
    portions = (names[k : k + PORTION] for k in range(0, len(names), PORTION))
    with ThreadPoolExecutor(THREADS) as pool:
        yield from _ahead([pool.submit(_look, gallery, name, known, size) for name in part] for part in portions)


def _ahead(portions: Iterable[list[Future]]) -> Iterator[list[Looked]]:
    before: list[Future] = []
    for portion in portions:
        if before:
            yield [future.result() for future in before]
        before = portion
    yield [future.result() for future in before]


def _look(gallery: Path, name: str, known: Container[bytes], size: tuple[int, int]) -> Looked:
    path = gallery / name
    try:
        require_file(path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
            if digest in known:
                return Looked(name, digest)
            file.seek(0)
            image = load_image(path, file)
            file.seek(0)
            if hashlib.file_digest(file, "sha256").digest() != digest:
                return Looked(name, problem="a file that changed while it was read")
    except InputError as error:
        return Looked(name, problem=error.found)
    except OSError as error:
        return Looked(name, problem=f"a file that cannot be read ({reason(error)})")
    return Looked(name, digest, fitted(image, *size), thumbnail_of(image))


def thumbnail_of(image: Image.Image) -> bytes:
    """A small JPEG of an RGB image, in its own aspect."""
    small, out = image.copy(), io.BytesIO()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    small.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
