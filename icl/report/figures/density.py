"""Figure 3: the similarity of right and wrong first images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import gaussian_kde

from icl.files import read_records
from icl.report.figures.base import Place
from icl.report.style import BLUE, GREY, ORANGE, new_figure


def similarity_density(records: list[dict], xi: float) -> Figure:
    """Figure 3: density of the top-1 similarity where it is right and where it is wrong.

    Args:
        records: interactions of a split, with `top1` and `rank_before`. xi: threshold to mark.
    """
    figure, axis = new_figure()
    top1 = np.array([r["top1"] for r in records])
    right = np.array([r["rank_before"] == 1 for r in records])
    grid = np.linspace(top1.min() - 0.05, top1.max() + 0.05, 200)
    for chosen, colour, line, name in ((right, BLUE, "-", "right"), (~right, ORANGE, "--", "wrong")):
        if len(set(top1[chosen])) > 1:
            density = gaussian_kde(top1[chosen])(grid)
            axis.plot(grid, density, line, color=colour, label=f"top-1 {name} ({chosen.sum()})")
            axis.fill_between(grid, density, color=colour, alpha=0.15, linewidth=0)
    axis.axvline(xi, color=GREY, linestyle=":", label=f"xi = {xi:.3f}")
    axis.set(xlabel="similarity of the first image", ylabel="density", ylim=(0, None))
    axis.legend()
    return figure


def draw(paths: list[Path], place: Place) -> Figure:
    """From the interaction record and the threshold."""
    record, xi = paths
    return similarity_density(read_records(record), json.loads(xi.read_text())["xi"])
