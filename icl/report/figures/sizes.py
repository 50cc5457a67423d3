"""Rank-1 and mAP against the size of the gallery."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from icl.report.figures.base import Place
from icl.report.style import BLUE, COLUMN, GREEN, GREY, ORANGE, PURPLE, new_figure

COLOURS = (GREY, BLUE, GREEN, PURPLE, ORANGE)


def sizes(table: pd.DataFrame) -> Figure:
    """One line a row.

    Args:
        table: gallery, row, rank1, map (means over seeds are taken).
    """
    means = table.groupby(["row", "gallery"], sort=False)[["rank1", "map"]].mean().reset_index()
    figure, axes = new_figure(1, 2, width=2.1 * COLUMN, height=2.5)
    for axis, name, label in zip(axes, ("rank1", "map"), ("Rank-1", "mAP"), strict=True):
        for colour, (row, group) in zip(COLOURS, means.groupby("row", sort=False), strict=False):
            axis.plot(group.gallery, group[name], "o-", color=colour, label=row)
        axis.set(xlabel="images in the gallery", ylabel=f"{label} (percent)")
    axes[0].set_ylim(axes[0].get_ylim()[0], 100)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def draw(paths: list[Path], place: Place) -> Figure:
    """From one file a seed."""
    return sizes(pd.concat([pd.read_csv(path) for path in paths]))
