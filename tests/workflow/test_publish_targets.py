"""What a run gives to others: its results as one file, and the embedded benchmark as a data set."""

import json

import pandas as pd
import pytest
from running import SMOKE, snakemake

from icl.publish.results_file import read_results


@pytest.mark.slow
def test_a_run_gives_a_results_file_a_leaderboard_and_a_data_set(smoke):
    done = snakemake(smoke, "results_file", "hub", *SMOKE)
    assert done.returncode == 0, done.stderr[-3000:]
    results = smoke / "results/smoke"
    found, table = read_results(results / "results.json"), pd.read_csv(results / "table.csv")
    assert [row["method"] for row in found["rows"]] == table["method"].tolist()
    assert [round(row["metrics"]["rank1"], 4) for row in found["rows"]] == table.rank1.round(4).tolist()
    costs = {row["method"]: row["cost_per_query"] for row in found["rows"]}
    assert costs["ICL"]["questions"] == 0 < costs["ICL+THI"]["questions"] and costs["ICL+THI"]["read_tokens"] > 20
    assert found["benchmarks"]["tinypedes"]["version"] == "SynthPEDES 1.0 city (tiny)"
    page = (results / "leaderboard.html").read_text()
    assert all(f">{method}<" in page for method in table["method"])
    known = json.loads((results / "frozen/tinywinter.json").read_text())
    assert known["name"] == "SynthPEDES 1.0 winter (tiny)"
    assert (results / "hub/tinywinter/croissant.json").exists() and (results / "hub/tinypedes/SHA256SUMS").exists()
