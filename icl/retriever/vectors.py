"""Embeddings of a split as plain arrays: what evaluation reads, without torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np


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
        """Read what `save` wrote."""
        with np.load(path) as data:
            return cls(**{f.name: data[f.name] for f in fields(cls)})

    def similarity(self) -> np.ndarray:
        """(Q, G) mean of the BGE and TSE cosines."""
        return (self.text_bge @ self.image_bge.T + self.text_tse @ self.image_tse.T) / 2

    def similarity_blocks(self, rows: int = 512) -> Iterator[np.ndarray]:
        """`similarity` in blocks of `rows` queries, for galleries whose whole matrix would not fit in memory."""
        for start in range(0, len(self.text_bge), rows):
            part = slice(start, start + rows)
            yield (self.text_bge[part] @ self.image_bge.T + self.text_tse[part] @ self.image_tse.T) / 2
