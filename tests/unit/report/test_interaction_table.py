"""The table of the interaction, from records written by hand and from THI itself."""

import json

import numpy as np
import pandas as pd
import pytest

from icl.report.interaction import COLUMNS, interaction_table
from icl.report.overview import overview
from icl.report.paper_tables import write_table
from icl.report.titles import TABLES
from icl.workflow.config import load_settings
from icl.workflow.methods import ROWS
from icl.workflow.rows import reranked_folders

GENERATED = {"generator": "synth", "train_identities": 4, "test_identities": 6, "xi": 0.5}


def record(pid, pids, yes, made, before, after):
    """A record whose candidates are images 20, 21, ... of these identities; `made`: the round of the anchor, or None."""
    candidates = list(range(20, 20 + len(pids)))
    anchor = None if made is None else candidates[made - 1]
    known = {"pid": pid, "candidates": candidates, "candidate_pids": pids, "yes": yes, "anchor": anchor, "round": made}
    return {**known, "rank_before": before, "rank_after": after}


RIGHT_FIRST = record(1, [1, 2, 3], [True], 1, 1, 1)
"""Its anchor is the image that was first already."""
WON = record(2, [1, 2, 3], [False, True], 2, 2, 1)
LOST = record(3, [3, 1, 2], [False, True], 2, 1, 2)
"""A wrong anchor takes the place of the right image."""
HURT = record(4, [1, 2, 3], [False, True], 2, 4, 5)
NONE = record(5, [5, 2, 3], [False, False, False], None, 1, 1)
UNASKED = record(6, [5, 2, 3], [True], None, 3, 3)


@pytest.fixture
def told(tmp_path):
    """The table of one benchmark, one list of records a seed, by (method, round)."""

    def table(*seeds, methods=("ICL", "ICL+THI")):
        chosen = {"datasets": {"a": GENERATED}, "methods": list(methods), "seeds": list(range(1, len(seeds) + 1))}
        settings = load_settings({**chosen, "bootstrap": 300, "results": str(tmp_path)})
        for seed, records in enumerate(seeds, 1):
            for method in methods:
                if ROWS[method].way == "thi":
                    path = tmp_path / ROWS[method].folder("a", seed) / "record.jsonl"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text("".join(json.dumps(one) + "\n" for one in records))
        return interaction_table(settings, tmp_path).set_index(["Method", "Round"])

    return table


def test_each_round_tells_its_anchors_and_what_became_of_their_queries(told):
    found = told([RIGHT_FIRST, WON, LOST, HURT, NONE, UNASKED]).loc["ICL+THI"].drop(columns=["Benchmark", "Seeds"])
    assert found.loc["1"].tolist() == ["100.0", "1", "16.7", "100.0", "-", "0.0", "0.0", "0.0", "0.0"]
    second = found.loc["2"].drop("95% of right anchors")
    assert second.tolist() == ["66.7", "3", "50.0", "33.3", "33.3", "66.7", "16.7", "16.7"]
    assert found.loc["3"].tolist() == ["16.7", "0", "0.0", "-", "-", "-", "-", "0.0", "0.0"]
    assert found.loc["all"].drop("95% of right anchors").tolist() == [
        *("100.0", "4", "66.7", "50.0", "25.0", "50.0", "16.7", "16.7")
    ]


def test_seeds_count_together_and_an_identity_of_all_seeds_is_drawn_as_one(told):
    """Ten identities with an anchor each, half of them right."""
    records = [record(own, [1, own if own % 2 else 2, 3], [False, True], 2, 2, 1) for own in range(10, 20)]
    one, three = (told(*[records] * seeds).loc[("ICL+THI", "all")] for seeds in (1, 3))
    assert one["Right anchors (% of refined)"] == three["Right anchors (% of refined)"] == "50.0"
    assert one["95% of right anchors"] == three["95% of right anchors"] != "-"
    assert (one["Refined queries"], three["Refined queries"], three.Seeds) == ("10", "10.0", 3)


def test_won_less_lost_is_the_gain_in_rank1_of_any_records(told):
    rng = np.random.default_rng(0)
    records = []
    for n, (before, after) in enumerate(rng.integers(1, 4, (60, 2)).tolist()):
        made = 1 if n % 3 else None
        records.append(record(n % 9, [1, 2], [True], made, before, after if made else before))
    line = told(records).loc[("ICL+THI", "all")]
    gain = sum(r["rank_after"] == 1 for r in records) - sum(r["rank_before"] == 1 for r in records)
    won, lost = (float(line[f"Rank-1 {name} (% of queries)"]) for name in ("won", "lost"))
    assert won - lost == pytest.approx(100 * gain / 60, abs=0.11)


def test_every_row_with_thi_has_its_lines_and_a_run_without_has_none(told, tmp_path):
    found = told([WON], methods=("RDE", "RDE+THI", "ICL+THI (no LoRA)", "ICL+Yes"))
    assert found.index.get_level_values("Method").unique().tolist() == ["RDE+THI", "ICL+THI (no LoRA)"]
    none = told([], methods=("RDE", "ICL+k-reciprocal")).reset_index()
    assert not len(none) and set(none.columns) == set(COLUMNS)
    for name, table in (("interaction", none[list(COLUMNS)]), ("main", pd.DataFrame(columns=["Benchmark", "Method"]))):
        write_table(table, tmp_path / "tables" / name, TABLES[name])
    packages = {"code": {"commit": "", "dirty": False}, "config_sha256": "", "python": "", "packages": {}}
    machine = {"machine": {"cpu": "", "cores": 2, "system": ""}, "config": {"seeds": [1], "datasets": {}}}
    page = overview(list((tmp_path / "tables").glob("*.csv")), [], packages | machine)
    assert TABLES["interaction"] in page and "No rows in this run" in page


def test_given_retrievers_have_lines_too(tmp_path):
    chosen = {"datasets": {"a": GENERATED}, "methods": ["RDE"], "retrievers": {"mine": {"source": "x"}}}
    settings = load_settings({**chosen, "results": str(tmp_path)})
    folders = reranked_folders(settings, "thi")
    assert len(folders) == 1
    path = tmp_path / folders[0] / "record.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(WON) + "\n")
    assert interaction_table(settings, tmp_path).Method.unique().tolist() == ["mine+THI"]
