"""Embeddings of a split as plain arrays: what evaluation reads, without torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from icl.errors import InputError
from icl.files import read_arrays
from icl.ranking.scores import EmbeddingScores


@dataclass(frozen=True)
class Embeddings:
    """L2-normalised embeddings of a split: G gallery images, Q captions.

    Attributes:
        image_bge (G, D), image_tse (G, E), text_bge (Q, D), text_tse (Q, E): float32.
        image_ids, image_pids: (G,). caption_ids, text_pids: (Q,).
    """

    image_bge: np.ndarray
    image_tse: np.ndarray
    text_bge: np.ndarray
    text_tse: np.ndarray
    image_ids: np.ndarray
    image_pids: np.ndarray
    caption_ids: np.ndarray
    text_pids: np.ndarray

    def save(self, path: Path) -> None:
        """Write as .npz."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Embeddings:
        """Read what `save` wrote.

        Raises:
            InputError: the file is missing or damaged.
        """
        remedy = f"Delete {path.parent} and run again: it will be embedded anew."
        data = read_arrays(path, "embeddings of a split", remedy)
        names = [f.name for f in fields(cls)]
        absent = [name for name in names if name not in data] if isinstance(data, dict) else names
        if absent:
            raise InputError(str(path), f"no array {absent[0]}", ", ".join(names), remedy)
        return cls(**{name: data[name] for name in names})

    @property
    def scores(self) -> EmbeddingScores:
        """Similarities of all captions to the gallery: the mean of the BGE and TSE cosines (BGE alone where TSE is empty)."""
        return self.scores_of((self.text_bge, self.text_tse))

    def scores_of(
        self, texts: tuple[np.ndarray, ...], gallery: tuple[np.ndarray, ...] | None = None
    ) -> EmbeddingScores:
        """Similarities of other texts, given by their BGE and TSE, to the gallery, or to what stands for it (BGE and TSE)."""
        count = 2 if self.image_tse.shape[1] else 1
        return EmbeddingScores(texts[:count], (gallery or (self.image_bge, self.image_tse))[:count])
