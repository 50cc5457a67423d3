"""The train split in memory: images, captions, augmented texts, and the noise of the noise study."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from icl.data.images import ImageStore
from icl.data.pairs import captions_of, images_of, split_of
from icl.errors import InputError
from icl.files import read_arrays, reason
from icl.rda.reorganize import reorganize
from icl.retriever.encoding.embeddings import open_store
from icl.retriever.model import RDE
from icl.retriever.settings import RetrieverSettings


@dataclass
class TrainingData:
    """Attributes:
    rows: pairs table of the split; `caption` is what is trained with. store: its images.
    image_rows: (N,) row of each pair's image in the store. pids: (N,).
    clean: (N,) False where the noise study gave the pair another pair's caption.
    diversity: per pair the sub-sentences' variants of its caption, or None without RDA.
    """

    rows: pd.DataFrame
    store: ImageStore
    image_rows: Tensor
    pids: Tensor
    clean: np.ndarray
    diversity: list[list[list[str]] | str] | None

    @classmethod
    def open(
        cls, settings: RetrieverSettings, pairs: pd.DataFrame, root: Path, model: RDE, augmented: Path | None, seed: int
    ) -> TrainingData:
        """Read the split; captions and their augmented texts change places together where noise is asked for."""
        rows = captions_of(split_of(pairs, "train"))
        number = {image_id: k for k, image_id in enumerate(images_of(rows).image_id)}
        image_rows = torch.tensor([number[i] for i in rows.image_id])
        source = noise_index(len(rows), settings.noise_rate, settings.noise_file, seed)
        texts = read_augmented(augmented, rows) if augmented else None
        rows = rows.assign(caption=rows.caption.to_numpy()[source])
        return cls(
            rows,
            open_store(rows, root, model),
            image_rows,
            torch.tensor(rows.pid.tolist()),
            source == np.arange(len(rows)),
            [texts[k] for k in source] if texts is not None else None,
        )

    def augmented_captions(self, seed: str) -> list[str]:
        """One augmented text for each pair, drawn anew (supplementary, section B)."""
        rng = random.Random(seed)
        return [reorganize(parts, rng) for parts in self.diversity or []]


def division_batches(order: Tensor, size: int) -> list[Tensor]:
    """Batches on which CCD's losses are taken; a last pair that is left alone joins the batch before, as a pair without
    negatives has no loss and would always pass for clean."""
    batches = list(order.split(size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def read_augmented(path: Path, rows: pd.DataFrame) -> list[list[list[str]] | str]:
    """Augmented captions of the rows, in their order.

    Raises:
        InputError: a training caption has none, or the file is damaged.
    """
    try:
        table = {row["caption_id"]: row["diversity_captions"] for row in json.loads(path.read_text())}
    except (OSError, ValueError, KeyError, TypeError) as error:
        expected = "a list of caption_id and diversity_captions"
        raise InputError(str(path), f"damaged augmented captions ({reason(error)})", expected, "Redo it.") from error
    for caption_id in rows.caption_id:
        if caption_id not in table:
            found = f"no entry for caption {caption_id}"
            raise InputError(str(path), found, "one for every training caption", "Redo it.")
    return [table[caption_id] for caption_id in rows.caption_id]


def check_splits(pairs: pd.DataFrame, selection: str) -> None:
    """That training has somebody to tell apart, and that a split which selects the checkpoint can tell epochs apart.

    Raises:
        InputError: names the split.
    """
    needed = {"train": "at least 2: one alone has no negatives"}
    if selection != "last":
        needed[selection.removeprefix("best-")] = "at least 2: one alone is always found, in every epoch"
    for split, expected in needed.items():
        rows = pairs[pairs.split == split]
        count = rows.pid.nunique()
        if count == 1 or (split == "train" and not count):
            remedy = (
                "Add identities to it."
                if split == "train"
                else "Add identities to it, or set retriever.selection: last."
            )
            raise InputError(f"split {split!r}", f"{count} identities, {len(rows)} captions", expected, remedy)


def read_noise(file: str) -> np.ndarray:
    """A published noise index.

    Raises:
        InputError: missing, damaged, or no array of whole numbers.
    """
    expected, remedy = (
        "a .npy of whole numbers",
        "Take the index of this benchmark, or leave retriever.noise_file empty.",
    )
    index = read_arrays(Path(file), expected, remedy)
    if not isinstance(index, np.ndarray) or index.dtype.kind not in "iu":
        found = f"an array of {index.dtype}" if isinstance(index, np.ndarray) else "several arrays"
        raise InputError(file, found, expected, remedy)
    return index


def noise_index(count: int, rate: float, file: str, seed: int) -> np.ndarray:
    """Whose caption each pair is given (N,): its own, but for a share that is permuted.

    Args:
        rate: share of the pairs that change captions. file: a published index (.npy, N numbers), which then decides.

    Raises:
        InputError: the file is no permutation of N numbers.
    """
    if file:
        index = read_noise(file)
        if index.shape != (count,) or not np.array_equal(np.sort(index), np.arange(count)):
            found, expected = f"an array of shape {index.shape}", f"a permutation of 0 to {count - 1}"
            raise InputError(
                file, found, expected, "Take the index of this benchmark, or leave retriever.noise_file empty."
            )
        return index.astype(np.int64)
    rng, index = np.random.default_rng(seed), np.arange(count)
    chosen = rng.choice(count, round(rate * count), replace=False)
    index[chosen] = np.roll(chosen, 1)
    return index
