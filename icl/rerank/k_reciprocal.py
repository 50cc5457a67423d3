"""Re-rankings that a user would try before THI: by the MLLM's Yes probability, and k-reciprocal without an MLLM."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from icl.ranking.scores import EmbeddingScores, MatrixScores, blocks

LEAST = 1e-5
"""Length of a difference to the mean, as a share of the vector's own, below which it is rounding."""


def centred(scores: EmbeddingScores) -> np.ndarray:
    """One vector for each text, then for each image (Q + G, D), whose products are the scores' mean cosines.

    The mean of each modality is taken away first: texts and images lie apart, and neighbours would be of one kind only.
    A vector that equals its modality's mean (the only query, say) stays as it is: nothing of it would be left.
    """
    parts = [np.concatenate([_from_mean(part) for part in rows], axis=1) for rows in (scores.texts, scores.images)]
    return np.concatenate(parts) / len(scores.texts) ** 0.5


def _from_mean(rows: np.ndarray) -> np.ndarray:
    """Vectors (N, D) of length 1 from the mean of all."""
    moved = rows - rows.mean(0)
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    own = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(lengths > LEAST * own, moved / np.maximum(lengths, 1e-30), rows / np.maximum(own, 1e-30))


def _neighbours(vectors: np.ndarray, k: int, block: int = 512) -> np.ndarray:
    """The k nearest of every vector, itself among them: numbers (N, k), nearest first."""
    numbers = np.empty((len(vectors), k), dtype=np.int64)
    for start in range(0, len(vectors), block):
        for n, row in enumerate(vectors[start : start + block] @ vectors.T, start):
            near = np.argpartition(-row, k - 1)[
                :k
            ]  # row by row: of a block, column numbers alone take twice its memory
            numbers[n] = near[np.argsort(-row[near], kind="stable")]
    return numbers


def _reciprocal(near: np.ndarray, k: int) -> list[np.ndarray]:
    """Of each vector's k nearest, those that have it among their k nearest."""
    return [row[(near[row, :k] == n).any(1)] for n, row in enumerate(near[:, :k])]


def _encoding(vectors: np.ndarray, k1: int, k2: int) -> sparse.csr_matrix:
    """k-reciprocal encodings (N, N), rows of sum 1: expanded neighbour sets, smoothed over the k2 nearest."""
    near = _neighbours(vectors, min(k1 + 1, len(vectors)))
    half = round(k1 / 2) + 1
    wide, narrow = _reciprocal(near, k1 + 1), _reciprocal(near, half)
    columns, values, ends = [], [], [0]
    for n, own in enumerate(wide):
        more = [narrow[m] for m in own if len(np.intersect1d(narrow[m], own)) > 2 / 3 * len(narrow[m])]
        chosen = np.unique(np.concatenate([own, *more]))
        weight = np.exp(2 * (vectors[chosen] @ vectors[n]) - 2)  # exp of minus the squared distance
        columns.append(chosen)
        values.append(weight / weight.sum())
        ends.append(ends[-1] + len(chosen))
    size = (len(vectors), len(vectors))
    encoded = sparse.csr_matrix((np.concatenate(values), np.concatenate(columns), ends), shape=size)
    k2 = min(k2, near.shape[1])
    each = np.arange(0, len(near) * k2 + 1, k2)
    smooth = sparse.csr_matrix((np.full(len(near) * k2, 1 / k2), near[:, :k2].ravel(), each), shape=size)
    return (smooth @ encoded).tocsr()


def by_neighbours(scores: EmbeddingScores, k1: int = 20, k2: int = 6, weight: float = 0.3) -> MatrixScores:
    """k-reciprocal re-ranking (Zhong et al., CVPR 2017) over all queries and images together.

    Args:
        k1, k2: neighbours, and neighbours smoothed over. weight: share of the original distance in the final one.

    Returns:
        Minus the final distances (Q, G).
    """
    vectors, queries = centred(scores), len(scores.texts[0])
    encoded = _encoding(vectors, k1, k2)
    by_column = encoded[queries:].tocsc()
    out = np.empty(scores.shape, dtype=np.float32)
    row = 0
    for block in blocks(scores):
        for raw in block:
            common = _common(encoded, by_column, row)
            out[row] = -(weight * (2 - 2 * raw) + (1 - weight) * (1 - common / (2 - common)))
            row += 1
    return MatrixScores(out)


def _common(encoded: sparse.csr_matrix, by_column: sparse.csc_matrix, query: int) -> np.ndarray:
    """Sum of the smaller weights of a query's encoding and of each image's (G,)."""
    found = np.zeros(by_column.shape[0])
    for place in range(encoded.indptr[query], encoded.indptr[query + 1]):
        column, value = encoded.indices[place], encoded.data[place]
        part = slice(by_column.indptr[column], by_column.indptr[column + 1])
        found[by_column.indices[part]] += np.minimum(value, by_column.data[part])
    return found
