"""Exact similarities to vectors on disk, a block of them in memory at a time."""

from __future__ import annotations

import numpy as np

from icl.ranking.scores import EmbeddingScores

BLOCK = 4096
"""Vectors that are looked at together: 25 MB of CLIP's."""

Vectors = tuple[np.ndarray, np.ndarray]
"""BGE (N, D) and TSE (N, E) of N texts or pictures, each L2-normalised; E may be 0."""


def similarities(queries: Vectors, images: Vectors) -> np.ndarray:
    """Mean of the BGE and TSE cosines (N, G), float32, of N texts or pictures to G images, whose vectors are read once."""
    count, total = 2 if images[1].shape[1] else 1, len(images[0])
    out = np.empty((len(queries[0]), total), dtype=np.float32)
    for start in range(0, total, BLOCK):
        rows = slice(start, start + BLOCK)
        block = tuple(part[rows] for part in images[:count])
        out[:, rows] = EmbeddingScores(queries[:count], block).rows(slice(None))
    return out
