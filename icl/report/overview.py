"""The report: one HTML file that opens offline, its main table and figure first, then every table and figure of the run."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from icl.report.figures import FIGURES
from icl.report.html import TABLE_STYLE, table_html, unescaped
from icl.report.paper_tables import best
from icl.report.titles import TABLE_CAPTION, TABLES
from icl.report.words import NOTHING, words

FIRST = "Benchmark,Method,Rank-1,mAP,95% of Rank-1,Rank-5,Rank-10,mINP,Paper Rank-1,Paper mAP".split(",")
"""Columns of the main table on the first screen: those that are read first stand first, for narrow screens."""
FURTHER = {
    "judge": "T_loc on held-out questions, before (base) and after LoRA",
    "noise": "Noise study: training on permuted captions",
}


@dataclass(frozen=True)
class Part:
    """One table or figure of the report. `body` is HTML."""

    anchor: str
    title: str
    body: Markup
    caption: str = ""


def overview(tables: list[Path], figures: list[Path], provenance: dict, notes: Iterable[str] = ()) -> str:
    """The page.

    Args:
        tables: CSV files, in any order, `main.csv` among them. figures: PNG files named `<benchmark>/<name>.png`, or
            `calibration.png`. provenance: what `icl.workflow.provenance` recorded. notes: lines of Markdown for the main table.
    """
    frames = {path.stem: _read(path) for path in tables}
    order = [name for name in (*TABLES, *FURTHER) if name in frames]
    names = list(FIGURES)
    drawn = [_figure(path) for path in sorted(figures, key=lambda p: (names.index(p.stem), str(p)))]
    first = [part for part in drawn if part.anchor.endswith("-main")]
    datasets = {name: spec for name, spec in provenance["config"]["datasets"].items() if spec["table"]}
    env = Environment(loader=PackageLoader("icl.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return env.get_template("overview.jinja").render(
        style=Markup(TABLE_STYLE),
        main=_table("first", first_table(frames["main"])).body,
        first=first,
        notes=[unescaped(note) for note in notes],
        table_caption=TABLE_CAPTION,
        tables=[_table(name, frames[name]) for name in order],
        figures=[part for part in drawn if part not in first],
        datasets=datasets,
        drawn=[name for name, spec in datasets.items() if spec["generator"]],
        seeds=provenance["config"]["seeds"],
        provenance=provenance,
        config=json.dumps(provenance["config"], indent=1),
    )


def first_table(main: pd.DataFrame) -> pd.DataFrame:
    """The main table without columns that tell nothing in this run: one benchmark's name, and dashes for the paper."""
    kept = [name for name in FIRST if name in main and not (main[name] == NOTHING).all()]
    if main["Benchmark"].nunique() == 1:
        kept.remove("Benchmark")
    return main[kept]


def _read(path: Path) -> pd.DataFrame:
    """Cells as the text that they are."""
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()


def _table(name: str, table: pd.DataFrame) -> Part:
    title = {**TABLES, **FURTHER}.get(name, "")
    bold = best(_keyed(table))[table.columns]
    body = table_html(table.map(words).rename(columns=lambda column: column.replace("_", " ")), bold)
    return Part(f"table-{name}", title, Markup(body))


def _keyed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a benchmark, which tells `best` what is compared; without one where nothing is."""
    return table if "Method" not in table or "Benchmark" in table else table.assign(Benchmark="")


def _figure(path: Path) -> Part:
    """A figure as a picture inside the page."""
    title, caption = FIGURES[path.stem].title, FIGURES[path.stem].caption
    benchmark = "" if path.parent.name == "figures" else path.parent.name
    name = f"{title} ({benchmark})" if benchmark else title
    source = base64.b64encode(path.read_bytes()).decode()
    body = Markup('<img alt="{}" src="data:image/png;base64,{}">').format(f"{name}. {caption}", source)
    return Part(f"figure-{benchmark}-{path.stem}", name, body, caption)
