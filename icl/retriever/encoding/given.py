"""Somebody's own retriever, given by its embeddings or its similarity matrix: torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from icl.data.pairs import captions_of, images_of
from icl.errors import InputError
from icl.files import array_names, read_arrays
from icl.progress import announce
from icl.ranking.scores import MatrixScores, Scores, blocks
from icl.retriever.encoding.vectors import Embeddings

HOW = "Write those with numpy.save or numpy.savez; README, 'Your own retriever', says how."


@dataclass(frozen=True)
class GivenScores:
    """Similarities of a split with the ids that `Embeddings` has: captions and images in the pairs table's order."""

    scores: Scores
    image_ids: np.ndarray
    image_pids: np.ndarray
    caption_ids: np.ndarray
    text_pids: np.ndarray


def read_given(path: Path, rows: pd.DataFrame) -> GivenScores:
    """Read `{split}.npy` or `{split}.npz`.

    Args:
        path: .npy: matrix (captions, images) of real numbers. .npz: `text` (captions, D) and `image` (images, D), of any
            length; or `similarity`; with `caption_ids` and `image_ids` where their order is not the pairs table's.
        rows: pairs table of the split.

    Raises:
        InputError: no readable arrays, sizes or ids that are not the split's, or values that are no finite real numbers;
            names the file and the array.
    """
    gallery, rows = images_of(rows), captions_of(rows)
    caption_ids, image_ids = rows.caption_id.to_numpy(), gallery.image_id.to_numpy()
    found = read_arrays(path, "similarities or embeddings", HOW)
    data = found if isinstance(found, dict) else {"similarity": found}
    texts = _order(path, data.get("caption_ids"), caption_ids, "caption_ids")
    images = _order(path, data.get("image_ids"), image_ids, "image_ids")
    if "similarity" in data:
        matrix = _real(path, "similarity", data["similarity"])
        _expect(path, "similarity", matrix.shape, (len(rows), len(gallery)))
        _check_range(path, matrix)
    elif {"text", "image"} <= data.keys():
        text, image = (_unit(path, name, data[name]) for name in ("text", "image"))
        _expect(path, "text", text.shape, (len(rows), image.shape[1]))
        _expect(path, "image", image.shape, (len(gallery), image.shape[1]))
        matrix = text @ image.T
    else:
        names = f"arrays {', '.join(sorted(data))}"
        raise InputError(str(path), names, "`text` and `image`, or `similarity`", HOW)
    if texts is not None or images is not None:
        orders = zip(matrix.shape, (texts, images), strict=True)
        places = [np.arange(count) if order is None else order for count, order in orders]
        matrix = np.asarray(matrix)[np.ix_(*places)]  # one copy, not one for the rows and one for the columns
    return GivenScores(MatrixScores(matrix), image_ids, gallery.pid.to_numpy(), caption_ids, rows.pid.to_numpy())


def _real(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "fiu":
        found = f"{name} of {array.dtype}"
        raise InputError(str(path), found, "real numbers (float16 to float64, or integers)", HOW)
    return array


def _check_range(path: Path, matrix: np.ndarray) -> None:
    """Finite numbers; those beyond a cosine's range are taken, with a line that says what that means."""
    low, high = np.inf, -np.inf
    for block in blocks(MatrixScores(matrix)):
        if not np.isfinite(block).all():
            found = "similarity with values that are not finite"
            raise InputError(str(path), found, "finite similarities", "Look for NaN in the model.")
        low, high = min(low, block.min(initial=low)), max(high, block.max(initial=high))
    if high > 1.01 or low < -1.01:
        announce(f"{path}: similarities from {low:.3g} to {high:.3g}; THI sets a confirmed image to 1: give cosines")


def _order(path: Path, ids: np.ndarray | None, wanted: np.ndarray, name: str) -> np.ndarray | None:
    """Places of the wanted ids among the given ones; None where they are in that order already."""
    if ids is None:
        return None
    whole = ids.dtype.kind in "iu" or (
        ids.dtype.kind == "f" and np.isfinite(ids).all() and (ids == np.floor(ids)).all()
    )
    if not whole or ids.ndim != 1:
        found = f"{name} of {ids.dtype}, shape {ids.shape}"
        expected = f"a list of {len(wanted)} whole numbers, those of the pairs table"
        raise InputError(str(path), found, expected, f"Take the column {name[:-1]} of results/pairs/*.parquet.")
    if np.array_equal(ids, wanted):
        return None
    place = {int(i): k for k, i in enumerate(ids)}
    absent = [int(i) for i in wanted if int(i) not in place]
    if absent or len(ids) != len(wanted):
        found = f"{len(ids)} {name}, of which {len(absent)} of the split's {len(wanted)} are missing"
        raise InputError(
            str(path), found, "exactly those of the pairs table", "Export this split's captions and images."
        )
    return np.array([place[int(i)] for i in wanted])


def _expect(path: Path, name: str, found: tuple, expected: tuple) -> None:
    if tuple(found) != expected:
        remedy = "One row a caption, one column an image, in the order of results/pairs/*.parquet."
        raise InputError(str(path), f"{name} of shape {tuple(found)}", f"{expected}", remedy)


def _unit(path: Path, name: str, rows: np.ndarray) -> np.ndarray:
    """Embeddings (N, D) at length 1; scaled first, so that no square overflows."""
    rows = np.asarray(_real(path, name, rows), dtype=np.float64)
    if rows.ndim != 2:
        raise InputError(str(path), f"{name} of shape {rows.shape}", "(rows, D)", HOW)
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0)
    if not (largest > 0).all() or not np.isfinite(largest).all():
        raise InputError(str(path), f"{name} with rows of length 0 or NaN", "embeddings", "Look into the model.")
    rows = rows / largest
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def open_scores(folder: Path, split: str, rows: pd.DataFrame) -> Embeddings | GivenScores:
    """A split's scores below `results/embeddings`: embeddings of a retriever that ran here, or those given."""
    own = folder / f"{split}.npz"
    if own.exists():
        if "image_bge" in array_names(own):
            return Embeddings.load(own)
    return read_given(own if own.exists() else folder / f"{split}.npy", rows)
