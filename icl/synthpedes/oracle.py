"""The ceiling of a benchmark: Rank-1 of somebody who reads every photograph without a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd


def oracle_rank1(truth: Path, split: str = "test") -> float:
    """Rank-1 in percent when the gallery is ranked by the share of a caption's statements that are true of an image.

    Ties count by their expected value: the share of right images among the best.
    """
    table = pd.read_parquet(truth)
    table = table[table.split == split]
    seen = [json.loads(text) for text in table.seen]
    pids = table.pid.to_numpy()
    columns: dict[tuple[str, str], np.ndarray] = {}
    scores = []
    for said_list, pid in zip(table.said, pids, strict=True):
        for said in json.loads(said_list):
            agree = np.zeros(len(seen))
            for item in said.items():
                if item not in columns:
                    columns[item] = np.array([s[item[0]] == item[1] for s in seen], dtype=float)
                agree += columns[item]
            best = agree == agree.max()
            scores.append((best & (pids == pid)).sum() / best.sum())
    return 100 * float(np.mean(scores))
