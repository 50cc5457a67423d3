"""Tables 3 and 4: what a retriever that was trained on one benchmark finds on another."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from icl.report.paper import METRICS, transfer_figure
from icl.report.paper_tables import NAMES, printed
from icl.report.verified import incomparable
from icl.report.words import spread
from icl.workflow.rows import transfers
from icl.workflow.settings import Settings


def transfer_table(settings: Settings, results: Path, fine: bool) -> pd.DataFrame:
    """Mean and deviation over seeds of every (source, target, method), with the paper's Rank-1 between verified benchmarks.

    Args:
        results: folder of the stages' outputs.
        fine: pairs of which exactly one has long captions (Table 4), or pairs of one kind (Table 3).
    """
    aside = incomparable(settings, results, settings.datasets)
    kind = {name: spec.fine_grained for name, spec in settings.datasets.items()}
    lines = []
    for source, target, method, row, seed in transfers(settings):
        if (kind[source] != kind[target]) == fine:
            found = json.loads((results / row.metrics(target, seed)).read_text())
            lines.append({"Source": source, "Target": target, "Method": method, **{m: found[m] for m in METRICS}})
    if not lines:
        return pd.DataFrame(columns=["Source", "Target", "Method", *NAMES.values(), "Paper Rank-1"])
    groups = pd.DataFrame(lines).groupby(["Source", "Target", "Method"], sort=False)
    mean, deviation = groups.mean(), groups.std()
    rows = []
    for key in mean.index:
        source, target, method = key
        found = {"Source": source, "Target": target, "Method": method}
        found |= {NAMES[m]: spread(mean.loc[key, m], deviation.loc[key, m]) for m in METRICS}
        paper = None if aside.keys() & set(key[:2]) else transfer_figure(source, target, method, "rank1")
        rows.append({**found, "Paper Rank-1": printed(paper)})
    return pd.DataFrame(rows)
