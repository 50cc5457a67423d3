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
        return [reorganize(parts, rng) for parts in self.diversity]


def read_augmented(path: Path, rows: pd.DataFrame) -> list[list[list[str]] | str]:
    """Augmented captions of the rows, in their order.

    Raises:
        InputError: a training caption has none.
    """
    table = {row["caption_id"]: row["diversity_captions"] for row in json.loads(path.read_text())}
    for caption_id in rows.caption_id:
        if caption_id not in table:
            found = f"no entry for caption {caption_id}"
            raise InputError(str(path), found, "one for every training caption", "Redo it.")
    return [table[caption_id] for caption_id in rows.caption_id]


def noise_index(count: int, rate: float, file: str, seed: int) -> np.ndarray:
    """Whose caption each pair is given (N,): its own, but for a share that is permuted.

    Args:
        rate: share of the pairs that change captions. file: a published index (.npy, N numbers), which then decides.

    Raises:
        InputError: the file is no permutation of N numbers.
    """
    if file:
        index = np.load(file, allow_pickle=False)
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
