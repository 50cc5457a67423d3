"""The paper's own figures, to stand beside measured ones (`paper_results.csv`: all numbers of its tables)."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

METRICS = ("rank1", "rank5", "rank10", "map", "minp")
#: Where the paper prints each row: (tables, method, variant). Checkpoints start from plain CLIP ("general").
_PLACES = {
    "RDE": (("table1", "table2"), "RDE", "general"),
    "RDE+THI": (("table5",), "RDE", "thi"),
    "ICL": (("table1", "table2"), "ICL", "general"),
    "ICL+THI (no LoRA)": (("table6",), "ICL", "thi+rda"),
    "ICL+THI": (("table1", "table2"), "ICL+THI", "general"),
}
_TIMES = {"ICL+THI": (("supplementary_table1",), "ICL+THI", "general")}


@cache
def _figures() -> dict[tuple[str, ...], float]:
    with (Path(__file__).parent / "paper_results.csv").open(newline="") as file:
        return {
            (r["table"], r["method"], r["variant"], r["source"], r["target"], r["metric"]): float(r["value"])
            for r in csv.DictReader(file)
        }


def paper_figure(benchmark: str, method: str, metric: str) -> float | None:
    """A number of the paper (percent; seconds for `seconds_per_query`), None where it prints none."""
    places = _TIMES if metric == "seconds_per_query" else _PLACES
    if method not in places:
        return None
    tables, name, variant = places[method]
    return _first(tables, name, variant, benchmark, benchmark, metric)


def transfer_figure(source: str, target: str, method: str, metric: str) -> float | None:
    """A number of Tables 3 and 4 (percent), None where the paper prints none."""
    return _first(("table3", "table4"), method, "general", source, target, metric)


def _first(tables: tuple[str, ...], *place: str) -> float | None:
    """The number at one place of the first table that prints it."""
    return next((_figures()[table, *place] for table in tables if (table, *place) in _figures()), None)
