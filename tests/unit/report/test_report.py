"""The tables, from a results folder written by hand."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import official_pairs

from icl.data.pairs import write_pairs
from icl.ranking.measure import measure, rank1_interval, read_measured, values_of
from icl.ranking.scores import MatrixScores
from icl.report.estimate import estimate, expected_calls
from icl.report.paper import paper_figure
from icl.report.tables import summarise, write_tables
from icl.rerank.record import with_ranks
from icl.rerank.timing import STAGES, untimed
from icl.workflow import rows
from icl.workflow.config import load_settings
from icl.workflow.timed import timing_files


def put(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


@pytest.fixture
def results(tmp_path):
    """Two seeds of all rows on one benchmark; Rank-1 is 50 + seed, with THI 60 + seed."""
    settings = load_settings({"datasets": {"CUHK-PEDES": {"root": "x"}}, "seeds": [1, 2], "results": str(tmp_path)})
    each = {"identity": [*range(5), *range(5)], "first": [1] * 6 + [2] * 4}
    each |= {name: [1.0] * 6 + [0.5] * 4 for name in ("average_precision", "inp")}
    plain = dict(rank5=70, rank10=80, map=40, minp=30, queries=10, gallery=5, per_query=each)
    for n, name in enumerate(rows.metric_files(settings)):
        put(tmp_path / name, {"rank1": 51 + n % 2, **plain})
    for name in rows.selection_files(settings):
        put(tmp_path / name, {"rule": "best-val", "epoch": 3, "rank1": 50.0})
    timed = {}
    for n, folder in enumerate(rows.reranked_folders(settings)):
        calls = {"localise": 14, "vqa": 4, "aggregate": 6}
        found = {"rank1": 61 + n % 2, **plain, "refined": 6, "calls": calls, "fallbacks": {"localise": 1, "vqa": 2}}
        put(tmp_path / folder / "metrics.json", found | {"parameters": {"xi": 0.4}, "selection": "best Rank-1 on val"})
        times = untimed(calls, 10) | {"seconds_per_query": 0.5, "split": dict.fromkeys(STAGES, 0.1)}
        times |= {"seconds_low": 0.4, "seconds_high": 0.8, "unsteady": "passes differ by 80%"}
        timed[folder] = {**times, "p50": 0.4, "p95": 0.9, "timed_alone": 3}
    for name in timing_files(settings, "table"):
        put(
            tmp_path / name,
            {folder: times for folder, times in timed.items() if folder.endswith(Path(name).parent.name)},
        )
    for name in rows.fallback_files(settings):
        put(tmp_path / name, {"vqa": 3, "aggregate": 0, "decompose": 1, "rewrite": 9})
    write_pairs(official_pairs("cuhk-pedes"), tmp_path / "pairs/CUHK-PEDES.parquet")
    for name in rows.judge_files(settings):
        put(tmp_path / name, {"base": {"accuracy_hard": 40.0}, "lora": {"accuracy_hard": 70.0}})
    return settings, tmp_path


def test_tables_of_a_whole_run(results):
    settings, folder = results
    out = {name: folder / f"{name}.csv" for name in ("table", "timing", "summary", "judge", "cost")}
    write_tables(settings, folder, {**out, "summary_text": folder / "summary.md"})
    table = pd.read_csv(out["table"])
    assert len(table) == 16
    line = table[(table.method == "ICL+THI") & (table.seed == 2)].iloc[0]
    assert (line["rank1"], line["refined_queries"], line["localise_calls"], line["parameters"]) == (62, 6, 14, "xi 0.4")
    assert 0 < line["rank1_low"] < 60 < line["rank1_high"] < 100
    assert (line["paper_rank1"], line["paper_seconds_per_query"]) == (77.91, 0.2522)
    assert (line["checkpoint"], line["parameter_selection"]) == ("epoch 3: best mAP on val", "best Rank-1 on val")
    assert (line["localise_fallbacks"], line["vqa_fallbacks"], line["rda_rewrite_fallbacks"]) == (1, 2, 9)
    assert table[table.method == "RDE"][["parameters", "vqa_fallbacks", "rda_vqa_fallbacks"]].isna().all(axis=None)
    times = pd.read_csv(out["timing"])
    assert len(times) == 12
    assert times.localise_calls_per_query.eq(1.4).all() and times.unsteady.eq("passes differ by 80%").all()
    assert (times.seconds_low.unique(), times.seconds_high.unique()) == ([0.4], [0.8])
    summary = pd.read_csv(out["summary"]).set_index("method")
    assert summary.loc["ICL+THI", ["seeds", "rank1"]].tolist() == [2, 61.5]
    assert summary.loc["ICL+THI", "rank1_sd"] == pytest.approx(np.sqrt(0.5), abs=1e-3)
    text = (folder / "summary.md").read_text()
    assert not any("seconds" in name for name in summary) and "s/query" not in text, "accuracy alone"
    assert "61.50 ± 0.71" in text and "after LoRA | 70.000" in text


def test_an_unverified_benchmark_shows_no_figure_of_the_paper(results):
    settings, folder = results
    write_pairs(official_pairs("cuhk-pedes").query("pid <= 3"), folder / "pairs/CUHK-PEDES.parquet")
    out = {name: folder / f"{name}.csv" for name in ("table", "timing", "summary", "judge", "cost")}
    write_tables(settings, folder, {**out, "summary_text": folder / "summary.md"})
    for name in ("table", "timing", "summary"):
        frame = pd.read_csv(out[name])
        assert frame.filter(like="paper_").isna().all(axis=None) and len(frame)
    assert "CUHK-PEDES is not compared with the paper: train: 3 identities" in (folder / "summary.md").read_text()


def test_one_seed_has_no_spread():
    lines = {"benchmark": "b", "method": "RDE", "rank1": 1.0, "rank5": 1.0, "rank10": 1.0, "map": 1.0, "minp": 1.0}
    lines |= {"refined_queries": None, "seconds_per_query": None}
    lines |= {f"paper_{name}": None for name in ("rank1", "rank5", "rank10", "map", "minp", "seconds_per_query")}
    assert summarise(pd.DataFrame([lines])).rank1_sd.isna().all()


def test_the_papers_figures():
    assert paper_figure("UFine6926", "ICL+THI", "rank1") == 90.67
    assert paper_figure("CUHK-PEDES", "RDE+THI", "rank1") == 77.47
    assert paper_figure("RSTPReid", "ICL+THI (no LoRA)", "map") == 53.11
    assert paper_figure("synthpedes", "ICL+THI", "rank1") is None


def test_measures_hold_the_interval_around_rank1():
    rng = np.random.default_rng(0)
    pids = np.arange(40)
    found = measure(MatrixScores(rng.normal(size=(40, 40)) + 3 * np.eye(40)), pids, pids)
    low, high = rank1_interval(found, 200)
    assert low <= found["rank1"] <= high and low < high
    assert (found["queries"], found["gallery"]) == (40, 40)


def test_measures_of_each_query_are_kept_with_its_identity(tmp_path):
    pids, scores = np.array([7, 5, 7, 5]), np.random.default_rng(0).random((4, 6))
    found = measure(MatrixScores(scores), pids, np.array([5, 7, 5, 7, 5, 9]))
    put(tmp_path / "test.json", found)
    again = read_measured(tmp_path / "test.json")
    assert again["per_query"]["identity"] == [7, 5, 7, 5]
    for name, values in values_of(again).items():
        assert 100 * values.mean() == pytest.approx(found[name], abs=1e-4)


def test_the_interval_is_wider_where_queries_of_one_identity_agree():
    """Six equal captions an identity tell no more than one."""
    hits = np.random.default_rng(0).random(100) < 0.5
    first = np.where(hits, 1, 2)
    one = {"per_query": dict(identity=range(100), first=first, average_precision=first, inp=first)}
    six = {"per_query": {name: np.repeat(values, 6) for name, values in one["per_query"].items()}}
    assert rank1_interval(six, 500) == pytest.approx(rank1_interval(one, 500))


def test_records_carry_both_ranks():
    class Split:
        text_pids, caption_ids = np.array([7]), np.array([30])
        image_pids, image_ids = np.array([6, 7]), np.array([60, 70])

    before, after = (MatrixScores(np.array([row])) for row in ([0.9, 0.1], [0.1, 0.9]))
    record = with_ranks([{"candidates": [0, 1]}], Split, before, after)[0]
    assert (record["rank_before"], record["rank_after"], record["candidate_pids"]) == (2, 1, [6, 7])


def test_the_estimate_counts_every_question_that_can_be_asked():
    rows = [("train", 1, 0), ("train", 1, 0), ("val", 2, 1), ("test", 3, 2), ("test", 3, 3), ("test", 4, 3)]
    table = pd.DataFrame(rows, columns=["split", "pid", "image_id"]).assign(image=lambda t: t.image_id.astype(str))
    table["caption_id"], table["caption"] = range(6), "a man"
    settings = load_settings({"datasets": {"x": {"root": "y"}}, "methods": ["ICL", "ICL+THI", "ICL+Yes"]})
    calls = expected_calls(settings, {"x": table}).set_index(["stage", "task"]).calls
    assert calls["RDA"].to_dict() == {"vqa": 1, "aggregate": 2, "decompose": 2, "rewrite": 18}
    assert calls["thi/x/rda/lora/seed1 test"].to_dict() == {"localise": 15, "vqa": 2, "aggregate": 3}
    assert calls["thi/x/rda/lora/seed1 val"].to_dict() == {"localise": 5, "vqa": 1, "aggregate": 1}
    assert calls["yes/x/rda/lora/seed1"].to_dict() == {"localise": 15}
    found = estimate(expected_calls(settings, {"x": table}), dict.fromkeys(calls.index.get_level_values(1), 3600.0))
    assert found.hours.iloc[-1] == calls.sum() == found.hours.iloc[:-1].sum()
