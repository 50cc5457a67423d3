"""The noise study over the epochs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from icl.report.figures.base import Place
from icl.report.paper_tables import read_table
from icl.report.style import BLUE, COLUMN, GREEN, GREY, ORANGE, PURPLE, new_figure

LOOKS = {
    "tal": (BLUE, "with CCD"),
    "noccd": (ORANGE, "no CCD"),
    "trl": (GREEN, "TRL"),
    "infonce": (PURPLE, "InfoNCE"),
    "sdm": (GREY, "SDM"),
}
"""Colour and name by variant; the line tells the share of noise."""


def noise_study(epochs: pd.DataFrame) -> Figure:
    """mAP on val, and CCD's AUROC, over the epochs of the noise study.

    Args:
        epochs: lines of `noise_epochs.csv` of one benchmark.
    """
    figure, axes = new_figure(1, 2, width=2 * COLUMN)
    lines = dict(zip(epochs.noise.drop_duplicates(), ("-", "--", ":", "-."), strict=False))
    for (noise, variant), group in epochs.groupby(["noise", "variant"], sort=False):
        mean, name = group.groupby("epoch").mean(numeric_only=True), f"{noise:.0%} noise, {LOOKS[variant][1]}"
        colour, line = LOOKS[variant][0], f"{lines.get(noise, '-')}o"
        if mean.get("val_map", pd.Series(dtype=float)).notna().any():  # none without a val split
            axes[0].plot(mean.index, mean["val_map"], line, color=colour, label=name)
        if variant != "noccd" and "ccd_auroc" in mean:  # none after a single epoch, which no division precedes
            axes[1].plot(mean.index, mean["ccd_auroc"], line, color=colour, label=name)
    axes[0].set(xlabel="epoch", ylabel="mAP on val")
    axes[1].set(xlabel="epoch", ylabel="AUROC of CCD's doubt")
    for axis in axes:
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend()
    return figure


def draw(paths: list[Path], place: Place) -> Figure:
    """From the epochs of the noise study."""
    epochs = read_table(paths[0])
    return noise_study(epochs[epochs.benchmark == place.dataset])
