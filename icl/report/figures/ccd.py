"""What CCD divides: the losses of the training pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from icl.report.figures.base import Place
from icl.report.style import BLUE, COLUMN, ORANGE, new_figure


def ccd_mixture(division: pd.DataFrame) -> Figure:
    """Losses of the training pairs under both embeddings, by CCD's label.

    Args:
        division: the `ccd.parquet` of a training.
    """
    figure, axes = new_figure(1, 2, width=2 * COLUMN, sharey=True)
    if "loss_bge" not in division:
        axes[0].set_title("nothing was divided (retriever.ccd: false)")
        return figure
    for axis, name in zip(axes, ("bge", "tse"), strict=True):
        values = division[f"loss_{name}"]
        bins = np.linspace(values.min(), values.max(), 40)
        for label, colour, hatch, title in ((1, BLUE, "", "clean"), (0, ORANGE, "////", "noisy")):
            chosen = values[division.label == label]
            face = dict(color=colour, alpha=0.65, hatch=hatch, edgecolor="white", linewidth=0.2)
            axis.hist(chosen, bins, label=f"called {title} ({len(chosen)})", **face)
        axis.set(xlabel=f"loss under {name.upper()}")
        axis.legend()
    axes[0].set_ylabel("pairs")
    return figure


def draw(paths: list[Path], place: Place) -> Figure:
    """From the last division of a training."""
    return ccd_mixture(pd.read_parquet(paths[0]))
