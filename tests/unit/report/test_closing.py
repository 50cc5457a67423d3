"""The last words of a run: its results in few columns, where the files are, what to run next."""

import numpy as np
import pandas as pd
import pytest

from icl.report.closing import closing, results_table


def frames(seeds):
    """Two methods; the seed is added to every number, seconds are measured for the second alone."""
    rows, times = [], []
    for seed in seeds:
        for method, asked in (("RDE", np.nan), ("ICL+THI", 20)):
            line = {"benchmark": "a", "method": method, "seed": seed, "rank1": 50.0 + seed, "queries": 10}
            line |= {"rank1_low": 47.04, "rank1_high": 54.96, "map": 40.0 + seed, "minp": 30.0 + seed}
            rows.append(line | {"localise_calls": asked, "vqa_calls": asked / 4, "aggregate_calls": asked / 4})
        time = {"benchmark": "a", "method": "ICL+THI", "seed": seed, "seconds_per_query": 0.02}
        times.append(time | {"unsteady": "passes differ by 40%" if seed == 2 else None})
    return pd.DataFrame(rows), pd.DataFrame(times)


def test_one_seed_stands_with_its_interval():
    found = results_table(*frames([1])).set_index("method")
    assert "benchmark" not in found, "there is one"
    assert found.loc["RDE"].tolist() == ["51.0 (47.0 to 55.0)", "41.0", "31.0", "-", "-"]
    assert found.loc["ICL+THI", ["questions/query", "s/query"]].tolist() == ["3.0", "0.020"]


def test_several_seeds_stand_with_their_deviation_and_a_doubtful_time_is_marked():
    found = results_table(*frames([1, 2])).set_index("method")
    assert found.loc["ICL+THI"].tolist() == ["51.5 ± 0.7", "41.5 ± 0.7", "31.5 ± 0.7", "3.0", "0.020 (unsteady)"]


def test_several_benchmarks_are_named():
    (table, timing), names = frames([1]), ("a", "b")
    both = (pd.concat([frame.assign(benchmark=name) for name in names]) for frame in (table, timing))
    assert results_table(*both).benchmark.tolist() == ["a", "a", "b", "b"]


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results"
    (folder / "tables").mkdir(parents=True)
    for name, frame in zip(("table", "timing"), frames([1]), strict=True):
        frame.to_csv(folder / f"{name}.csv", index=False)
    (folder / "tables" / "main.md").touch()
    return folder.relative_to(tmp_path)


def test_after_the_table_come_its_files_and_the_next_command(results, tmp_path):
    text = closing(results, {"results/table.csv"}, " --configfile c.yaml")
    assert "ICL+THI" in text and "Every number: results/table.csv" in text
    assert text.splitlines()[-1].startswith(
        "Next: snakemake --cores all tables figures report_page --configfile c.yaml "
    )
    (tmp_path / "Makefile").touch()
    assert closing(results, {"results/table.csv"}).splitlines()[-1].startswith("Next: make report ")


def test_after_the_report_comes_its_page_and_no_further_command(results):
    made = {"results/table.csv", "results/tables/main.md", "results/report.html"}
    assert closing(results, made).splitlines()[-1].startswith("Next: snakemake --cores all tables figures report_page")
    (results / "report.html").touch()
    text = closing(results, made)
    assert "Tables: results/tables/" in text and text.splitlines()[-1].startswith("Report: results/report.html")


def test_a_run_that_made_no_table_shows_none(results):
    assert closing(results, {"results/search/index.html"}) == ""
    assert closing(results, {"results/smoke/table.csv"}) == "", "nor one that it did not make"
