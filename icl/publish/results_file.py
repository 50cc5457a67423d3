"""A run's results as one JSON file, with each query's values and the run's provenance: what a leaderboard is made of."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd

from icl.data.pairs import read_pairs, split_of
from icl.errors import InputError
from icl.publish.frozen import title_of, version_of
from icl.ranking.measure import PER_QUERY, read_measured, values_of
from icl.report.paper import METRICS
from icl.workflow.methods import Row
from icl.workflow.provenance import digest, provenance
from icl.workflow.rows import rows
from icl.workflow.settings import Settings
from icl.workflow.stages import benchmark_part
from icl.workflow.timed import read_timings

FORMAT = "icl-results/1"
COSTS = ("questions", "read_tokens", "written_tokens", "seconds")
"""What a row costs a query: MLLM questions, tokens read and written, seconds by the clock; null where unknown."""
TOLERANCE = 0.01
"""Percent by which a stated metric may differ from the mean of its queries."""


def results_file(settings: Settings, results: Path, name: str) -> dict:
    """All rows of a run's table.

    Args:
        results: folder of the stages' outputs. name: how the leaderboard calls them.
    """
    timings = read_timings(settings, results, "table")
    found = [_row(results, timings, *line) for line in rows(settings)]
    benchmarks = {dataset: _benchmark(settings, results, dataset) for dataset in settings.tabled}
    return {"format": FORMAT, "name": name, "benchmarks": benchmarks, "rows": found, "provenance": provenance(settings)}


def _benchmark(settings: Settings, results: Path, dataset: str) -> dict:
    test = split_of(read_pairs(results / "pairs" / f"{dataset}.parquet"), "test")
    queries = test[["image_id", "caption_id", "pid", "caption"]].fillna("").values.tolist()
    known = version_of(benchmark_part(settings, dataset)) if settings.datasets[dataset].generator else None
    return {"version": title_of(known) if known else "", "test_sha256": digest(queries)}


def _row(results: Path, timings: dict[str, dict], dataset: str, method: str, row: Row, seed: int) -> dict:
    measured = read_measured(results / row.metrics(dataset, seed))
    cost: dict[str, float | None] = dict.fromkeys(COSTS, 0.0)
    if row.way:
        count, spent = measured["queries"], measured["spent"].values()
        cost["questions"] = sum(measured["calls"].values()) / count
        cost["read_tokens"] = sum(kind["prompt_tokens"] for kind in spent) / count
        cost["written_tokens"] = sum(kind["answer_tokens"] for kind in spent) / count
        cost["seconds"] = timings[row.folder(dataset, seed)]["seconds_per_query"]
    return {
        "benchmark": dataset,
        "method": method,
        "seed": seed,
        "sees_target": False,
        "metrics": {metric: measured[metric] for metric in METRICS},
        "cost_per_query": cost,
        "per_query": measured["per_query"],
    }


def read_results(path: Path) -> dict:
    """A results file of anybody's, checked.

    Raises:
        InputError: no such file, another format, a field missing or of a wrong kind, a metric that its queries do not give.
    """
    remedy = "Write it with the target `results_file`, or mend it by docs/dataset.md."
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(str(path), f"no readable JSON ({error})", f"a file of the format {FORMAT}", remedy) from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        said = repr(found.get("format")) if isinstance(found, dict) else type(found).__name__
        raise InputError(str(path), f"format {said}", FORMAT, remedy)
    for field, kind in (("name", str), ("benchmarks", dict), ("rows", list), ("provenance", dict)):
        if not isinstance(found.get(field), kind):
            raise InputError(f"{path}, field {field}", repr(found.get(field))[:60], f"a {kind.__name__}", remedy)
    for number, row in enumerate(found["rows"]):
        try:
            _check(row, found["benchmarks"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{type(error).__name__}: {error}"
            raise InputError(f"{path}, row {number}", what, f"a row of the format {FORMAT}", remedy) from error
    return found


def _check(row: dict, benchmarks: dict) -> None:
    """Raise ValueError, KeyError or TypeError where a row is none."""
    if (
        not isinstance(row["method"], str)
        or not isinstance(row["seed"], int)
        or not isinstance(row["sees_target"], bool)
    ):
        raise TypeError("method, seed and sees_target are a text, a whole number, and true or false")
    if not isinstance(benchmarks[row["benchmark"]]["test_sha256"], str):
        raise TypeError("test_sha256 is a text")
    each = row["per_query"]
    if len({len(each[name]) for name in PER_QUERY}) != 1 or not each["identity"]:
        raise ValueError("per_query holds lists of one length, a value a query")
    first = np.array(each["first"])
    shares = np.array([each["average_precision"], each["inp"]], dtype=float)
    if first.dtype.kind != "i" or (first < 1).any() or not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError("ranks are whole numbers from 1, average precisions and inverse negative penalties shares")
    for name, values in values_of(row).items():
        stated = float(row["metrics"][name])
        if not abs(stated - 100 * values.mean()) <= TOLERANCE:
            raise ValueError(f"{name} {stated} is not the mean of its queries, {100 * values.mean():.2f}")
    for name in COSTS:
        cost = row["cost_per_query"][name]
        if cost is not None and not (math.isfinite(float(cost)) and cost >= 0):
            raise ValueError(f"{name} {cost}")


def frame(files: list[dict]) -> pd.DataFrame:
    """One line a (file, benchmark, method): its seeds' rows together.

    Columns: name, benchmark, version, test (digest), method, sees_target, seeds, costs, identities (Q,), values: metric to
    (Q,) means over seeds.
    """
    lines: dict[tuple, dict] = {}
    for number, found in enumerate(files):
        for row in found["rows"]:
            known = found["benchmarks"][row["benchmark"]]
            key = (number, row["benchmark"], row["method"])
            line = lines.setdefault(key, {"rows": [], "name": found["name"], "method": row["method"]})
            line |= {"benchmark": row["benchmark"], "version": known["version"], "test": known["test_sha256"]}
            line["rows"].append(row)
    out = []
    for line in lines.values():
        group = line.pop("rows")
        each = [values_of(row) for row in group]
        line |= {"seeds": len(group), "sees_target": any(row["sees_target"] for row in group)}
        line["identities"] = np.array(group[0]["per_query"]["identity"])
        line["values"] = {name: np.mean([values[name] for values in each], axis=0) for name in each[0]}
        for name in COSTS:
            costs = [row["cost_per_query"][name] for row in group]
            line[name] = None if None in costs else float(np.mean(costs))
        out.append(line)
    return pd.DataFrame(out)
