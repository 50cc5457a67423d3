"""Rank-1 and mAP of every row of one benchmark: the main table as a picture."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from icl.report.figures.base import Place
from icl.report.paper_tables import read_table
from icl.report.style import BLUE, COLUMN, ORANGE, new_figure


def rows_of(table: pd.DataFrame) -> Figure:
    """Means over seeds of Rank-1, with the 95% interval, and of mAP.

    Args:
        table: one benchmark's lines of results/table.csv.
    """
    means = table.groupby("method", sort=False)[["rank1", "rank1_low", "rank1_high", "map"]].mean()
    figure, axis = new_figure(width=1.6 * COLUMN, height=0.7 + 0.27 * len(means))
    lines = range(len(means))
    around = [means.rank1 - means.rank1_low, means.rank1_high - means.rank1]
    axis.errorbar(means.rank1, lines, xerr=around, fmt="o", color=BLUE, capsize=2, label="Rank-1 (95% interval)")
    axis.plot(means["map"], lines, "s", color=ORANGE, label="mAP")
    axis.set(yticks=list(lines), yticklabels=means.index, xlabel="percent", ylim=(len(means) - 0.5, -0.5))
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


def draw(paths: list[Path], place: Place) -> Figure:
    """From the results table."""
    table = read_table(paths[0])
    return rows_of(table[table.benchmark == place.dataset])
