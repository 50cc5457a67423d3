"""What THI's interactions do, round by round: whose image the anchor is, and what the refined query gains and loses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from icl.files import read_records
from icl.ranking.measure import BOOTSTRAP_SEED
from icl.ranking.significance import bootstrap_interval
from icl.report.words import NOTHING
from icl.workflow.rows import methods
from icl.workflow.settings import Settings

COLUMNS = (
    *("Benchmark", "Method", "Seeds", "Round", "Asked (% of queries)", "Refined queries", "Refined (% of queries)"),
    *(
        "Right anchors (% of refined)",
        "95% of right anchors",
        "Rank better (% of refined)",
        "Rank worse (% of refined)",
    ),
    *("Rank-1 won (% of queries)", "Rank-1 lost (% of queries)"),
)
"""Asked: that reached the round. Refined: whose anchor it made; a number a seed. Right: of the query's identity. Better,
worse: the rank of the first right image after THI against before. Rank-1 won less Rank-1 lost is THI's gain in Rank-1."""


def interaction_table(settings: Settings, results: Path) -> pd.DataFrame:
    """One line a (benchmark, row with THI, round), and one for all rounds; the queries of all seeds together.

    Args:
        results: folder of the stages' outputs.
    """
    lines = []
    for benchmark in settings.tabled:
        for method, row in methods(settings).items():
            if row.way == "thi":
                files = [results / row.folder(benchmark, seed) / "record.jsonl" for seed in settings.seeds]
                found = pd.DataFrame([_facts(record) for file in files for record in read_records(file)])
                key = {"Benchmark": benchmark, "Method": method, "Seeds": len(files)}
                lines += [{**key, **line} for line in by_round(found, len(files), settings.bootstrap)]
    return pd.DataFrame(lines, columns=COLUMNS)


def _facts(record: dict) -> dict:
    """What one query's record tells (`icl.rerank.record`)."""
    anchor = record["anchor"]
    right = anchor is not None and record["candidate_pids"][record["candidates"].index(anchor)] == record["pid"]
    ranks = {"before": record["rank_before"], "after": record["rank_after"]}
    return {
        "identity": record["pid"],
        "asked": len(record["yes"]),
        "round": record["round"] or 0,
        "right": right,
        **ranks,
    }


def by_round(found: pd.DataFrame, seeds: int, samples: int) -> list[dict]:
    """The table's lines of one row.

    Args:
        found: a line a query of any seed: identity, asked (questions), round that made the anchor (0: none), right (whether
            it is of the identity), before and after (ranks). samples: bootstrap samples.
    """
    return [
        _line(found, str(k), found.asked >= k, found["round"] == k, seeds, samples)
        for k in range(1, int(found.asked.max()) + 1)
    ] + [_line(found, "all", found.asked > 0, found["round"] > 0, seeds, samples)]


def _line(found: pd.DataFrame, name: str, asked: pd.Series, made: pd.Series, seeds: int, samples: int) -> dict:
    queries, refined = len(found), int(made.sum())
    before, after = found.before[made], found.after[made]
    cells = (
        *(name, _percent(asked.sum(), queries), f"{refined / seeds:.{int(seeds > 1)}f}", _percent(refined, queries)),
        *(_percent(found.right[made].sum(), refined), _interval(found, made, samples)),
        *(_percent((after < before).sum(), refined), _percent((after > before).sum(), refined)),
        *(
            _percent(((after == 1) & (before > 1)).sum(), queries),
            _percent(((after > 1) & (before == 1)).sum(), queries),
        ),
    )
    return dict(zip(COLUMNS[3:], cells, strict=True))


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else NOTHING


def _interval(found: pd.DataFrame, made: pd.Series, samples: int) -> str:
    """Of the share of right anchors, over identities; none where all are right or all wrong, as resampling shows no spread."""
    if found.right[made].nunique() < 2:
        return NOTHING
    right, weights = (found.right & made).to_numpy(), made.to_numpy()
    ends = bootstrap_interval(right, found.identity.to_numpy(), samples, BOOTSTRAP_SEED, weights=weights)
    return " to ".join(f"{100 * end:.1f}" for end in np.array(ends))
