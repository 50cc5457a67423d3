"""How tables show their cells to readers."""

from __future__ import annotations

from typing import Any

import pandas as pd

NOTHING = "-"
"""Stands where nothing was measured or printed."""


def words(cell: Any, digits: int = 4) -> str:
    """A cell as text: so many digits behind the point of a float; a dash for None, NaN and empty text."""
    if pd.isna(cell) or cell == "":
        return NOTHING
    return f"{cell:.{digits}f}" if isinstance(cell, float) else str(cell)


def spread(mean: float, deviation: float, digits: int = 2) -> str:
    """ "12.3 ± 0.4", or without a deviation where there is one seed; a dash where nothing was measured."""
    if pd.isna(mean):
        return NOTHING
    return words(float(mean), digits) + ("" if pd.isna(deviation) else f" ± {deviation:.{digits}f}")
