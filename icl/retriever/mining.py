"""Clean pairs and hard negatives for the SFT set (supplementary, section D)."""

from __future__ import annotations

import numpy as np

from icl.errors import InputError
from icl.progress import announce
from icl.ranking.metrics import columns_by_pid
from icl.ranking.scores import best_columns

NONE = np.empty(0, dtype=np.int64)


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
    own = columns_by_pid(image_pids)
    same = [own.get(pid, NONE) for pid in text_pids.tolist()]
    counts = np.array([len(columns) for columns in same], dtype=np.int64)
    fewest = min(k, len(image_pids) - int(counts.max(initial=0)))
    if not fewest:
        found = f"identity {text_pids[counts.argmax()]} in every image"
        raise InputError("hard negatives", found, "images of other identities", "Add identities to the split.")
    if fewest < k:
        announce(f"hard negatives: only {fewest} images of other identities, not {k} (sft.negatives_top_k)")
    out = np.empty((len(same), fewest), dtype=np.int64)
    for n, columns in enumerate(same):
        worse = -similarity[n]
        worse[columns] = np.inf
        out[n] = best_columns(worse, fewest)
    return out
