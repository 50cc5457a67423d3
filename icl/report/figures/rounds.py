"""Figure 6: what each round of THI gains and asks."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from icl.report.figures.base import Place
from icl.report.style import BLUE, COLUMN, GREEN, ORANGE, new_figure


def rounds(found: dict) -> Figure:
    """Figure 6: mAP and Rank-1 after each round, and the questions that each round asks."""
    figure, axes = new_figure(1, 2, width=2 * COLUMN)
    table = pd.DataFrame(found["rounds"])
    axes[0].plot(table["round"], table["rank1"], "-o", color=BLUE, label="Rank-1")
    axes[0].plot(table["round"], table["map"], "--s", color=ORANGE, label="mAP")
    axes[0].set(xlabel="rounds", ylabel="percent", xticks=table["round"])
    axes[0].legend()
    later = table[table["round"] > 0]
    axes[1].bar(later["round"] - 0.2, later["calls"], 0.4, color=BLUE, label="questions (T_loc)")
    new = later["refined"].to_numpy() - table["refined"].to_numpy()[:-1]
    axes[1].bar(later["round"] + 0.2, new, 0.4, color=GREEN, hatch="//", edgecolor="white", label="queries refined")
    axes[1].set(xlabel="round", ylabel="count", xticks=later["round"])
    axes[1].legend()
    return figure


def draw(paths: list[Path], place: Place) -> Figure:
    """From the sweeps of one row."""
    return rounds(json.loads(paths[0].read_text()))
