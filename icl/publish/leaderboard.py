"""A static page that ranks rows of several results files: groups of ties, costs, and who saw the answer."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader

from icl.errors import InputError
from icl.publish.results_file import COSTS, frame, read_results
from icl.ranking.measure import BOOTSTRAP_SEED
from icl.ranking.significance import bootstrap_interval, paired_test
from icl.report.html import TABLE_STYLE

LEVEL = 0.05
"""Rows that differ from the first of a group with p below this begin the next group."""
SAMPLES = 1000
"""Bootstrap samples of the intervals."""
HEADS = {"rank1": "Rank-1", "map": "mAP", "minp": "mINP"}


def groups(values: list[np.ndarray], identities: np.ndarray) -> list[int]:
    """Number of the group (from 1) of each row, rows best first: a group's rows do not differ from its first one.

    Args:
        values: Q shares a row, ordered by their mean, descending. identities: (Q,). The test exchanges whole identities.
    """
    out, first = [1], 0
    for k in range(1, len(values)):
        difference = (values[first] - values[k])[None]
        differs = difference.any() and paired_test(difference, identities, 100, BOOTSTRAP_SEED).p[0] < LEVEL
        if differs:
            first = k
        out.append(out[-1] + differs)
    return [int(number) for number in out]


def board(rows: pd.DataFrame) -> list[dict]:
    """The rows of one benchmark, best Rank-1 first.

    Args:
        rows: of `results_file.frame`, all on the same test split.

    Raises:
        InputError: two of them have other identities, though their test split is the same.
    """
    rows = rows.assign(rank1=[values["rank1"].mean() for values in rows["values"]]).sort_values(
        ["rank1", "name", "method"], ascending=[False, True, True]
    )
    identities = rows.identities.iloc[0]
    if odd := [row for row in rows.itertuples() if not np.array_equal(row.identities, identities)]:
        where = f"results of {odd[0].name}, {odd[0].method}"
        raise InputError(
            where, "identities of other queries", "those of the split's captions, in their order", "Correct it."
        )
    order = groups([values["rank1"] for values in rows["values"]], identities)
    out = []
    for number, row in zip(order, rows.itertuples(), strict=True):
        shares = getattr(row, "values")  # noqa: B009 (a column, not a tuple's method)
        low, high = bootstrap_interval(shares["rank1"], identities, SAMPLES, BOOTSTRAP_SEED)
        line = {"group": number, "name": row.name, "method": row.method, "seeds": row.seeds, "sees": row.sees_target}
        line |= {head: f"{100 * shares[key].mean():.1f}" for key, head in HEADS.items()}
        line["interval"] = f"{100 * low:.1f} to {100 * high:.1f}"
        out.append(line | {cost: _cost(getattr(row, cost), cost) for cost in COSTS})
    return out


def _cost(value: float | None, name: str) -> str:
    if value is None or pd.isna(value):
        return "unknown"
    return "-" if value == 0 else f"{value:.{3 if name == 'seconds' else 1}f}"


def page(files: list[dict]) -> str:
    """The HTML page; a section a test split.

    Args:
        files: as `read_results` gives them.
    """
    table, sections = frame(files), []
    for test, rows in table.groupby("test", sort=False):
        version = next((one for one in rows.version if one), "")
        title = version or ", ".join(dict.fromkeys(rows.benchmark))
        facts = {"title": title, "test": str(test)[:12], "queries": len(rows.identities.iloc[0])}
        facts["identities"] = len(np.unique(rows.identities.iloc[0]))
        sections.append(facts | {"rows": board(rows)})
    made = [{"name": found["name"], **found["provenance"]} for found in files]
    template = Environment(loader=PackageLoader("icl.publish"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return template.get_template("leaderboard.jinja").render(
        style=TABLE_STYLE, sections=sections, made=made, heads=list(HEADS.values()), level=LEVEL
    )


def main(paths: list[Path], out: Path) -> None:
    """Write the page of some results files."""
    text = page([read_results(path) for path in paths])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("python -m icl.publish.leaderboard RESULTS.json... OUT.html")
    try:
        main([Path(name) for name in sys.argv[1:-1]], Path(sys.argv[-1]))
    except InputError as error:
        sys.exit(f"ERROR {error}")
