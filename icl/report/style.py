"""One look for all figures: column width, colours that colour-blind readers tell apart, PDF and PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import matplotlib
from matplotlib.figure import Figure

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

COLUMN = 3.35
"""Width of a column in inches."""
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#666666"
"""From Okabe and Ito's palette."""
STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.4,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "pdf.fonttype": 42,
    "svg.hashsalt": "icl",
    "text.parse_math": False,  # texts are captions and names of others: a dollar sign in them is one
    "text.usetex": False,
    "axes.formatter.use_mathtext": False,
}


def new_figure(rows: int = 1, columns: int = 1, width: float = COLUMN, height: float = 2.2, **more: Any) -> Any:
    """Figure and axes in the project's style; without rows, a figure alone."""
    plt.rcParams.update(cast(Any, STYLE))
    if not rows:
        return plt.figure(figsize=(width, height)), None
    return plt.subplots(rows, columns, figsize=(width, height), **more)


def save(figure: Figure, stem: Path) -> None:
    """Write `stem`.pdf and `stem`.png, without dates, so that equal figures are equal files."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(stem.with_suffix(".pdf"), metadata={"CreationDate": None, "ModDate": None})
    figure.savefig(stem.with_suffix(".png"), dpi=220, metadata={"Software": None})
    plt.close(figure)
