"""Rank one's own image folder for a text, with or without the MLLM.

    from icl.apps.search import rank
    for match in rank("a woman in a red coat with a black backpack", "path/to/folder")[:5]:
        print(match.name, match.similarity)

`rank` takes some seconds with the shipped retriever, most of them for imports. `search` tells more: both rankings and the
dialogue. A `Gallery` is encoded once for many queries. `icl.apps.page` writes what `search` found as an HTML page.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from icl.apps.shipped import SHIPPED, Judge
from icl.data.images import ImageStore
from icl.data.tokenizer import CaptionTokenizer
from icl.errors import InputError
from icl.mllm.protocol import Backend
from icl.mllm.settings import MLLMSettings
from icl.rerank.describing import describe
from icl.rerank.split import Split
from icl.rerank.ways import WAYS
from icl.retriever.encoding.embeddings import encode_images, encode_texts, image_size
from icl.retriever.encoding.vectors import Embeddings
from icl.retriever.model import RDE
from icl.retriever.weights.checkpoints import load_retriever

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


class Match(NamedTuple):
    """An image of the gallery: its path inside the folder, and its similarity to the query (a cosine, at most 1)."""

    name: str
    similarity: float


@dataclass(frozen=True)
class Gallery:
    """The encoded images of a folder.

    Attributes:
        folder: where they are. names: their G paths inside it, sorted. bge (G, D), tse (G, E): L2-normalised embeddings.
        described: the MLLM's captions of the images, where they are needed.
    """

    folder: Path
    names: list[str]
    model: RDE
    tokenizer: CaptionTokenizer
    bge: np.ndarray
    tse: np.ndarray
    described: list[str] | None = None

    @classmethod
    def read(cls, folder: str | Path, retriever: str | Path = SHIPPED) -> Gallery:
        """Encode all images of a folder and of its subfolders.

        Args:
            retriever: folder of a trained retriever (`results/retriever/<benchmark>/rda/seed<n>`), or the shipped one.

        Raises:
            InputError: no such folder, no image in it, an unreadable one, or an unreadable retriever; names it.
        """
        folder, names = Path(folder), image_files(Path(folder))
        model, tokenizer = load_retriever(Path(retriever))
        bge, tse = encode_images(model, ImageStore(folder, names, *image_size(model)))
        return cls(folder, names, model, tokenizer, bge.numpy(), tse.numpy())

    @property
    def paths(self) -> list[Path]:
        """Files of the images."""
        return [self.folder / name for name in self.names]

    def described_by(self, backend: Backend, mllm: MLLMSettings) -> Gallery:
        """The same gallery with a caption of every image; a back-end with stored answers asks about new pictures only."""
        found, _ = describe(self.paths, backend, mllm)
        return replace(self, described=[row["caption"] for row in found])

    def encode(self, texts: list[str]) -> tuple[np.ndarray, ...]:
        """BGE and TSE of texts."""
        return tuple(part.numpy() for part in encode_texts(self.model, self.tokenizer, texts))

    def embeddings(self, query: str) -> Embeddings:
        """Of one query and the images; every image is an identity of its own, as nobody knows better."""
        numbers, one = np.arange(len(self.names)), np.zeros(1, dtype=np.int64)
        bge, tse = self.encode([query])
        return Embeddings(self.bge, self.tse, bge, tse, numbers, numbers, one, one)


@dataclass(frozen=True)
class Found:
    """Attributes:
    names: files of the gallery. before, after: similarities (G,) of the retriever, and re-ranked. record: what was asked and
    answered, or None.
    """

    names: list[str]
    before: np.ndarray
    after: np.ndarray
    record: dict | None

    @property
    def matches(self) -> list[Match]:
        """All images, the most similar one first; equal ones by name."""
        return [Match(self.names[k], float(self.after[k])) for k in np.argsort(-self.after, kind="stable")]


def image_files(gallery: Path) -> list[str]:
    """Images below a folder, by name.

    Raises:
        InputError: no such folder, or none in it.
    """
    found = sorted(
        str(p.relative_to(gallery)) for p in gallery.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()
    )
    if not found:
        what = "no images" if gallery.is_dir() else "no such folder"
        raise InputError(f"gallery {gallery}", what, f"files ending in {', '.join(sorted(SUFFIXES))}", "Correct it.")
    return found


def rank(
    query: str, gallery: str | Path | Gallery, retriever: str | Path = SHIPPED, judge: Judge | None = None
) -> list[Match]:
    """All images of a folder, ranked for a query: `search` without its details.

    Raises:
        InputError: as `search`.
    """
    return search(query, gallery, retriever, judge).matches


def search(
    query: str, gallery: str | Path | Gallery, retriever: str | Path = SHIPPED, judge: Judge | None = None
) -> Found:
    """Rank a folder's images for a query, re-ranked where there is a judge (`icl.rerank.ways`).

    Args:
        query: description of a person. gallery: folder of images, searched with its subfolders; or one that is encoded.
        retriever: folder of a trained retriever; unused where the gallery is encoded.
        judge: the MLLM to ask, and how (`shipped_judge()`); without one, the retriever alone ranks.

    Raises:
        InputError: empty query, no images, or an unreadable one.
    """
    if not query.strip():
        raise InputError("query", "an empty text", "a description of a person", "Write one.")
    if not isinstance(gallery, Gallery):
        gallery = Gallery.read(gallery, retriever)
    own = gallery.embeddings(query)
    before = own.scores.rows(slice(None))[0]
    if judge is None:
        return Found(gallery.names, before, before, None)
    split = Split(
        own,
        [query],
        gallery.paths,
        gallery.encode,
        gallery.described,
        judge.backend,
        judge.mllm,
        judge.thi,
        judge.rerank,
    )
    found = WAYS[judge.way].rerank(split, judge.backend, judge.chosen)
    return Found(gallery.names, before, found.scores.rows(slice(None))[0], found.records[0])
