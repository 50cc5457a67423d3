"""The table of all rows with their cost, the frontier, and several drawings of a benchmark."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from icl.errors import InputError
from icl.ranking.measure import measure
from icl.ranking.scores import MatrixScores
from icl.report import draws
from icl.report.beyond import beyond_sheet, beyond_table, beyond_transfers, bounds_sheet
from icl.report.figures.frontier import frontier, places, undominated
from icl.rerank.ways import WAYS
from icl.workflow import rows
from icl.workflow.config import load_settings
from icl.workflow.timed import TABLES, timed_rows

GENERATED = {"generator": "synth", "train_identities": 4, "val_identities": 2, "test_identities": 2}


def put(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def measured(gain: float, seed: int) -> dict:
    """Metrics of 40 queries of 10 identities; the right images are raised by `gain`."""
    rng = np.random.default_rng(seed)
    pids, gallery = np.repeat(np.arange(10), 4), np.repeat(np.arange(10), 3)
    return measure(MatrixScores(rng.normal(size=(40, 30)) + gain * (pids[:, None] == gallery)), pids, gallery)


def results(folder, seed: int = 0):
    """Two benchmarks, all rows: rows with more questions are better, and what needs captions has paid for them."""
    data = {"a": GENERATED, "b": GENERATED | {"table": False, "domain": "winter"}}
    settings = load_settings({"datasets": data, "results": str(folder), "bootstrap": 50})
    every = {row.metrics(d, s): row for d, _, row, s in rows.beyond(settings)}
    every |= {row.metrics(d, s): row for _, d, _, row, s in rows.transfers(settings, rows.TRANSFERRED_BEYOND)}
    timed = {}
    for name, row in every.items():
        asked = {None: 0, "thi": 2}.get(row.way, 10) if row.judge != "none" else 0
        kind = {"questions": 40 * asked, "prompt_tokens": 2000 * asked, "answer_tokens": 40 * asked, "seconds": 1.0}
        found = measured(0.5 + 0.1 * asked, seed) | {"spent": {"localise": kind} if asked else {}}
        put(
            folder / name, found | {"parameters": {"beta": 0.03125, "expected": [1, 2]}, "selection": "best mAP on val"}
        )
        timed[str(Path(name).parent)] = {"seconds_per_query": 0.01 * asked}
    for table in TABLES:
        told = [row["folder"] for row in timed_rows(settings, table, "a", 1)]
        put(folder / f"timing/a/seed1/{table}.json", {name: timed[name] for name in told})
    kind = {"questions": 30, "prompt_tokens": 600, "answer_tokens": 900, "seconds": 3.0}
    put(folder / "captions/a/test/cost.json", {"spent": {"vqa": kind, "aggregate": kind}})
    return settings


def test_every_row_stands_in_the_table_with_its_cost(tmp_path):
    settings = results(tmp_path)
    table = beyond_table(settings, tmp_path).set_index("method")
    assert len(table) == len(rows.ROWS) and table.rank1.between(0, 100).all()
    evidence, both, alone = (table.loc[name] for name in ("ICL+Evidence", "ICL+Captions+Evidence", "ICL"))
    assert (evidence.localise_questions, evidence.prompt_tokens, evidence.answer_tokens) == (10, 500, 10)
    assert (evidence.index_questions, both.index_questions, both.index_answer_tokens) == (0, 60, 1800)
    assert (alone.prompt_tokens, alone.seconds_per_query, evidence.parameters) == (0, 0, "beta 0.0312")
    sheet = beyond_sheet(table.reset_index())
    assert sheet.set_index("Method").loc["ICL", ["T_loc", "seconds"]].tolist() == ["-", "-"]
    pairs = beyond_transfers(settings, tmp_path)
    assert len(pairs) == 4 * len(rows.TRANSFERRED_BEYOND) and set(pairs.source) == {"a", "b"}


def test_the_bounds_are_means_over_seeds(tmp_path):
    for seed, value in ((1, 10.0), (2, 20.0)):
        path = tmp_path / f"bounds/mine/seed{seed}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame([{"judge": "coin", "row": "ICL+Yes", "rank1": value, "map": 1.0, "minp": 1.0}]).to_csv(
            path, index=False
        )
    sheet = bounds_sheet([str(tmp_path / f"bounds/mine/seed{seed}.csv") for seed in (1, 2)])
    assert sheet.to_dict("records")[0] | {"mAP": "", "mINP": ""} == {
        "Benchmark": "mine",
        "Judge": "coin",
        "Method": "ICL+Yes",
        "Rank-1": "15.0",
        "mAP": "",
        "mINP": "",
    }


def test_the_frontier_holds_what_nothing_cheaper_reaches(tmp_path):
    cost, value = [0, 0, 5, 5, 9, 9], [50, 60, 55, 70, 70, 71]
    assert undominated(cost, value) == [1, 3, 5]
    for k in undominated(cost, value):
        assert not any(cost[n] <= cost[k] and value[n] > value[k] for n in range(6))
    assert places(pd.Series([0.0, 0.001, 10]), pd.Series([1.0, 1.0, 50.0])) == {(0.0, 1.0): "1, 2", (10, 50.0): "3"}
    figure = frontier(beyond_table(results(tmp_path), tmp_path))
    figure.savefig(tmp_path / "f.png")
    texts = " ".join(text.get_text() for text in figure.legends[0].get_texts())
    plt.close(figure)
    assert all(name in texts for name in rows.ROWS)


def test_differences_over_drawings_are_tested_by_identity_and_pairs_give_their_least_gain(tmp_path):
    folders = [tmp_path / f"draw{n}" for n in range(3)]
    for n, folder in enumerate(folders):
        settings = results(folder, seed=n)
        beyond_table(settings, folder).to_csv(folder / "beyond.csv", index=False)
        beyond_transfers(settings, folder).to_csv(folder / "beyond_transfers.csv", index=False)
    assert len(np.unique(draws._identities(folders, "a"))) == 30, "people of two drawings are different people"
    every = draws.rows_table(folders).set_index("Method")
    one = np.array([measured(1.5, n)["rank1"] for n in range(3)])
    assert every.loc["ICL+Evidence", "Rank-1"] == f"{one.mean():.1f}"
    assert every.loc["ICL+Evidence", "Rank-1 sd (drawings)"] == f"{one.std(ddof=1):.1f}"
    tests = draws.tests_table(folders)
    line = tests[(tests.Row == "ICL+Evidence") & (tests.against == "ICL+THI") & (tests.Metric == "mAP")].iloc[0]
    gains = [measured(1.5, n)["map"] - measured(0.7, n)["map"] for n in range(3)]
    assert float(line.Difference) == pytest.approx(np.mean(gains), abs=0.06) and float(line.p) < 0.01
    assert (tests["p (Holm)"].astype(float) >= tests.p.astype(float)).all()
    pairs = draws.pairs_table(folders)
    assert len(pairs) == 4 and pairs["mAP, least"].eq(f"{min(gains):+.1f}").all()
    draws.main(folders, tmp_path / "out")
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".csv", ".html", ".md", ".tex"}
    with pytest.raises(InputError, match="no beyond.csv"):
        draws.rows_table([tmp_path])


def test_every_way_has_a_row():
    assert {row.way for row in rows.ROWS.values()} - {None} == set(WAYS)
