"""The noise study: how CCD finds permuted captions, epoch by epoch, and what training gains by it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from icl.markup import markdown
from icl.report.paper import METRICS

DIVISION = ("ccd_precision", "ccd_recall", "ccd_auroc")


def noise_tables(
    histories: list[Path], metrics: list[Path], methods: dict[str, tuple[float, bool]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(a line a trained retriever, a line an epoch of it).

    Args:
        histories: .../<benchmark>/<method>/seed<n>/history.csv. metrics: .../<benchmark>/<method>/seed<n>/test.json.
        methods: (noise rate, with CCD) by method.
    """
    lines, epochs = [], []
    for history, metric in zip(histories, metrics, strict=True):
        benchmark, method, seed = history.parts[-4:-1]
        rate, ccd = methods[method]
        key = {"benchmark": benchmark, "noise": rate, "ccd": ccd, "seed": int(seed.removeprefix("seed"))}
        course = pd.read_csv(history).assign(**key)
        found = json.loads(metric.read_text())
        lines.append({**key, **{name: found[name] for name in METRICS}})
        epochs.append(course[[*key, "epoch", *(n for n in (*DIVISION, "val_rank1", "val_map") if n in course)]])
    return pd.DataFrame(lines), pd.concat(epochs, ignore_index=True)


def noise_text(table: pd.DataFrame, epochs: pd.DataFrame) -> str:
    """Both tables as Markdown: means over seeds."""
    means = table.groupby(["benchmark", "noise", "ccd"])[list(METRICS)].mean().reset_index()
    divided = epochs[epochs.ccd & (epochs.epoch > 1)]
    names = [name for name in DIVISION if name in divided]  # none after a single epoch, which no division precedes
    course = divided.groupby(["benchmark", "noise", "epoch"])[names].mean().reset_index()
    parts = []
    for found in (means, course):
        found["benchmark"] = found.benchmark.map(markdown)
        parts.append(found.to_markdown(index=False, floatfmt=".2f", disable_numparse=[0] if len(found) else False))
    return "# Noise study: a share of the training captions permuted\n\n" + "\n\n".join(parts) + "\n"
