"""Clean pairs and hard negatives for the SFT set (supplementary, section D)."""

from __future__ import annotations

import numpy as np


def top_k_negatives(similarity: np.ndarray, text_pids: np.ndarray, image_pids: np.ndarray, k: int) -> np.ndarray:
    """The k most similar images of another identity for each text.

    Args:
        similarity: (N, M) of N texts and M images. text_pids: (N,). image_pids: (M,). k: images a text.

    Returns:
        (N, k) image columns, most similar first; ties by the lower column.

    Raises:
        ValueError: a text has fewer than k images of other identities.
    """
    other = text_pids[:, None] != image_pids[None]
    if other.sum(1).min() < k:
        raise ValueError(f"fewer than {k} images of other identities in the gallery")
    scores = np.where(other, similarity, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]
