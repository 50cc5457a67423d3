"""The tables of a run, from the files that its stages left: results, time per query, means over seeds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from icl.markup import markdown, markdown_table
from icl.ranking.measure import rank1_interval, read_measured
from icl.rda.augmentation import FALLBACKS
from icl.report.cost import cost_table
from icl.report.paper import METRICS, paper_figure
from icl.report.verified import incomparable, notes
from icl.report.words import spread
from icl.workflow.methods import Row
from icl.workflow.rows import CHOOSING, fallback_file, judge_files, rows
from icl.workflow.settings import Settings
from icl.workflow.timed import read_timings

CALLS = ("localise", "vqa", "aggregate")
SPLIT = ("localisation", "vqa", "aggregation", "reencoding", "reranking")

#: What a table says of `retriever.selection`.
SELECTION_RULES = {
    "best-val": "best mAP on val",
    "best-test": "best Rank-1 on test (the published protocol)",
    "last": "last",
    "given": "given",
}


def write_tables(settings: Settings, results: Path, out: dict[str, Path]) -> None:
    """Write every table.

    Args:
        results: folder of the stages' outputs.
        out: paths of table, timing, summary, judge, cost (CSV) and summary_text (Markdown).
    """
    aside = incomparable(settings, results, settings.tabled)
    timings = read_timings(settings, results, "table")
    lines = [_Line(results, settings.bootstrap, timings, *line, line[0] not in aside) for line in rows(settings)]
    table = pd.DataFrame([line.result() for line in lines])
    timing = pd.DataFrame([line.time() for line in lines if line.row.way], columns=TIMING_COLUMNS)
    judge = judge_table(settings, results)
    summary = summarise(table)
    frames = dict(table=table, timing=timing, summary=summary, judge=judge, cost=cost_table(results / "answers"))
    for name, frame in frames.items():
        frame.to_csv(out[name], index=False, float_format="%.4f")
    out["summary_text"].write_text(summary_text(summary, judge, notes(aside)))


TIMING_COLUMNS = (
    ["benchmark", "method", "seed", "seconds_per_query", "seconds_low", "seconds_high", "unsteady", "server_cache"]
    + ["paper_seconds_per_query"]
    + [f"{part}_seconds" for part in SPLIT]
    + ["p50_seconds", "p95_seconds"]
    + [f"{kind}_calls_per_query" for kind in CALLS]
    + ["passes", "own_load", "others_load", "cores", "queries", "queries_timed", "queries_timed_alone"]
)
"""Seconds are per query. The median of the passes, the fastest and the slowest of them; why the time cannot be trusted
(empty: nothing speaks against it); what a server took from its cache of prompts (empty without a server); the paper's; the
median pass by stage; p50 and p95 of queries run one by one; MLLM questions a query, over the whole split; CPU seconds a
second of the job's own process and of all others while the passes ran, and the machine's cores; queries of the split, of
each pass, and run one by one."""


class _Line:
    """One (benchmark, method, seed) and its files."""

    def __init__(
        self,
        results: Path,
        samples: int,
        timings: dict[str, dict],
        dataset: str,
        method: str,
        row: Row,
        seed: int,
        compared: bool,
    ) -> None:
        self.samples, self.timing = samples, timings.get(row.folder(dataset, seed), {})
        self.key: dict[str, Any] = {"benchmark": dataset, "method": method, "seed": seed}
        self.row, self.results, self.compared = row, results, compared
        self.retriever = results / "retriever" / dataset / row.retriever / f"seed{seed}"
        self.metrics = results / row.metrics(dataset, seed)

    def result(self) -> dict:
        """One line of the results table."""
        found = read_measured(self.metrics)
        line = dict(self.key)
        low, high = rank1_interval(found, self.samples)
        line |= {"rank1": found["rank1"], "rank1_low": low, "rank1_high": high}
        line |= {name: found[name] for name in (*METRICS[1:], "queries", "gallery")}
        line["refined_queries"] = found.get("refined")
        for kind in CALLS:
            line[f"{kind}_calls"] = found["calls"].get(kind, 0) if self.row.way else None
        line |= self._fallbacks(found)
        line["seconds_per_query"] = self.timing["seconds_per_query"] if self.row.way else None
        selection = _read(self.retriever / "selection.json")
        line["checkpoint"] = _checkpoint(selection)
        published = {} if self.row.way else selection.get("best_on_test", {})
        line |= {f"best_on_test_{name}": published.get(name) for name in ("epoch", "rank1", "map")}
        line |= self._parameters(found)
        for name in (*METRICS, "seconds_per_query"):
            line[f"paper_{name}"] = self._paper(name)
        return line

    def time(self) -> dict:
        """One line of the timing table; seconds are per query."""
        found = self.timing
        line = dict(self.key, paper_seconds_per_query=self._paper("seconds_per_query"))
        for name in ("seconds_per_query", "seconds_low", "seconds_high", "passes", "own_load", "others_load", "cores"):
            line[name] = found[name]
        line |= {name: found[name] or None for name in ("unsteady", "server_cache")}
        line |= {f"{part}_seconds": found["split"][part] for part in SPLIT}
        line |= {"p50_seconds": found["p50"], "p95_seconds": found["p95"]}
        line |= {f"{kind}_calls_per_query": found["calls"].get(kind, 0) / found["queries"] for kind in CALLS}
        timed = {"queries_timed": found["timed_together"], "queries_timed_alone": found["timed_alone"]}
        return line | {"queries": found["queries"], **timed}

    def _fallbacks(self, found: dict) -> dict:
        """Answers of THI, and of RDA on the training captions, in whose place something else stood."""
        thi, rda = found.get("fallbacks", {}), {}
        if self.row.retriever == "rda":
            rda = _read(self.results / fallback_file(self.key["benchmark"]))
        line = {f"{kind}_fallbacks": thi.get(kind) for kind in CALLS}
        return line | {f"rda_{kind}_fallbacks": rda.get(kind) for kind in FALLBACKS}

    def _parameters(self, found: dict) -> dict:
        """What the row was chosen to work with, and by which rule."""
        line: dict[str, Any] = {"parameters": None, "parameter_selection": None}
        if self.row.way not in CHOOSING:
            return line
        line["parameters"] = parameters_told(found)
        return line | {"parameter_selection": found["selection"]}

    def _paper(self, metric: str) -> float | None:
        return paper_figure(self.key["benchmark"], self.key["method"], metric) if self.compared else None


def judge_table(settings: Settings, results: Path) -> pd.DataFrame:
    """T_loc on held-out records before and after LoRA: one line a (seed, judge)."""
    lines = []
    for seed, name in zip(settings.seeds, judge_files(settings), strict=False):
        found = _read(results / name)
        for judge in ("base", "lora"):
            numbers = {name: value for name, value in found[judge].items() if name != "reliability"}
            lines.append({"seed": seed, "judge": judge, **numbers})
    return pd.DataFrame(lines)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation (n - 1) over seeds of every (benchmark, method): accuracy alone, no times."""
    names = [*METRICS, "refined_queries"]
    groups = table.groupby(["benchmark", "method"], sort=False)
    out = groups.size().rename("seeds").to_frame()
    for name in names:
        values = groups[name].agg(lambda column: pd.to_numeric(column).mean())
        out[name] = values
        out[f"{name}_sd"] = groups[name].agg(lambda column: pd.to_numeric(column).std())
        if name in METRICS:
            out[f"paper_{name}"] = groups[f"paper_{name}"].first()
    return out.reset_index()


def summary_text(summary: pd.DataFrame, judge: pd.DataFrame, notes: Iterable[str] = ()) -> str:
    """The summary as Markdown; `notes` are lines of Markdown below its table."""
    head = ["Benchmark", "Method", "Seeds", "Rank-1", "Rank-5", "Rank-10", "mAP", "mINP"]
    lines = [head]
    for row in summary.to_dict("records"):
        cells = [markdown(row["benchmark"]), markdown(row["method"]), str(row["seeds"])]
        lines.append([*cells, *(spread(row[name], row[f"{name}_sd"]) for name in METRICS)])
    text = markdown_table(lines) + "".join(f"\n{note}\n" for note in notes)
    return text + ("\n" + _judge_text(judge) if len(judge) else "")


def _judge_text(judge: pd.DataFrame) -> str:
    numbers = [name for name in judge.columns if name not in ("seed", "judge", "records")]
    lines = [["T_loc", *(name.replace("_", " ") for name in numbers)]]
    for name, group in judge.groupby("judge", sort=False):
        cells = ["before LoRA" if name == "base" else "after LoRA"]
        for column in numbers:
            cells.append(spread(group[column].mean(), group[column].std(), 3))
        lines.append(cells)
    return markdown_table(lines)


def parameters_told(found: dict) -> str:
    """The chosen numbers of a re-ranking's metrics, in words; its lists stand in chosen.json."""
    known = found.get("parameters", {})
    return ", ".join(f"{name} {value:.3g}" for name, value in known.items() if not isinstance(value, list))


def _checkpoint(selection: dict) -> str:
    """How the checkpoint was selected, in words."""
    rule = SELECTION_RULES[selection["rule"]]
    if selection["rule"] == "given":
        return rule
    return f"epoch {selection['epoch']}: {rule}"


def _read(path: Path) -> dict:
    return json.loads(path.read_text())
