"""The target `human`: from a run's models to rows of simulated people, and of people who took part."""

import random

import pandas as pd
import pytest
from running import HOUSE, SMOKE, jobs, snakemake

from icl.files import read_records
from icl.human.measures import played
from icl.human.pack import Pack
from icl.human.people import PEOPLE
from icl.human.ranking import Ranking
from icl.human.session import Session
from icl.report.human import ROWS

pytestmark = pytest.mark.slow
TARGET = ("results/smoke/human.csv", *SMOKE)
PEOPLES = ["ICL+THI (person)", "ICL+witness"]


def test_the_shipped_models_answer_without_any_training(tmp_path):
    found = jobs(snakemake(tmp_path, "-n", "human", "--configfile", str(HOUSE / "config/config.yaml")))
    assert found == {"benchmark": 1, "pairs": 1, "make_pack": 1, "simulate_people": 1, "human_table": 1, "human": 1}


def test_sessions_become_rows_of_the_table(smoke):
    """Simulated people first; then two people take part, and stand beside everybody else on the same queries."""
    done = snakemake(smoke, *TARGET)
    assert done.returncode == 0, done.stderr[-3000:]
    results = smoke / "results/smoke"
    table = pd.read_csv(results / "human.csv").set_index("method")
    assert table.index.tolist() == ["ICL", *ROWS.values()]
    assert table.loc[PEOPLES, "sessions"].eq(0).all() and table.loc[PEOPLES, "rank1"].isna().all()
    assert table.drop(PEOPLES).queries.eq(6).all() and table.loc["ICL+THI (perfect)", "kappa_truth"] == 1

    pack = Pack.open(results / "human/pack")
    whole = smoke / "results/smoke/thi/tinypedes/rda/lora/seed1/record.jsonl"
    session = Session.open(pack, results / "human/simulated/mllm", "simulated-0001")
    found, records = played(pack, Ranking(pack, None), "judge", session.answers), read_records(whole)
    for n, query in enumerate(found.queries.tolist()):
        told = records[query]["anchor"], records[query]["rank_before"], records[query]["rank_after"]
        assert told == (None if found.anchors[n] < 0 else found.anchors[n], found.first[0, n], found.first[-1, n])
    assert pack.drawn and len(pack.pool) == 12 and pack.name == "tinypedes"
    for protocol, name in (("judge", "perfect"), ("witness", "attributes")):
        session = Session.start(pack, results / "human/sessions", protocol, pack.encoder())
        answers = next(one for one in PEOPLE if one.name == name).answers
        while (view := session.view()).kind != "done":
            session.take(view.step, *answers(pack, session.queries[view.number - 1], view, random.Random(7)), 1.5)
    assert jobs(snakemake(smoke, "-n", *TARGET)) == {"simulate_people": 1, "human_table": 1}
    done = snakemake(smoke, *TARGET)
    assert done.returncode == 0, done.stderr[-3000:]
    table = pd.read_csv(results / "human.csv").set_index("method")
    assert table.loc[PEOPLES, "sessions"].eq(1).all() and table.loc[PEOPLES, "seconds_median"].eq(1.5).all()
    assert table.queries.nunique() == 1 and table.queries.iloc[0] >= 4, "all rows on the same queries"
    same = ["rank1", "map", "best_log_rank_integral"]
    assert table.loc["ICL+THI (person)", "kappa_truth"] == 1
    assert table.loc["ICL+THI (person)", same].tolist() == table.loc["ICL+THI (perfect)", same].tolist()
    text = (results / "tables/human.md").read_text()
    assert all(f"| {name} " in text for name in table.index) and "sees the target" in text
    assert (results / "tables/human.tex").exists() and (results / "tables/human.html").exists()
    assert "Nothing to be done" in (again := snakemake(smoke, *TARGET)).stdout + again.stderr
