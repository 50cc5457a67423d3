"""Rank-1 and mAP against the MLLM's tokens a query: every row, and the frontier that no cheaper row reaches."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from icl.report.figures.base import Place
from icl.report.paper_tables import read_table
from icl.report.style import BLUE, COLUMN, GREY, ORANGE, new_figure


def frontier(table: pd.DataFrame) -> Figure:
    """Points are numbered, best Rank-1 first; orange ones need captions of the gallery at index time.

    Args:
        table: one benchmark's lines of results/beyond.csv.
    """
    numbers = ["rank1", "map", "prompt_tokens", "answer_tokens", "index_questions"]
    means = table.groupby("method", sort=False)[numbers].mean().sort_values("rank1", ascending=False, kind="stable")
    cost = means.prompt_tokens + means.answer_tokens
    figure, axes = new_figure(1, 2, width=2.3 * COLUMN, height=3.1)
    colours = [ORANGE if index else BLUE for index in means.index_questions]
    for axis, name, label in zip(axes, ("rank1", "map"), ("Rank-1", "mAP"), strict=True):
        best = undominated(cost.tolist(), means[name].tolist())
        axis.plot(
            cost.iloc[best], means[name].iloc[best], "-", color=GREY, linewidth=0.9, drawstyle="steps-post", zorder=1
        )
        axis.scatter(cost, means[name], s=26, c=colours, zorder=2)
        for (x, y), numbers_there in places(cost, means[name]).items():
            axis.annotate(numbers_there, (x, y), xytext=(4, 3), textcoords="offset points", fontsize=7)
        axis.set(xlabel="MLLM tokens a query, read and written", ylabel=f"{label} (percent)")
    key = [f"{number}  {method}" for number, method in enumerate(means.index, 1)]
    figure.legend(
        handles=[axes[0].plot([], [], " ")[0] for _ in key],
        labels=key,
        loc="outside right center",
        handlelength=0,
        handletextpad=0,
    )
    return figure


def places(xs: pd.Series, ys: pd.Series) -> dict[tuple[float, float], str]:
    """Points and the numbers (from 1) of all that lie there: within a hundredth of either axis, they share one label."""
    found: dict[tuple[float, float], list[int]] = {}
    near_x, near_y = (0.012 * (values.max() - values.min()) for values in (xs, ys))
    for number, (x, y) in enumerate(zip(xs, ys, strict=True), 1):
        same = (at for at in found if abs(at[0] - x) <= near_x and abs(at[1] - y) <= near_y)
        found.setdefault(next(same, (x, y)), []).append(number)
    return {at: ", ".join(map(str, numbers)) for at, numbers in found.items()}


def undominated(cost: list[float], value: list[float]) -> list[int]:
    """Numbers of the points that none beats at the same cost or less, by rising cost."""
    order = sorted(range(len(cost)), key=lambda k: (cost[k], -value[k]))
    kept: list[int] = []
    for k in order:
        if not kept or value[k] > value[kept[-1]]:
            kept.append(k)
    return kept


def draw(paths: list[Path], place: Place) -> Figure:
    """From the table of all rows."""
    table = read_table(paths[0])
    return frontier(table[table.benchmark == place.dataset])
