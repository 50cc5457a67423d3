"""Rank one's own image folder for a text, with or without the MLLM.

    from icl.apps.search import rank
    for match in rank("a woman in a red coat with a black backpack", "path/to/folder")[:5]:
        print(match.name, match.similarity)

`rank` takes some seconds with the shipped retriever, most of them for imports. `search` tells more: both rankings and the
dialogue. An `Index` (`icl.apps.index`) is encoded once for many queries. `icl.apps.page` writes what `search` found as an
HTML page.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from icl.apps.index import Index
from icl.apps.shipped import SHIPPED, Judge
from icl.errors import InputError
from icl.rerank.split import Split
from icl.rerank.ways import WAYS


class Match(NamedTuple):
    """An image of the gallery: its path inside the folder, and its similarity to the query (a cosine, at most 1)."""

    name: str
    similarity: float


Gallery = Index
"""`Gallery.read(folder)` encodes a folder for this process alone; `Index.update(folder, store=...)` keeps what it encoded."""


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


def rank(
    query: str, gallery: str | Path | Index, retriever: str | Path = SHIPPED, judge: Judge | None = None
) -> list[Match]:
    """All images of a folder, ranked for a query: `search` without its details.

    Raises:
        InputError: as `search`.
    """
    return search(query, gallery, retriever, judge).matches


def search(
    query: str, gallery: str | Path | Index, retriever: str | Path = SHIPPED, judge: Judge | None = None
) -> Found:
    """Rank a folder's images for a query, re-ranked where there is a judge (`icl.rerank.ways`).

    Args:
        query: description of a person. gallery: folder of images, searched with its subfolders; or its index.
        retriever: folder of a trained retriever; unused where the gallery is indexed.
        judge: the MLLM to ask, and how (`shipped_judge()`); without one, the retriever alone ranks.

    Raises:
        InputError: empty query, no images, or an unreadable one.
    """
    if not query.strip():
        raise InputError("query", "an empty text", "a description of a person", "Write one.")
    if not isinstance(gallery, Index):
        gallery = Index.read(gallery, retriever)
    if judge is None:
        before = gallery.similarities(query)
        return Found(gallery.names, before, before, None)
    own = gallery.embeddings(query)
    before = own.scores.rows(slice(None))[0]
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
        gallery.told,
    )
    found = WAYS[judge.way].rerank(split, judge.backend, judge.chosen)
    return Found(gallery.names, before, found.scores.rows(slice(None))[0], found.records[0])
