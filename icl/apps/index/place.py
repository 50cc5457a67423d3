"""Where the index of one gallery under one retriever lies, what it says of the files, and who may write there."""

from __future__ import annotations

import fcntl
import hashlib
import json
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from icl.apps.index.shelf import CARD, PART, Item, Shelf, write, write_whole
from icl.errors import InputError
from icl.files import file_digest
from icl.progress import announce
from icl.retriever.weights import checkpoints

MANIFEST, LOCK, CAPTIONS = "manifest.json", "lock", "captions.jsonl"
REMEDY = "Run the target `index`, or icl.apps.index.Index.update."
IMAGES, TEXTS = "images", "texts"
"""Kinds of shelves: of the pictures, by their files, and of their captions, by the texts."""
TRIES = 5
"""How often a reader looks again whose shelf a writer has replaced meanwhile."""


@dataclass(frozen=True)
class Manifest:
    """Attributes:
    gallery: its folder. shelf: name of the shelf with a row a file, in their order.
    files: name to [sha256, size, times of change]; [sha256] alone for one that has to be looked at again.
    skipped: name to what is wrong with it. describer: whose captions are in force; empty without any.
    texts: name of the shelf of those captions' vectors, a row for each file that has one; empty without any.
    """

    gallery: str
    shelf: str
    files: dict[str, list]
    skipped: dict[str, str] = field(default_factory=dict)
    describer: str = ""
    texts: str = ""

    def contents(self) -> list[tuple[str, str]]:
        """(name, sha256) of the files."""
        return [(name, entry[0]) for name, entry in self.files.items()]


@dataclass(frozen=True)
class Place:
    """A folder of the store: <store>/<gallery>/<retriever>, each a digest."""

    folder: Path

    @classmethod
    def of(cls, store: Path, gallery: Path, retriever: Path) -> Place:
        """The place of a gallery and a retriever's folder, which holds its weights and its card."""
        weights = "".join(file_digest((retriever / name).resolve()) for name in (checkpoints.WEIGHTS, checkpoints.CARD))
        return cls(Path(store) / _short(str(gallery.resolve())) / _short(weights))

    @property
    def captions(self) -> Path:
        """File of the pictures' captions."""
        return self.folder / CAPTIONS

    def read(self) -> tuple[Manifest, Shelf]:
        """The index.

        Raises:
            InputError: there is none, or a damaged one.
        """
        for left in reversed(range(TRIES)):
            try:
                manifest = Manifest(**json.loads((self.folder / MANIFEST).read_text()))
                shelf = Shelf.open(self.folder / manifest.shelf)
                if len(shelf) != len(manifest.files):
                    raise ValueError(f"{len(manifest.files)} files, {len(shelf)} vectors")
                if not shelf.is_whole():
                    raise ValueError("other vectors than were written")
                return manifest, shelf
            except FileNotFoundError as error:
                raise self._absent() from error
            except InputError:
                if not left or (self.folder / manifest.shelf).exists():
                    raise
            except (OSError, ValueError, TypeError) as error:
                what = f"a damaged index ({type(error).__name__}: {error})"
                remedy = f"Delete {self.folder} and index again."
                raise InputError(str(self.folder / MANIFEST), what, "what `index` writes", remedy) from error
        raise AssertionError("the last try returns or raises")

    def _absent(self) -> InputError:
        others = [path for path in self.folder.parent.glob(f"*/{MANIFEST}") if path.parent != self.folder]
        found = "an index of this gallery by another retriever" if others else "no index of this gallery"
        return InputError(str(self.folder), found, "one that was made with this retriever", REMEDY)

    def known(self, kind: str) -> dict[bytes, tuple[Shelf, int]]:
        """By digest, where a vector of this retriever stands: in this index, an unfinished run's or another gallery's."""
        shelves = self._shelves(kind)
        return {shelf.digests[row].tobytes(): (shelf, row) for shelf in shelves for row in range(len(shelf))}

    def _shelves(self, kind: str) -> Iterator[Shelf]:
        for card in sorted(self.folder.parents[1].glob(f"*/{self.folder.name}/{kind}-*/{CARD}")):
            if card.parent.suffix == PART:
                continue
            with suppress(InputError):
                shelf = Shelf.open(card.parent)
                if shelf.is_whole():
                    yield shelf
                else:
                    announce(f"WARNING {card.parent}: changed since it was written; what it held is encoded again")

    def add(self, kind: str, items: Iterable[Item], dim: int) -> Shelf:
        """Write a new shelf."""
        folder = self.folder / f"{kind}-{secrets.token_hex(6)}"
        write(folder, items, dim)
        return Shelf.open(folder)

    def put(self, manifest: Manifest) -> None:
        """Let an index be the one that is read."""
        write_whole(self.folder / MANIFEST, json.dumps(asdict(manifest)))

    def tidy(self, manifest: Manifest) -> None:
        """Remove all shelves but those of the index; to be called by the only writer."""
        for path in (path for kind in (IMAGES, TEXTS) for path in self.folder.glob(f"{kind}-*")):
            if path.name not in (manifest.shelf, manifest.texts):
                shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Wait until no other process writes here; the kernel ends the lock with its process.

        Yields:
            Whether that is certain: some network file systems know no locks. Two writers then end in the index of either.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / LOCK).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                announce(f"Another process is at work on the index in {self.folder}: waiting for its end.")
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError:
                yield False
                return
            yield True


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
