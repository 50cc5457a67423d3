"""The lines of the tables: which method stands on which retriever, judge and re-ranking, and the files it needs.

The workflow's rules read this module, as they read `paths`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product

from icl.rerank.ways import WAYS
from icl.workflow import names
from icl.workflow.methods import ROWS, Row
from icl.workflow.settings import Settings

#: Ways to re-rank that choose parameters of their own.
CHOOSING = tuple(name for name, way in WAYS.items() if way.parameters)


def methods(settings: Settings) -> dict[str, Row]:
    """Rows of the table by name: the paper's, then two for each given retriever."""
    found = {name: ROWS[name] for name in settings.methods}
    for name, given in settings.retrievers.items():
        found |= {name: Row(name), f"{name}+THI": Row(name, "thi", given.judge)}
    return found


def rows(settings: Settings) -> list[tuple[str, str, Row, int]]:
    """(benchmark, method name, row, seed) of every line of the table, in its order."""
    return [
        (dataset, method, row, seed)
        for dataset in settings.tabled
        for method, row in methods(settings).items()
        for seed in settings.seeds
    ]


#: Rows of the generalisation tables (Tables 3 and 4).
TRANSFERRED = ("RDE", "ICL", "ICL+THI")
#: Rows that the target `beyond` compares on every pair of benchmarks.
TRANSFERRED_BEYOND = ("ICL", "ICL+THI", "ICL+Evidence (sequential)", "ICL+Captions+Evidence")


#: Ways that are compared on galleries of several sizes.
SIZED = ("thi", "sequential", "evidence", "captionsevidence")


def beyond(settings: Settings) -> list[tuple[str, str, Row, int]]:
    """Every row there is, as `rows` gives those of the configuration."""
    return rows(replace(settings, methods=tuple(ROWS)))


def beyond_folders(settings: Settings) -> list[str]:
    """The folders of their results."""
    return _unique(row.folder(dataset, seed) for dataset, _, row, seed in beyond(settings) if row.way)


def transfers(settings: Settings, methods: tuple[str, ...] = TRANSFERRED) -> list[tuple[str, str, str, Row, int]]:
    """(source, target, method, row, seed): retrievers trained on one benchmark and tested on each; none with one benchmark."""
    if len(settings.datasets) < 2:
        return []
    found = []
    for source, target, method, seed in product(settings.datasets, settings.datasets, methods, settings.seeds):
        row = ROWS[method]
        if source != target:
            row = replace(row, retriever=names.transferred(row.retriever, source))
        found.append((source, target, method, row, seed))
    return found


def transfer_files(settings: Settings, methods: tuple[str, ...] = TRANSFERRED) -> list[str]:
    """Metrics of the generalisation tables, one file a line."""
    return [row.metrics(d, s) for _, d, _, row, s in transfers(settings, methods)]


def metric_files(settings: Settings) -> list[str]:
    """Plain retrieval metrics, one file a (benchmark, retriever, seed)."""
    return _unique(Row(row.retriever).metrics(d, s) for d, _, row, s in rows(settings))


def reranked_folders(settings: Settings, *ways: str) -> list[str]:
    """Results of some ways to re-rank (all, where none is named), one folder a (benchmark, retriever, judge, seed)."""
    return _unique(row.folder(d, s) for d, _, row, s in rows(settings) if row.way and row.way in (ways or WAYS))


def judge_files(settings: Settings) -> list[str]:
    """T_loc accuracy before and after LoRA, one file a seed; none where no row uses the adapter."""
    tuned = any(row.judge == "lora" for row in methods(settings).values())
    tuned = tuned and any(spec.has_val for spec in settings.tabled.values())  # held-out questions come from val
    return [f"lora/seed{seed}/evaluation.json" for seed in settings.seeds] if tuned else []


def selection_files(settings: Settings) -> list[str]:
    """Which epoch each retriever of the table was taken from, one file each."""
    return _unique(f"retriever/{d}/{row.retriever}/seed{s}/selection.json" for d, _, row, s in rows(settings))


def fallback_file(dataset: str) -> str:
    """How many of RDA's answers on a benchmark were none, by kind."""
    return f"augment/{dataset}/fallbacks.json"


def fallback_files(settings: Settings) -> list[str]:
    """The same of every benchmark that a row with RDA stands on."""
    return _unique(fallback_file(d) for d, _, row, _ in rows(settings) if row.retriever == "rda")


def shown(settings: Settings, dataset: str, file: str) -> str:
    """A file of the interaction that figures show: ICL+THI with the first seed."""
    return f"{settings.results}/{ROWS['ICL+THI'].folder(dataset, settings.seeds[0])}/{file}"


def _unique(files: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(files))
