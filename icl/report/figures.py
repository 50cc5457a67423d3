"""The figures of the paper that show numbers, and those it lacks; each reads what one stage left."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import gaussian_kde

from icl.report.style import BLUE, COLUMN, GREEN, GREY, ORANGE, new_figure


def similarity_density(records: list[dict], xi: float):
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


def sweeps(found: dict):
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


def rounds(found: dict):
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


def ccd_mixture(division: pd.DataFrame):
    """Losses of the training pairs under both embeddings, by CCD's label.

    Args:
        division: the `ccd.parquet` of a training.
    """
    figure, axes = new_figure(1, 2, width=2 * COLUMN, sharey=True)
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


def calibration(found: dict):
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


def noise_study(epochs: pd.DataFrame):
    """mAP on val, and CCD's AUROC, over the epochs of the noise study.

    Args:
        epochs: lines of `noise_epochs.csv` of one benchmark.
    """
    figure, axes = new_figure(1, 2, width=2 * COLUMN)
    looks = [(BLUE, "-o"), (ORANGE, "--s"), (GREEN, "-o"), (GREY, "--s")]
    for ((noise, ccd), group), (colour, line) in zip(epochs.groupby(["noise", "ccd"]), looks, strict=False):
        mean, name = group.groupby("epoch").mean(numeric_only=True), f"{noise:.0%} noise, {'with' if ccd else 'no'} CCD"
        if mean.get("val_map", pd.Series(dtype=float)).notna().any():  # none without a val split
            axes[0].plot(mean.index, mean["val_map"], line, color=colour, label=name)
        if ccd:
            axes[1].plot(mean.index, mean["ccd_auroc"], line, color=colour, label=name)
    axes[0].set(xlabel="epoch", ylabel="mAP on val")
    axes[1].set(xlabel="epoch", ylabel="AUROC of CCD's doubt")
    for axis in axes:
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend()
    return figure
