"""Clean pairs and hard negatives for the SFT set (supplementary, section D)."""

from __future__ import annotations

import numpy as np

from icl.errors import InputError
from icl.progress import announce


def top_k_negatives(similarity: np.ndarray, text_pids: np.ndarray, image_pids: np.ndarray, k: int) -> np.ndarray:
    """The k most similar images of another identity for each text.

    Args:
        similarity: (N, M) of N texts and M images. text_pids: (N,). image_pids: (M,). k: images a text.

    Returns:
        (N, k) image columns, most similar first; ties by the lower column. Where a text has fewer images of other
        identities, all texts get as many as that one has, and a line says so.

    Raises:
        InputError: a text has none.
    """
    other = text_pids[:, None] != image_pids[None]
    fewest = int(other.sum(1).min(initial=k))
    if not fewest:
        found = f"identity {text_pids[other.sum(1).argmin()]} in every image"
        raise InputError("hard negatives", found, "images of other identities", "Add identities to the split.")
    if fewest < k:
        announce(f"hard negatives: only {fewest} images of other identities, not {k} (sft.negatives_top_k)")
        k = fewest
    scores = np.where(other, similarity, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]
