"""Calibration of T_loc before and after LoRA."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from icl.report.figures.base import Place
from icl.report.style import BLUE, GREY, ORANGE, new_figure


def calibration(found: dict) -> Figure:
    """Reliability of T_loc's Yes probability before and after LoRA; the area of a mark is its number of questions.

    Args:
        found: {judge: {"reliability": [(said, right, count)], "calibration_error"}}.
    """
    figure, axis = new_figure(height=2.6)
    axis.plot([0, 1], [0, 1], ":", color=GREY)
    looks = {"base": (ORANGE, "s", "before LoRA"), "lora": (BLUE, "o", "after LoRA")}
    for judge, (colour, mark, name) in looks.items():
        said, right, count = map(np.array, zip(*found[judge]["reliability"], strict=True))
        axis.plot(said, right, color=colour, alpha=0.5)
        error = found[judge]["calibration_error"]
        axis.scatter(said, right, 6 + 90 * count / count.sum(), colour, mark, label=f"{name} (error {error:.3f})")
    axis.set(xlabel="Yes probability", ylabel="share of true captions", xlim=(0, 1), ylim=(0, 1.02))
    axis.legend(loc="upper left")
    return figure


def draw(paths: list[Path], place: Place) -> Figure:
    """From the judge's evaluation."""
    return calibration(json.loads(paths[0].read_text()))
