"""The noise study: how CCD finds permuted captions, epoch by epoch, and what training gains by it and by each loss."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from icl.markup import markdown
from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import EmbeddingScores, blocks
from icl.report.paper import METRICS
from icl.report.words import words
from icl.retriever.encoding.vectors import Embeddings

DIVISION = ("ccd_precision", "ccd_recall", "ccd_auroc")
ALONE = ("bge_rank1", "bge_map", "tse_rank1", "tse_map")
EPOCHS = ("last_rank1", "last_map", "best_rank1", "best_map")


def noise_tables(
    histories: list[Path], metrics: list[Path], embeddings: list[Path], methods: dict[str, tuple[float, str]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(a line a trained retriever, a line an epoch of it).

    Metrics are those of the epoch that val selects; `bge_*` and `tse_*` of its embeddings alone; `last_*` of the last epoch and
    `best_*` of the one with the highest Rank-1 on test, which published tables report.

    Args:
        histories: .../<benchmark>/<method>/seed<n>/history.csv. metrics: .../<benchmark>/<method>/seed<n>/test.json.
        embeddings: .../<benchmark>/<method>/seed<n>, folders. methods: (noise rate, variant) by method.
    """
    lines, epochs = [], []
    for history, metric, folder in zip(histories, metrics, embeddings, strict=True):
        benchmark, method, seed = history.parts[-4:-1]
        rate, variant = methods[method]
        key = {"benchmark": benchmark, "noise": rate, "variant": variant, "seed": int(seed.removeprefix("seed"))}
        course = pd.read_csv(history).assign(**key)
        found = json.loads(metric.read_text())
        line = {**key, **{name: found[name] for name in METRICS}, **_alone(Embeddings.load(folder / "test.npz"))}
        lines.append(line | _by_epoch(course))
        names = [name for name in (*DIVISION, "val_rank1", "val_map", "test_rank1", "test_map") if name in course]
        epochs.append(course[[*key, "epoch", *names]])
    return pd.DataFrame(lines), pd.concat(epochs, ignore_index=True)


def _alone(found: Embeddings) -> dict[str, float]:
    """Rank-1 and mAP of one embedding alone; nothing for TSE where there is none."""
    out: dict[str, float] = {}
    for name, text, image in (("bge", found.text_bge, found.image_bge), ("tse", found.text_tse, found.image_tse)):
        if image.shape[1]:
            scores = EmbeddingScores((text,), (image,))
            metrics = retrieval_metrics(blocks(scores), found.text_pids, found.image_pids)
            out |= {f"{name}_rank1": metrics.rank1, f"{name}_map": metrics.map}
    return out


def _by_epoch(course: pd.DataFrame) -> dict[str, float]:
    best = course.loc[course.test_rank1.idxmax()]
    pairs = (("last", course.iloc[-1]), ("best", best))
    return {f"{name}_{metric}": float(row[f"test_{metric}"]) for name, row in pairs for metric in ("rank1", "map")}


def noise_text(table: pd.DataFrame, epochs: pd.DataFrame) -> str:
    """Both tables as Markdown: means over seeds."""
    numbers = [name for name in (*METRICS, *ALONE, *EPOCHS) if name in table]
    means = table.groupby(["benchmark", "noise", "variant"], sort=False)[numbers].mean().reset_index()
    divided = epochs[(epochs.variant != "noccd") & (epochs.epoch > 1)]
    names = [name for name in DIVISION if name in divided]  # none after a single epoch, which no division precedes
    course = divided.groupby(["benchmark", "noise", "variant", "epoch"], sort=False)[names].mean().reset_index()
    parts = [found.map(lambda cell: markdown(words(cell, 2))) for found in (means, course)]
    parts = [part.to_markdown(index=False, disable_numparse=True) for part in parts]
    return "# Noise study: a share of the training captions permuted\n\n" + "\n\n".join(parts) + "\n"
