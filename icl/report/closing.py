"""The last words of a run that ended well: its results, where the files are, and what to run next."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from icl.report.paper_tables import read_table
from icl.report.tables import CALLS
from icl.report.words import NOTHING, spread, words


def results_table(table: pd.DataFrame, timing: pd.DataFrame) -> pd.DataFrame:
    """Each (benchmark, method) in few columns: of one seed with the interval of Rank-1, of several with the deviation.

    Args:
        table, timing: as `tables.write_tables` writes them.
    """
    rows = []
    for (benchmark, method), own in table.groupby(["benchmark", "method"], sort=False):
        times = timing[(timing.benchmark == benchmark) & (timing.method == method)]
        row = {"benchmark": benchmark, "method": method}
        row["Rank-1"] = spread(own.rank1.mean(), own.rank1.std(), 1)
        if len(own) == 1:
            row["Rank-1"] += f" ({own.rank1_low.iloc[0]:.1f} to {own.rank1_high.iloc[0]:.1f})"
        row |= {name: spread(own[key].mean(), own[key].std(), 1) for name, key in (("mAP", "map"), ("mINP", "minp"))}
        asked = sum(own[f"{kind}_calls"].sum(min_count=1) for kind in CALLS) / own.queries.sum()
        row["questions/query"] = words(float(asked), 1) if asked else NOTHING
        seconds = words(float(times.seconds_per_query.mean()), 3)
        row["s/query"] = seconds + (" (unsteady)" if seconds != NOTHING and times.unsteady.notna().any() else "")
        rows.append(row)
    found = pd.DataFrame(rows)
    return found.drop(columns="benchmark") if found.benchmark.nunique() == 1 else found


def closing(results: Path, made: set[str], options: str = "") -> str:
    """What to print at the end of a run.

    Args:
        results: the results folder. made: files that the run's targets need, made now or before.
        options: what names the configuration on the command line; empty for the default one.
    """

    def there(name: str) -> bool:
        return f"{results}/{name}" in made and (results / name).exists()

    lines = []
    if there("table.csv"):
        frames = (read_table(results / f"{name}.csv") for name in ("table", "timing"))
        shown = results_table(*frames).to_markdown(index=False, tablefmt="simple", disable_numparse=True)
        lines += [
            "",
            shown,
            "",
            f"Every number: {results}/table.csv   times: {results}/timing.csv   means: {results}/summary.md",
        ]
    if there("tables/main.md"):
        lines.append(
            f"Tables: {results}/tables/   figures: {results}/figures/   what each file is: {results}/README.md"
        )
    if there("report.html"):
        lines.append(f"Report: {results}/report.html (open it in a browser)")
    elif lines:
        make = not options and Path("Makefile").exists()
        again = "make report" if make else f"snakemake --cores all tables figures report_page{options}"
        lines.append(f"Next: {again}   (the paper's tables and figures, on one page)")
    return "\n".join(lines)
