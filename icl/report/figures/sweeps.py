"""Figure 5: Rank-1 and mAP over xi and lambda."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from icl.report.figures.base import Place
from icl.report.style import BLUE, COLUMN, GREY, ORANGE, new_figure


def sweeps(found: dict) -> Figure:
    """Figure 5: Rank-1 and mAP over xi and over lambda; the chosen values are marked."""
    figure, axes = new_figure(1, 2, width=2 * COLUMN)
    for axis, name, label in ((axes[0], "xi", "xi"), (axes[1], "lambda", "lambda")):
        table = pd.DataFrame(found[name]).sort_values(name)
        axis.plot(table[name], table["rank1"], "-o", color=BLUE, label="Rank-1")
        axis.plot(table[name], table["map"], "--s", color=ORANGE, label="mAP")
        axis.axvline(found["chosen"][name], color=GREY, linestyle=":", label=f"chosen: {found['chosen'][name]:.3g}")
        axis.set(xlabel=label, ylabel="percent")
        axis.legend()
    return figure


def draw(paths: list[Path], place: Place) -> Figure:
    """From the sweeps of one row."""
    return sweeps(json.loads(paths[0].read_text()))
