"""The paper's tables with measured numbers beside its own: CSV, HTML, Markdown and LaTeX (booktabs)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from icl.errors import InputError
from icl.markup import latex, markdown
from icl.ranking.measure import BOOTSTRAP_SEED, read_measured, values_of
from icl.ranking.significance import holm, paired_test
from icl.report.html import table_page
from icl.report.paper import METRICS
from icl.report.words import NOTHING, spread, words
from icl.workflow.rows import methods
from icl.workflow.settings import Settings

NAMES = {"rank1": "Rank-1", "rank5": "Rank-5", "rank10": "Rank-10", "map": "mAP", "minp": "mINP"}
COMPARED = (
    ("ICL", "RDE"),
    ("RDE+THI", "RDE"),
    ("ICL+THI", "ICL"),
    ("ICL+THI", "ICL+THI (no LoRA)"),
    ("ICL+THI", "ICL+Yes"),
    ("ICL+THI", "ICL+k-reciprocal"),
    ("ICL+Evidence", "ICL+THI"),
)
"""Rows whose difference is tested: (method, the one it is compared with)."""
TESTED = ("rank1", "map", "minp")


def main_table(summary: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Tables 1 and 2: every row with its interval, the paper's Rank-1 and mAP, and the differences."""
    rows = []
    for line in summary.to_dict("records"):
        own = table[(table.benchmark == line["benchmark"]) & (table.method == line["method"])]
        row = {"Benchmark": line["benchmark"], "Method": line["method"], "Seeds": line["seeds"]}
        row |= {NAMES[name]: spread(line[name], line[f"{name}_sd"]) for name in METRICS}
        row["95% of Rank-1"] = f"{own.rank1_low.mean():.1f} to {own.rank1_high.mean():.1f}"
        for name in ("rank1", "map"):
            paper = line[f"paper_{name}"]
            row[f"Paper {NAMES[name]}"] = printed(paper)
            row[f"Diff. {NAMES[name]}"] = printed(line[name] - paper if pd.notna(paper) else None, "+.2f")
        rows.append(row)
    return pd.DataFrame(rows)


def ablation_table(summary: pd.DataFrame) -> pd.DataFrame:
    """Table 6: what RDA, THI and LoRA each bring, on one retriever."""
    parts = {
        "RDE": ("", "", ""),
        "ICL": ("yes", "", ""),
        "RDE+THI": ("", "yes", "yes"),
        "ICL+THI (no LoRA)": ("yes", "yes", ""),
        "ICL+THI": ("yes", "yes", "yes"),
    }
    rows = []
    for line in summary.to_dict("records"):
        if line["method"] in parts:
            rda, thi, lora = parts[line["method"]]
            row = {"Benchmark": line["benchmark"], "RDA": rda, "THI": thi, "LoRA": lora}
            row |= {NAMES[name]: spread(line[name], line[f"{name}_sd"]) for name in METRICS}
            rows.append({**row, "Paper Rank-1": printed(line["paper_rank1"])})
    return pd.DataFrame(rows)


def retriever_table(summary: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Table 5: THI on every retriever of the run."""
    rows, by = [], summary.set_index(["benchmark", "method"])
    for benchmark in settings.tabled:
        for method in methods(settings):
            if (benchmark, f"{method}+THI") in by.index:
                plain, merged = by.loc[(benchmark, method)], by.loc[(benchmark, f"{method}+THI")]
                row = {"Benchmark": benchmark, "Retriever": method}
                for name in ("rank1", "map"):
                    row[NAMES[name]] = spread(plain[name], plain[f"{name}_sd"])
                    row[f"{NAMES[name]} with THI"] = spread(merged[name], merged[f"{name}_sd"])
                    row[f"Gain in {NAMES[name]}"] = f"{merged[name] - plain[name]:+.2f}"
                rows.append(row)
    return pd.DataFrame(rows)


def time_table(timing: pd.DataFrame) -> pd.DataFrame:
    """Supplementary Table 1: seconds per query, and where they go; a mean over seeds, the range and every reason of doubt.

    Args:
        timing: as `tables.write_tables` writes it.
    """
    numbers = [name for name in timing.columns if name.endswith(("_seconds", "_query"))]
    groups = timing.groupby(["benchmark", "method"], sort=False)
    found = groups[numbers].mean().reset_index()
    low, high, doubts = (groups[name] for name in ("seconds_low", "seconds_high", "unsteady"))
    place = list(found.columns).index("seconds_per_query") + 1
    found.insert(place, "fastest pass", low.min().to_numpy())
    found.insert(place + 1, "slowest pass", high.max().to_numpy())
    found["unsteady"] = doubts.agg(lambda column: "; ".join(dict.fromkeys(column.dropna()))).to_numpy()
    return found.rename(columns=lambda name: name.replace("_", " "))


def difference_table(settings: Settings, results: Path) -> pd.DataFrame:
    """Rank-1, mAP and mINP of one row less those of another, on the same queries.

    Intervals and tests draw identities. Each p is given as it is, and Holm-adjusted over all tests of the table.

    Args:
        results: folder of the stages' outputs.

    Raises:
        InputError: a metrics file lacks values of its queries, or two rows of a benchmark have other queries.
    """
    known, rows = methods(settings), []
    pairs = [(one, other) for one, other in COMPARED if one in known and other in known]
    if not pairs:
        return pd.DataFrame()
    tests = pd.concat([_tests(settings, results, benchmark, pairs) for benchmark in settings.tabled])
    tests["adjusted"] = holm(tests.p)
    for key, own in tests.groupby(["Benchmark", "Row", "against"], sort=False):
        row = dict(zip(("Benchmark", "Row", "against"), key, strict=True))
        for test in own.itertuples():
            row[test.metric] = f"{100 * test.mean:+.2f} ({100 * test.low:+.2f} to {100 * test.high:+.2f})"
            row |= {f"p of {test.metric}": f"{test.p:.5f}", f"Holm p of {test.metric}": f"{test.adjusted:.5f}"}
        rows.append(row)
    return pd.DataFrame(rows)


def _tests(settings: Settings, results: Path, benchmark: str, pairs: list[tuple[str, str]]) -> pd.DataFrame:
    """One line a (pair, metric)."""
    values, identities = _values(settings, results, benchmark, list(dict.fromkeys(sum(pairs, ()))))
    lines = [{"Benchmark": benchmark, "Row": a, "against": b, "metric": NAMES[m]} for a, b in pairs for m in TESTED]
    differences = np.concatenate([values[a] - values[b] for a, b in pairs])
    found = paired_test(differences, identities, settings.bootstrap, BOOTSTRAP_SEED)
    return pd.DataFrame(lines).assign(mean=found.mean, low=found.low, high=found.high, p=found.p)


def _values(
    settings: Settings, results: Path, benchmark: str, names: list[str]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Means over seeds (metrics, Q) of each query's values by method, and the queries' identities (Q,)."""
    known, values = methods(settings), {}
    identities: np.ndarray | None = None
    for name in names:
        seeds = []
        for seed in settings.seeds:
            path = results / known[name].metrics(benchmark, seed)
            measured = read_measured(path)
            own = np.array(measured["per_query"]["identity"])
            if identities is not None and not np.array_equal(own, identities):
                found, expected = "queries of other identities", f"those of the other rows of {benchmark}"
                raise InputError(str(path), found, expected, "Delete it and run the same command again.")
            identities, each = own, values_of(measured)
            seeds.append([each[metric] for metric in TESTED])
        values[name] = np.mean(seeds, axis=0)
    assert identities is not None, "no method"
    return values, identities


def printed(value: float | None, form: str = ".2f") -> str:
    """A number of the paper, or a difference to it; a dash where there is none."""
    return NOTHING if pd.isna(value) else f"{value:{form}}"


def read_table(path: Path) -> pd.DataFrame:
    """A table that `write_tables` wrote; names such as "001" and "NA" stay what they are."""
    names = {"benchmark": str, "method": str}
    return pd.read_csv(path, dtype=names, keep_default_na=False, na_values=[""])


def best(table: pd.DataFrame) -> pd.DataFrame:
    """Which cells are the highest measured value of their metric and benchmark (bool, of the table's shape)."""
    out = pd.DataFrame(False, table.index, table.columns)
    keys = [name for name in ("Benchmark", "Source", "Target") if name in table]
    if keys and not {"against", "Judge"} & set(table):  # differences, and bounds: the best of them is no result
        for name in set(NAMES.values()) & set(table.columns):
            values = table[name].map(lambda cell: float(str(cell).split()[0]) if cell != NOTHING else np.nan)
            out[name] = values == values.groupby([table[key] for key in keys]).transform("max")
    return out


def write_table(table: pd.DataFrame, stem: Path, title: str, notes: Iterable[str] = ()) -> None:
    """Write `stem`.csv, .html, .md and .tex; the best values are bold, and nothing in a cell is markup.

    Args:
        notes: lines of Markdown, for the reader of the table.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(stem.with_suffix(".csv"), index=False, float_format="%.4f")
    texts = table.astype(object).map(words)
    stem.with_suffix(".html").write_text(table_page(texts, best(table), title, notes))
    marked = texts.map(markdown).where(~best(table), "**" + texts + "**") if len(table) else texts
    text = marked.to_markdown(index=False, disable_numparse=True)
    below = "".join(f"\n{note}\n" for note in notes)
    stem.with_suffix(".md").write_text(f"# {title}\n\n{text}\n{below}")
    plain = texts.map(latex)
    marked = plain.where(~best(table), "\\textbf{" + plain + "}") if len(table) else plain
    marked.columns = [latex(name) for name in table.columns]
    stem.with_suffix(".tex").write_text(marked.to_latex(index=False, escape=False))
