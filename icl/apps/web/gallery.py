"""The gallery that is searched: its index, and what may be told of its images."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from icl.apps.index import Index
from icl.apps.index.streamed import Vectors
from icl.data.faces import CELLS, masked
from icl.data.pictures import load_image

LONGEST = 384
"""Pixels of the longer side of a picture as it is sent."""
MASKED = (
    f"Every picture is shown as a mosaic of {CELLS} cells along its longer side, so that faces cannot be recognised; a "
    "portrait, or clothes, can still tell who somebody is."
)
DRAWN = "All pictures are drawn: they show no real person."
SHOWN = "Pictures are shown as they are, faces too, as this server was started with --faces shown."


@dataclass
class Gallery:
    """Attributes:
    index: encoded images. drawn: whether all are drawn pedestrians. faces: "masked" or "shown", of photographs.
    named: whether names of files may be told: a benchmark's tell the identity.
    known: T_vqa's sub-texts by column, where a pack has them.
    """

    index: Index
    drawn: bool
    faces: str = "masked"
    named: bool = True
    known: list[list[str]] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @cached_property
    def paths(self) -> list[Path]:
        """Files, by column."""
        return self.index.paths

    @property
    def note(self) -> str:
        """How faces are shown, for the foot of a page."""
        return faces_note(self.drawn, self.faces)

    def similarities(self, text: str) -> np.ndarray:
        """(G,) to a text; one at a time, as the encoder takes every core."""
        with self._lock:
            return self.index.similarities(text)

    def similar_to_image(self, image: Image.Image) -> np.ndarray:
        """(G,) to a picture."""
        with self._lock:
            return self.index.similar_to_image(image)

    @property
    def vectors(self) -> Vectors:
        """Of the images, on disk."""
        return self.index.vectors

    def subtexts(self, column: int) -> list[str]:
        """What T_vqa said of an image, where that is known without asking."""
        return self.known[column] if self.known else []

    def name(self, column: int) -> str:
        """An image's name where it may be told, else the head of its content's sha256, which tells nothing."""
        return (
            self.index.names[column]
            if self.named
            else f"picture {self.index.shelf.digests[column].tobytes().hex()[:10]}"
        )

    def picture(self, column: int) -> bytes:
        """An image as a page may show it, as PNG."""
        with Image.open(io.BytesIO(self.index.thumbnail(column))) as small:
            return png_of(small.convert("RGB"), self.drawn or self.faces == "shown")


def faces_note(drawn: bool, faces: str) -> str:
    """How faces are shown, in words."""
    return DRAWN if drawn else SHOWN if faces == "shown" else MASKED


@lru_cache(maxsize=1000)
def picture_of(path: Path, whole: bool) -> bytes:
    """A file as PNG: its pixels alone, so that nothing in it tells its name, place or time.

    Args:
        whole: as it is; otherwise no face in it is to be recognised.
    """
    return png_of(load_image(path), whole)


def png_of(image: Image.Image, whole: bool) -> bytes:
    """A picture as PNG, its longer side at most `LONGEST`."""
    if whole:
        image.thumbnail((LONGEST, LONGEST))
        pixels = np.asarray(image)
    else:
        pixels = masked(image)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()
