"""Every way to re-rank, with what it costs: at query time by question and token, and at index time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from icl.ranking.measure import rank1_interval
from icl.report.tables import parameters_told
from icl.report.words import NOTHING
from icl.rerank.ways import WAYS
from icl.workflow.methods import Row
from icl.workflow.rows import TRANSFERRED_BEYOND, beyond, transfers
from icl.workflow.settings import Settings
from icl.workflow.timed import TABLES, read_timings

METRICS = ("rank1", "map", "minp")
TASKS = ("localise", "vqa", "aggregate")
TOKENS = ("prompt_tokens", "answer_tokens")


def beyond_table(settings: Settings, results: Path) -> pd.DataFrame:
    """One line a (benchmark, method, seed).

    Columns:
        rank1, map, minp in percent, with the 95% interval of Rank-1. *_questions, prompt_tokens, answer_tokens: a query.
        seconds_per_query: median pass. index_*: once for the whole gallery, by the MLLM. parameters, selection: chosen how.
    """
    timings = read_timings(settings, results, *TABLES)
    return pd.DataFrame([_line(settings, results, timings, *line) for line in beyond(settings)])


def _line(
    settings: Settings, results: Path, timings: dict[str, dict], dataset: str, method: str, row: Row, seed: int
) -> dict:
    found = _read(results / row.metrics(dataset, seed))
    low, high = rank1_interval(found, settings.bootstrap)
    line = {"benchmark": dataset, "method": method, "seed": seed, "rank1": found["rank1"]}
    line |= {"rank1_low": low, "rank1_high": high, "map": found["map"], "minp": found["minp"]}
    spent, queries = found.get("spent", {}), found["queries"]
    line |= {f"{task}_questions": spent.get(task, {}).get("questions", 0) / queries for task in TASKS}
    line |= {name: sum(kind[name] for kind in spent.values()) / queries for name in TOKENS}
    line["seconds_per_query"] = timings[row.folder(dataset, seed)]["seconds_per_query"] if row.way else 0.0
    line |= _index(results, dataset, row)
    return line | {"parameters": parameters_told(found), "selection": found.get("selection", "")}


def _index(results: Path, dataset: str, row: Row) -> dict:
    """What the gallery's captions cost once."""
    names = ("questions", *TOKENS, "seconds")
    if row.way is None or not WAYS[row.way].described:
        return dict.fromkeys((f"index_{name}" for name in names), 0)
    spent = _read(results / "captions" / dataset / "test" / "cost.json")["spent"]
    return {f"index_{name}": sum(kind[name] for kind in spent.values()) for name in names}


def beyond_transfers(settings: Settings, results: Path) -> pd.DataFrame:
    """Rank-1, mAP and mINP of some rows on every pair of benchmarks: one line a (source, target, method, seed)."""
    lines = []
    for source, target, method, row, seed in transfers(settings, TRANSFERRED_BEYOND):
        found = _read(results / row.metrics(target, seed))
        line = {"source": source, "target": target, "method": method, "seed": seed}
        lines.append(line | {name: found[name] for name in METRICS})
    return pd.DataFrame(lines, columns=["source", "target", "method", "seed", *METRICS])


def beyond_sheet(table: pd.DataFrame) -> pd.DataFrame:
    """The same for readers: means over seeds; costs are a query's, and the index's once for the gallery."""
    rows = []
    for (benchmark, method), group in table.groupby(["benchmark", "method"], sort=False):
        line = group.mean(numeric_only=True)
        row = {"Benchmark": benchmark, "Method": method}
        row |= {"Rank-1": f"{line.rank1:.1f}", "mAP": f"{line['map']:.1f}", "mINP": f"{line.minp:.1f}"}
        row["95% of Rank-1"] = f"{line.rank1_low:.1f} to {line.rank1_high:.1f}"
        row |= {
            name: _cost(line[f"{task}_questions"])
            for name, task in zip(("T_loc", "T_vqa", "T_aggr"), TASKS, strict=True)
        }
        row |= {"tokens read": _cost(line.prompt_tokens, 0), "tokens written": _cost(line.answer_tokens)}
        row["seconds"] = _cost(line.seconds_per_query, 4)
        row |= {
            "index questions": _cost(line.index_questions, 0),
            "index tokens written": _cost(line.index_answer_tokens, 0),
        }
        row["index seconds"] = _cost(line.index_seconds)
        rows.append(row | {"chosen": " / ".join(dict.fromkeys(group.parameters)) or NOTHING})
    return pd.DataFrame(rows)


def bounds_sheet(paths: Iterable[str]) -> pd.DataFrame:
    """Means over seeds of what the judges of `icl.rerank.bounds` give.

    Args:
        paths: `bounds/<benchmark>/seed<n>.csv`.
    """
    table = pd.concat([pd.read_csv(path).assign(benchmark=Path(path).parent.name) for path in paths])
    means = table.groupby(["benchmark", "judge", "row"], sort=False)[list(METRICS)].mean().reset_index()
    names = {
        "benchmark": "Benchmark",
        "judge": "Judge",
        "row": "Method",
        "rank1": "Rank-1",
        "map": "mAP",
        "minp": "mINP",
    }
    return means.rename(columns=names).map(lambda cell: cell if isinstance(cell, str) else f"{cell:.1f}")


def _cost(value: float, digits: int = 1) -> str:
    return f"{value:.{digits}f}" if value and pd.notna(value) else NOTHING  # a replay has no seconds


def _read(path: Path) -> dict:
    return json.loads(path.read_text())
