"""Bring an index up to date: look at files that are new or changed, encode pictures that nobody knows, forget what has gone."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from icl.apps.index.files import image_files, is_settled, stamp
from icl.apps.index.looking import Looked, look
from icl.apps.index.place import IMAGES, MANIFEST, Manifest, Place
from icl.apps.index.shelf import Item, Shelf
from icl.data.images import ImageStore
from icl.errors import InputError
from icl.progress import announce, task
from icl.retriever.encoding.embeddings import encode_images, image_size
from icl.retriever.model import RDE

TOLD = 10
"""Names of unreadable files in the warning, at most."""


def brought_up_to_date(place: Place, gallery: Path, model: RDE) -> Manifest:
    """Look at the files that are new or changed, and put a manifest that tells of all.

    Raises:
        InputError: no image can be read.
    """
    now, names = time.time_ns(), image_files(gallery)
    old = _before(place)
    stamps = {name: stamp(gallery / name) for name in names}
    digests = {n: old.files[n][0] for n in names if n in old.files and tuple(old.files[n][1:]) == stamps[n]}
    unseen = [name for name in names if name not in digests]
    if not unseen and len(digests) == len(old.files):
        return old
    known = place.known(IMAGES)
    skipped, encoded = {}, 0
    with task(len(unseen), "indexing images") as work:
        for part in look(gallery, unseen, known, image_size(model)):
            skipped |= {one.name: one.problem for one in part if one.problem}
            digests |= {one.name: one.digest.hex() for one in part if not one.problem}
            encoded += _encode(place, model, [one for one in part if one.digest not in known], known)
            work.advance(len(part))
    if not digests:
        name, problem = next(iter(skipped.items()))
        raise InputError(str(gallery / name), problem, "a readable image", f"None of {len(names)} files is one.")
    files = {n: [digests[n], *(stamps[n] if is_settled(stamps[n], now) else ())] for n in names if n in digests}
    manifest = replace(old, gallery=str(gallery), files=files, skipped=skipped)
    if manifest.contents() != old.contents():
        items = (shelf.item(row) for shelf, row in (known[bytes.fromhex(digests[n])] for n in files))
        shelf = place.add(IMAGES, items, model.backbone.dim)
        manifest = replace(manifest, shelf=shelf.folder.name)
    place.put(manifest)
    _tell(gallery, manifest, encoded, len(old.files.keys() - files.keys()))
    return manifest


def _before(place: Place) -> Manifest:
    """The manifest that is there; an empty one where there is none, or where it or its vectors are damaged."""
    if not (place.folder / MANIFEST).exists():
        return Manifest("", "", {})
    try:
        manifest, _ = place.read()
    except InputError as error:
        announce(f"WARNING {error.where}: {error.found}; all files are looked at again")
        return Manifest("", "", {})
    return manifest


def _encode(place: Place, model: RDE, new: list[Looked], known: dict[bytes, tuple[Shelf, int]]) -> int:
    """Encode new pictures, write them, and let them be known; how many there were."""
    new = list({one.digest: one for one in new if not one.problem}.values())
    if new:
        store = ImageStore.of(torch.stack([one.pixels for one in new]))
        vectors = np.concatenate([part.numpy() for part in encode_images(model, store)], axis=1)
        items = [Item(one.digest, row, one.thumbnail) for one, row in zip(new, vectors, strict=True)]
        shelf = place.add(IMAGES, items, model.backbone.dim)
        known |= {one.digest: (shelf, row) for row, one in enumerate(new)}
    return len(new)


def _tell(gallery: Path, manifest: Manifest, encoded: int, gone: int) -> None:
    announce(f"index of {gallery}: {len(manifest.files)} images, {encoded} encoded, {gone} gone")
    if bad := manifest.skipped:
        some = ", ".join(f"{name} ({problem})" for name, problem in list(bad.items())[:TOLD])
        more = f" and {len(bad) - TOLD} more" if len(bad) > TOLD else ""
        count = len(bad) + len(manifest.files)
        announce(f"WARNING {gallery}: {len(bad)} of {count} images cannot be read and are left out: {some}{more}")
