"""The retriever's vectors of a gallery's captions, encoded once as its images are: by the sha256 of the text."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace

import numpy as np

from icl.apps.index.captions import read_captions
from icl.apps.index.place import TEXTS, Manifest, Place
from icl.apps.index.shelf import Item, Shelf
from icl.apps.index.streamed import Vectors
from icl.errors import InputError
from icl.progress import task
from icl.rerank.split import Encoder

PORTION = 1024
"""Captions that are encoded and written together."""


def with_captions(place: Place, manifest: Manifest, encode: Encoder) -> Manifest:
    """The manifest with the shelf of its captions' vectors, a row for each file that has a caption, in their order."""
    told = read_captions(place.captions, manifest.describer) if manifest.describer else {}
    captions = [told[digest]["caption"] for _, digest in manifest.contents() if digest in told]
    wanted = [digest_of(caption) for caption in captions]
    if not wanted:
        return replace(manifest, texts="")
    known = place.known(TEXTS)
    old = next((shelf for shelf, _ in known.values() if shelf.folder == place.folder / manifest.texts), None)
    if old is not None and holds(old, wanted):
        return manifest
    missing = {d: text for d, text in zip(wanted, captions, strict=True) if d not in known}
    with task(len(missing), "encoding captions") as work:
        for start in range(0, len(missing), PORTION):
            part = list(missing.items())[start : start + PORTION]
            vectors = encode([text for _, text in part])
            rows = zip(part, np.concatenate(vectors, axis=1), strict=True)
            shelf = place.add(TEXTS, [Item(d, row, b"") for (d, _), row in rows], vectors[0].shape[1])
            known |= {d: (shelf, row) for row, (d, _) in enumerate(part)}
            work.advance(len(part))
    found = [known[digest] for digest in wanted]
    whole = place.add(TEXTS, (shelf.item(row) for shelf, row in found), found[0][0].dim)
    return replace(manifest, texts=whole.folder.name)


def captions_of(place: Place, manifest: Manifest) -> tuple[list[str] | None, Vectors | None]:
    """The captions of all files, and their vectors; None, None where a file has none."""
    told = read_captions(place.captions, manifest.describer) if manifest.describer else {}
    found = [told.get(digest, {}).get("caption") for _, digest in manifest.contents()]
    if None in found:
        return None, None
    with suppress(InputError):
        shelf = Shelf.open(place.folder / manifest.texts)
        if holds(shelf, [digest_of(text) for text in found]) and shelf.is_whole():
            return found, (shelf.bge, shelf.tse)
    return found, None


def digest_of(text: str) -> bytes:
    """sha256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def holds(shelf: Shelf, digests: list[bytes]) -> bool:
    """Whether these are its rows, in this order."""
    return shelf.digests.tobytes() == b"".join(digests)
