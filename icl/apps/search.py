"""Rank one's own image folder for a text, with or without the interaction.

    from icl.apps.search import rank
    for match in rank("a woman in a red coat with a black backpack", "path/to/folder")[:5]:
        print(match.name, match.similarity)

`rank` takes some seconds with the shipped retriever, most of them for imports. `search` tells more: both rankings and the
dialogue. A `Gallery` is encoded once for many queries. `icl.apps.page` writes what `search` found as an HTML page.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from icl.apps.shipped import SHIPPED, Judge
from icl.data.images import ImageStore
from icl.data.tokenizer import CaptionTokenizer
from icl.errors import InputError
from icl.ranking.scores import EmbeddingScores
from icl.rerank.thi.session import run_thi
from icl.retriever.encoding.embeddings import encode_images, encode_texts, image_size
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
    """

    folder: Path
    names: list[str]
    model: RDE
    tokenizer: CaptionTokenizer
    bge: np.ndarray
    tse: np.ndarray

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

    def scores(self, texts: list[str]) -> EmbeddingScores:
        """Similarities of texts to the images: the mean of the BGE and TSE cosines (BGE alone where TSE is empty)."""
        count = 2 if self.tse.shape[1] else 1
        encoded = [part.numpy() for part in encode_texts(self.model, self.tokenizer, texts)]
        return EmbeddingScores(tuple(encoded[:count]), (self.bge, self.tse)[:count])


@dataclass(frozen=True)
class Found:
    """Attributes:
    names: files of the gallery. before, after: similarities (G,) without and with THI. record: the interaction, or None.
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
    """Rank a folder's images for a query (Algorithm 1 for one query where there is a judge).

    Args:
        query: description of a person. gallery: folder of images, searched with its subfolders; or one that is encoded.
        retriever: folder of a trained retriever; unused where the gallery is encoded.
        judge: the MLLM to interact with (`shipped_judge()`); without one, the retriever alone ranks.

    Raises:
        InputError: empty query, no images, or an unreadable one.
    """
    if not query.strip():
        raise InputError("query", "an empty text", "a description of a person", "Write one.")
    if not isinstance(gallery, Gallery):
        gallery = Gallery.read(gallery, retriever)
    raw = gallery.scores([query])
    before = raw.rows(slice(None))[0]
    if judge is None:
        return Found(gallery.names, before, before, None)
    paths = [gallery.folder / name for name in gallery.names]
    rounds, weight = min(judge.thi.rounds, len(paths)), judge.thi.lambda_
    found = run_thi(
        raw, [query], paths, lambda texts, _: gallery.scores(texts), judge.backend, judge.mllm, rounds, judge.xi, weight
    )
    return Found(gallery.names, before, found.scores.rows(slice(None))[0], found.records[0])
