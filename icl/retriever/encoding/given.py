"""Somebody's own retriever, given by its embeddings or its similarity matrix: torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from icl.data.pairs import captions_of, images_of
from icl.errors import InputError
from icl.ranking.scores import MatrixScores, Scores
from icl.retriever.encoding.vectors import Embeddings


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
        path: .npy: float matrix (captions, images). .npz: `text` (captions, D) and `image` (images, D), of any length;
            or `similarity`; with `caption_ids` and `image_ids` where their order is not the pairs table's.
        rows: pairs table of the split.

    Raises:
        InputError: sizes or ids are not the split's, or a value is not finite.
    """
    gallery, rows = images_of(rows), captions_of(rows)
    caption_ids, image_ids = rows.caption_id.to_numpy(), gallery.image_id.to_numpy()
    data = {"similarity": np.load(path, mmap_mode="r")} if path.suffix == ".npy" else dict(np.load(path))
    texts = _order(path, data.get("caption_ids"), caption_ids, "caption_ids")
    images = _order(path, data.get("image_ids"), image_ids, "image_ids")
    if "similarity" in data:
        matrix = data["similarity"]
        _expect(path, "similarity", matrix.shape, (len(rows), len(gallery)))
    elif {"text", "image"} <= data.keys():
        text, image = (_unit(path, name, data[name]) for name in ("text", "image"))
        _expect(path, "text", text.shape, (len(rows), image.shape[-1]))
        _expect(path, "image", image.shape, (len(gallery), image.shape[-1]))
        matrix = text @ image.T
    else:
        found = f"arrays {', '.join(sorted(data))}"
        raise InputError(str(path), found, "`text` and `image`, or `similarity`", "Write those; the README says how.")
    if texts is not None or images is not None:
        every = slice(None)
        matrix = np.asarray(matrix)[every if texts is None else texts][:, every if images is None else images]
    if not np.isfinite(matrix).all():
        raise InputError(str(path), "values that are not finite", "finite similarities", "Look for NaN in the model.")
    return GivenScores(MatrixScores(matrix), image_ids, gallery.pid.to_numpy(), caption_ids, rows.pid.to_numpy())


def _order(path: Path, ids: np.ndarray | None, wanted: np.ndarray, name: str) -> np.ndarray | None:
    """Places of the wanted ids among the given ones; None where they are in that order already."""
    if ids is None or np.array_equal(ids, wanted):
        return None
    place = {int(i): k for k, i in enumerate(ids)}
    absent = [int(i) for i in wanted if int(i) not in place]
    if absent or len(place) != len(wanted):
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
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    if not (lengths > 0).all():
        raise InputError(str(path), f"{name} with rows of length 0 or NaN", "embeddings", "Look into the model.")
    return (rows / lengths).astype(np.float32)


def open_scores(folder: Path, split: str, rows: pd.DataFrame) -> Embeddings | GivenScores:
    """A split's scores below `results/embeddings`: embeddings of a retriever that ran here, or those given."""
    own = folder / f"{split}.npz"
    if own.exists():
        with np.load(own) as data:
            if "image_bge" in data:
                return Embeddings.load(own)
    return read_given(own if own.exists() else folder / f"{split}.npy", rows)
