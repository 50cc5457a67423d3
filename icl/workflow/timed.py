"""What is timed together: one job a (benchmark, seed) times all re-rankings of a table, one after another."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

from icl.rerank.ways import WAYS
from icl.workflow import paths, stages
from icl.workflow.methods import ROWS, Row
from icl.workflow.rows import methods
from icl.workflow.settings import Settings

TABLES = ("table", "beyond")
"""Whose rows: those of the configuration; those that only the target `beyond` adds."""


def timed_rows(settings: Settings, table: str, dataset: str, seed: str | int) -> list[dict[str, Any]]:
    """The re-rankings of a table on a benchmark with a seed, for the script that times them; those of one judge together.

    Keys:
        folder: of its results, below the results folder. way, judge, version: of the row. queries: that are timed; None: all.
        settings, mllm: what its answers depend on. files: by name, what it opens; empty lists where it needs none.
    """
    found = sorted(_rows(settings, table), key=lambda row: row.judge)
    return [_told(settings, row, dataset, str(seed)) for row in found]


def _rows(settings: Settings, table: str) -> list[Row]:
    own = list(dict.fromkeys(row for row in methods(settings).values() if row.way))
    if table == "table":
        return own
    return list(dict.fromkeys(row for row in ROWS.values() if row.way and row not in own))


def _told(settings: Settings, row: Row, dataset: str, seed: str) -> dict[str, Any]:
    way, of = str(row.way), f"{dataset}/{row.retriever}/seed{seed}"
    files = {
        "model": paths.way_weights(settings, way, dataset, row.retriever, seed),
        "embeddings": [f"{settings.results}/embeddings/{of}"],
        "adapter": paths.adapter_file(settings, row.judge, seed),
        "chosen": paths.chosen_files(settings, way, dataset, row.retriever, row.judge, seed),
        "captions": paths.captions_file(settings, way, dataset, "test"),
        "metrics": [f"{settings.results}/{row.metrics(dataset, int(seed))}"],
    }
    return {
        "folder": row.folder(dataset, int(seed)),
        "way": way,
        "judge": row.judge,
        "version": stages.way_version(way),
        "queries": None if WAYS[way].whole else settings.thi.timing_queries,
        "settings": stages.way_part(settings, way),
        "mllm": stages.answering_part(settings, way),
        "files": files,
    }


def timed_files(settings: Settings, table: str, dataset: str, seed: str | int) -> list[str]:
    """All files that the job opens.

    Raises:
        InputError: a row asks the MLLM, and its files are not there.
    """
    found = [
        path for row in timed_rows(settings, table, dataset, seed) for group in row["files"].values() for path in group
    ]
    for row in _rows(settings, table):
        found += paths.way_mllm(settings, str(row.way))
    return list(dict.fromkeys(found))


def timing_files(settings: Settings, *tables: str) -> list[str]:
    """Where the times of some tables' rows stand, below the results folder: one file a (table, benchmark, seed) with rows."""
    return [
        f"timing/{dataset}/seed{seed}/{table}.json"
        for table, dataset, seed in product(tables, settings.tabled, settings.seeds)
        if _rows(settings, table)
    ]


def read_timings(settings: Settings, results: Path, *tables: str) -> dict[str, dict]:
    """The times of some tables' rows (`icl.rerank.timing.time_of`), by the folder of their results."""
    found: dict[str, dict] = {}
    for name in timing_files(settings, *tables):
        found |= json.loads((results / name).read_text())
    return found
