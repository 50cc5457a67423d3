"""Several drawings of the generated benchmarks, each a results folder of the target `beyond`: do the rows' differences hold?

    python -m icl.report.draws results/draw1 results/draw2 results/draw3 results/draws

A drawing is another seed of the data: other people, pictures and captions of the same kind, and models trained on them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from icl.errors import InputError
from icl.ranking.measure import BOOTSTRAP_SEED
from icl.ranking.significance import holm, paired_test
from icl.report.beyond import METRICS
from icl.report.paper_tables import NAMES, read_table, write_table
from icl.report.titles import TABLES
from icl.workflow.methods import ROWS

COMPARED = (
    ("ICL+Captions+Evidence", "ICL+THI"),
    ("ICL+Evidence", "ICL+THI"),
    ("ICL+Evidence (sequential)", "ICL+THI"),
    ("ICL+Anchors", "ICL+THI"),
    ("ICL+Evidence", "ICL+Yes"),
    ("ICL+Captions", "ICL"),
    ("ICL+THI", "ICL"),
    ("ICL", "RDE"),
)
"""Rows whose difference is tested: (method, the one it is compared with)."""
SAMPLES = 2000
"""Bootstrap samples of the intervals."""


def rows_table(folders: list[Path]) -> pd.DataFrame:
    """Each row's mean over drawings, and its spread over drawings (data and training) and over training seeds of a drawing.

    The second is empty where every drawing was trained with one seed.
    """
    tables = [_read(folder, "beyond.csv").assign(draw=n) for n, folder in enumerate(folders)]
    table, out = pd.concat(tables), []
    for (benchmark, method), group in table.groupby(["benchmark", "method"], sort=False):
        row = {"Benchmark": benchmark, "Method": method, "Drawings": group.draw.nunique()}
        for name in METRICS:
            means = group.groupby("draw")[name].mean()
            inside = group.groupby("draw")[name].var().mean()
            row[NAMES[name]] = f"{means.mean():.1f}"
            row[f"{NAMES[name]} sd (drawings)"] = f"{means.std():.1f}"
            row[f"{NAMES[name]} sd (training seeds)"] = "" if pd.isna(inside) else f"{inside**0.5:.1f}"
        for name in ("prompt_tokens", "answer_tokens"):
            row[name.replace("_", " ")] = f"{group[name].mean():.1f}"
        out.append(row)
    return pd.DataFrame(out)


def tests_table(folders: list[Path]) -> pd.DataFrame:
    """Differences of rows over all drawings: identities of all of them are drawn and exchanged; p is Holm-adjusted.

    Raises:
        InputError: a folder is not of the target `beyond`.
    """
    benchmarks = sorted(set(_read(folders[0], "beyond.csv").benchmark))
    lines: list[dict] = []
    values: dict = {}
    identities: dict = {}
    for benchmark in benchmarks:
        for pair in COMPARED:
            for name in METRICS:
                left, right = (_per_query(folders, benchmark, method, name) for method in pair)
                lines.append({"Benchmark": benchmark, "Row": pair[0], "against": pair[1], "Metric": NAMES[name]})
                values.setdefault(benchmark, []).append(left - right)
        identities[benchmark] = _identities(folders, benchmark)
    found = [paired_test(np.array(values[b]), identities[b], SAMPLES, BOOTSTRAP_SEED) for b in benchmarks]
    mean, low, high, p = (np.concatenate([getattr(f, name) for f in found]) for name in ("mean", "low", "high", "p"))
    table = pd.DataFrame(lines)
    table["Difference"] = [f"{100 * m:+.1f}" for m in mean]
    table["95%"] = [f"{100 * a:+.1f} to {100 * b:+.1f}" for a, b in zip(low, high, strict=True)]
    table["p"] = [f"{value:.4f}" for value in p]
    table["p (Holm)"] = [f"{value:.4f}" for value in holm(p)]
    return table


def pairs_table(folders: list[Path], one: str = "ICL+Captions+Evidence", other: str = "ICL+THI") -> pd.DataFrame:
    """Gain of one row over another on every pair of benchmarks: the mean over drawings, and the least of them."""
    table = pd.concat([_read(folder, "beyond_transfers.csv").assign(draw=n) for n, folder in enumerate(folders)])
    means = table.groupby(["source", "target", "draw", "method"], sort=False)[list(METRICS)].mean()
    gain = means.xs(one, level="method") - means.xs(other, level="method")
    out = []
    for (source, target), group in gain.groupby(level=["source", "target"], sort=False):
        row = {"Source": source, "Target": target, "Row": one, "against": other}
        for name in METRICS:
            row[NAMES[name]] = f"{group[name].mean():+.1f}"
            row[f"{NAMES[name]}, least"] = f"{group[name].min():+.1f}"
        out.append(row)
    return pd.DataFrame(out)


def _metrics(folder: Path, benchmark: str, method: str) -> list[dict]:
    """One a training seed."""
    row = ROWS[method]
    pattern = row.metrics(benchmark, 0).replace("seed0", "seed*")
    return [json.loads(path.read_text()) for path in sorted(folder.glob(pattern))]


def _per_query(folders: list[Path], benchmark: str, method: str, name: str) -> np.ndarray:
    """(Q,) of all drawings' queries, one after the other, each the mean over training seeds."""
    parts = []
    for folder in folders:
        seeds = [found["per_query"] for found in _metrics(folder, benchmark, method)]
        key = {"rank1": "first", "map": "average_precision", "minp": "inp"}[name]
        values = np.array([each[key] for each in seeds], dtype=float)
        parts.append((values == 1 if name == "rank1" else values).mean(0))
    return np.concatenate(parts)


def _identities(folders: list[Path], benchmark: str) -> np.ndarray:
    """(Q,) of the same queries; those of two drawings are different people, whatever their numbers."""
    parts = [np.array(_metrics(folder, benchmark, "ICL")[0]["per_query"]["identity"]) for folder in folders]
    return np.unique(np.array([(n, pid) for n, part in enumerate(parts) for pid in part]), axis=0, return_inverse=True)[
        1
    ]


def _read(folder: Path, name: str) -> pd.DataFrame:
    if not (folder / name).is_file():
        remedy = "Run `make draws`, which makes each of them."
        raise InputError(str(folder), f"no {name}", "a results folder of the target `beyond`", remedy)
    return read_table(folder / name)


def main(folders: list[Path], out: Path) -> None:
    """Write draws, draw_tests and draw_pairs below `out`."""
    for name, table in (
        ("draws", rows_table(folders)),
        ("draw_tests", tests_table(folders)),
        ("draw_pairs", pairs_table(folders)),
    ):
        write_table(table, out / name, TABLES[name])
        print((out / name).with_suffix(".md").read_text())


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main([Path(name) for name in sys.argv[1:-1]], Path(sys.argv[-1]))
    except InputError as error:
        sys.exit(f"ERROR {error}")
