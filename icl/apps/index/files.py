"""The image files of a folder, and whether they changed since they were last looked at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from icl.errors import InputError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
YOUNG = 2_000_000_000
"""Nanoseconds in which a file can change twice without another time: FAT counts in steps of two seconds."""

Stamp = tuple[int, int, int]
"""Size, and the times of the last change of content and of entry in nanoseconds."""


def image_files(gallery: Path) -> list[str]:
    """Images below a folder, by name.

    Raises:
        InputError: no such folder, or none in it.
    """
    require_images(gallery)
    return sorted(_images(gallery))


def require_images(gallery: Path) -> None:
    """That there is an image below a folder.

    Raises:
        InputError: no such folder, or none in it.
    """
    if next(_images(gallery), None) is None:
        what = "no images" if gallery.is_dir() else "no such folder"
        raise InputError(f"gallery {gallery}", what, f"files ending in {', '.join(sorted(SUFFIXES))}", "Correct it.")


def _images(gallery: Path) -> Iterator[str]:
    for folder, _, names in os.walk(gallery):
        inner = os.path.relpath(folder, gallery)
        for name in names:
            if os.path.splitext(name)[1].lower() in SUFFIXES and os.path.isfile(os.path.join(folder, name)):
                yield name if inner == os.curdir else f"{inner}/{name}"


def stamp(path: Path) -> Stamp | None:
    """Of a file; None where it cannot be looked at."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def is_settled(found: Stamp | None, now: int) -> bool:
    """Whether a later change must show in a file's stamp: one that changed just now can change again within its times' step.

    Args:
        now: nanoseconds, taken before the file was read.
    """
    return found is not None and max(found[1:]) < now - YOUNG
