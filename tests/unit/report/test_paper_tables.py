"""The paper's tables beside measured numbers, differences between rows, and the sweeps of THI."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers import official_pairs

from icl.data.pairs import write_pairs
from icl.errors import InputError
from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import MatrixScores
from icl.report.noise import noise_text
from icl.report.paper import paper_figure, transfer_figure
from icl.report.paper_tables import ablation_table, best, difference_table, main_table, time_table, write_table
from icl.report.tables import TIMING_COLUMNS, summarise
from icl.report.transfer_tables import transfer_table
from icl.report.words import NOTHING, spread, words
from icl.rerank.thi.sweeps import played
from icl.workflow.config import load_settings
from icl.workflow.methods import ROWS
from icl.workflow.rows import transfers


def summary_of(benchmark: str):
    rows = []
    for method, rank1 in (("RDE", 50.0), ("ICL", 51.0), ("ICL+THI", 60.0)):
        for seed in (1, 2):
            row = {
                "benchmark": benchmark,
                "method": method,
                "seed": seed,
                "rank1": rank1 + seed,
                "rank1_low": 1,
                "rank1_high": 9,
            }
            row |= {name: 40.0 for name in ("rank5", "rank10", "map", "minp")}
            figures = ("rank1", "rank5", "rank10", "map", "minp", "seconds_per_query")
            row |= {f"paper_{name}": paper_figure(benchmark, method, name) for name in figures}
            rows.append({**row, "refined_queries": 3, "seconds_per_query": None})
    table = pd.DataFrame(rows)
    return summarise(table), table


def test_measured_rows_stand_beside_the_papers_only_where_it_prints_them():
    main = main_table(*summary_of("CUHK-PEDES")).set_index("Method")
    assert main.loc["ICL", "Paper Rank-1"] == "76.41" and main.loc["ICL", "Diff. Rank-1"] == "-23.91"
    own = main_table(*summary_of("synthpedes")).set_index("Method")
    assert set(own["Paper Rank-1"]) == {"-"} == set(own["Diff. mAP"])
    parts = ablation_table(summary_of("synthpedes")[0])
    assert parts[["RDA", "THI", "LoRA"]].to_numpy().tolist() == [["", "", ""], ["yes", "", ""], ["yes", "yes", "yes"]]


def test_best_values_are_bold_and_latex_is_escaped(tmp_path):
    main = main_table(*summary_of("a_b"))
    assert best(main)["Rank-1"].tolist() == [False, False, True] and not best(main).Method.any()
    write_table(main, tmp_path / "main", "T")
    text = (tmp_path / "main.tex").read_text()
    assert r"\textbf{61.50 $\pm$ 0.71}" in text and r"a\_b" in text and r"95\% of" in text and r"\toprule" in text
    text = (tmp_path / "main.md").read_text()
    assert text.startswith("# T\n") and "**61.50 ± 0.71**" in text and "a_b" in text


def put_metrics(settings, folder, method, benchmark, seed, first, pids):
    """A metrics file of a row whose queries find their first right image at these ranks."""
    path = folder / ROWS[method].metrics(benchmark, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    first = np.asarray(first)
    each = {"identity": list(pids), "first": first.tolist()}
    each |= {name: (1 / first).tolist() for name in ("average_precision", "inp")}
    path.write_text(json.dumps({"queries": len(pids), "per_query": each}))


@pytest.fixture
def compared(tmp_path):
    """Two benchmarks of 30 identities with 4 queries each, two seeds: ICL is RDE, ICL+THI mends what ICL misses."""
    generated = {"generator": "synth", "train_identities": 4, "test_identities": 30, "xi": 0.5}
    settings = {"datasets": {"a": generated, "b": generated}, "methods": ["RDE", "ICL", "ICL+THI"], "seeds": [1, 2]}
    settings = load_settings({**settings, "bootstrap": 200, "results": str(tmp_path)})
    pids, rng = np.repeat(np.arange(30), 4), np.random.default_rng(0)
    for benchmark in settings.datasets:
        for seed in settings.seeds:
            first = np.where(rng.random(120) < 0.5, 1, 4)
            for method in ("RDE", "ICL"):
                put_metrics(settings, tmp_path, method, benchmark, seed, first, pids.tolist())
            put_metrics(settings, tmp_path, "ICL+THI", benchmark, seed, np.ones(120, int), pids.tolist())
    return settings, tmp_path


def test_differences_are_tested_by_identity_and_adjusted_for_the_whole_table(compared):
    settings, folder = compared
    found = difference_table(settings, folder)
    assert found[["Benchmark", "Row", "against"]].to_numpy().tolist() == [
        ["a", "ICL", "RDE"], ["a", "ICL+THI", "ICL"], ["b", "ICL", "RDE"], ["b", "ICL+THI", "ICL"]
    ]  # fmt: skip
    none, gain = found.iloc[0], found.iloc[1]
    assert none["mAP"] == "+0.00 (+0.00 to +0.00)" and none["p of mAP"] == none["Holm p of mAP"] == "1.00000"
    missed = [
        np.mean(
            np.array(json.loads((folder / f"metrics/a/rda/seed{seed}/test.json").read_text())["per_query"]["first"]) > 1
        )
        for seed in (1, 2)
    ]
    assert gain["Rank-1"].startswith(f"+{100 * np.mean(missed):.2f} (+") and gain["p of Rank-1"] == "0.00005"
    assert gain["Holm p of Rank-1"] == "0.00060", "12 tests in the table, both benchmarks among them"
    assert gain["mINP"] == gain["mAP"], "the same values here"


def test_rows_of_other_queries_and_files_of_earlier_versions_are_named(compared):
    settings, folder = compared
    path = folder / ROWS["ICL+THI"].metrics("b", 2)
    found = json.loads(path.read_text())
    other = {**found["per_query"], "identity": found["per_query"]["identity"][::-1]}
    path.write_text(json.dumps({**found, "per_query": other}))
    with pytest.raises(InputError, match="seed2/metrics.json: found queries of other identities"):
        difference_table(settings, folder)
    old = {name: values for name, values in found["per_query"].items() if name not in ("identity", "inp")}
    for earlier in ({**found, "per_query": old}, {"rank1": 3.0, "queries": 120}):
        path.write_text(json.dumps(earlier))
        with pytest.raises(InputError, match="seed2/metrics.json: found no identity and .* delete it and run"):
            difference_table(settings, folder)


def test_transfers_stand_in_table_3_or_4_by_their_captions(tmp_path):
    spec = {"root": "x", "xi": 0.5}
    names = {"CUHK-PEDES": spec, "RSTPReid": {**spec, "layout": "rstpreid"}}
    names["UFine6926"] = {**spec, "layout": "ufine6926", "fine_grained": True}
    settings = load_settings({"datasets": names, "seeds": [1, 2], "results": str(tmp_path)})
    for n, (_, target, _, row, seed) in enumerate(transfers(settings)):
        file = tmp_path / row.folder(target, seed) / ("metrics.json" if row.way else "test.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(dict(rank1=n, rank5=50, rank10=60, map=40, minp=30)))
    for name in names:
        write_pairs(official_pairs(settings.datasets[name].layout), tmp_path / "pairs" / f"{name}.parquet")
    coarse, fine = (transfer_table(settings, tmp_path, kind) for kind in (False, True))
    assert len(coarse) == (4 + 1) * 3 and len(fine) == 4 * 3
    line = coarse.set_index(["Source", "Target", "Method"]).loc[("CUHK-PEDES", "RSTPReid", "ICL")]
    assert line["Paper Rank-1"] == "55.80" and line["Rank-1"] == "8.50 ± 0.71"
    assert transfer_figure("synthpedes", "synthwinter", "ICL", "rank1") is None
    assert best(coarse)["Rank-1"].sum() == 5


def test_nothing_measured_is_a_dash(tmp_path):
    assert spread(float("nan"), float("nan")) == "-" and spread(1.0, float("nan")) == "1.00"
    assert [words(cell) for cell in (None, float("nan"), "", pd.NA, 0, 0.0)] == [*"----", "0", "0.0000"]
    table = pd.DataFrame({"a": [0.5, np.nan], "b": ["x", None], "c": ["", "y"]})
    write_table(table, tmp_path / "time", "T")
    for text in ((tmp_path / "time.md").read_text(), (tmp_path / "time.tex").read_text()):
        cells = text.replace("&", " ").replace("|", " ").replace("\\", " ").split()
        assert "nan" not in text.lower() and "none" not in text.lower() and cells.count(NOTHING) == 3
    line = {
        "benchmark": "a",
        "noise": 0.2,
        "variant": "tal",
        **dict.fromkeys(("rank1", "rank5", "rank10", "map", "minp"), 1.0),
    }
    course = {"benchmark": "a", "noise": 0.2, "variant": "tal", "epoch": 2, "ccd_precision": 0.5, "ccd_recall": 0.5}
    assert "nan" not in noise_text(pd.DataFrame([line]), pd.DataFrame([{**course, "ccd_auroc": np.nan}]))


def timing_line(method, **known):
    numbers = {"seconds_per_query": 0.2, "seconds_low": 0.1, "seconds_high": 0.4, "reranking_seconds": 0.2}
    return {**dict.fromkeys(TIMING_COLUMNS), "benchmark": "a", "method": method, "seed": 1, **numbers, **known}


def test_the_time_table_shows_the_range_and_says_which_rows_are_unsteady():
    lines = [timing_line("ICL+THI"), timing_line("ICL+THI", seed=2, seconds_high=0.9, unsteady="passes differ by 80%")]
    timing = pd.DataFrame([*lines, timing_line("ICL+k-reciprocal")], columns=TIMING_COLUMNS)
    found = time_table(timing.astype({name: float for name in TIMING_COLUMNS if name.endswith(("_seconds", "_query"))}))
    found = found.set_index("method")
    assert found.loc["ICL+THI", ["fastest pass", "slowest pass"]].tolist() == [0.1, 0.9]
    assert [words(cell) for cell in found.unsteady] == ["passes differ by 80%", "-"]


def test_sweeps_equal_metrics_of_rankings_made_by_hand():
    rng = np.random.default_rng(1)
    raw, new = rng.random((6, 5)), rng.random((6, 5))
    query_pids, gallery_pids = np.array([0, 1, 2, 0, 1, 2]), np.array([0, 1, 2, 0, 1])
    anchors, made = [0, None, 2, 4, None, 1], [1, None, 2, 3, None, 2]
    records = [
        {"anchor": a, "round": r, "yes": [False] * ((r or 5) - 1) + [True]} for a, r in zip(anchors, made, strict=True)
    ]
    acted = [q for q, a in enumerate(anchors) if a is not None]
    run = played(records, MatrixScores(raw), MatrixScores(new[acted]), query_pids, gallery_pids)
    for row in run.by_round(5, 0.8):
        expected = raw.copy()
        for q, anchor in enumerate(anchors):
            if anchor is not None and made[q] <= row["round"]:
                second = new[q].copy()
                second[anchor] = 1.0
                expected[q] = 0.8 * raw[q] + 0.2 * second
        found = retrieval_metrics(expected, query_pids, gallery_pids)
        assert (row["rank1"], row["map"]) == pytest.approx((found.rank1, found.map))
        assert row["refined"] == sum(m is not None and m <= row["round"] for m in made)
        assert row["calls"] == (sum(len(r["yes"]) >= row["round"] for r in records) if row["round"] else 0)
    assert run.by_weight([1.0])[0]["map"] == pytest.approx(retrieval_metrics(raw, query_pids, gallery_pids).map)
