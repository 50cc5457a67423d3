"""The workflow as its users call it: what would run, what is refused, and the smoke configuration end to end."""

import json
import os
import shutil
import tarfile

import numpy as np
import pandas as pd
import pytest
import yaml
from helpers import save_official_layout
from running import HOUSE, SMOKE, TARGETS, jobs, snakemake, table_of

from icl.report.interaction import interaction_table
from icl.workflow.config import load_settings
from icl.workflow.methods import DEFAULT_METHODS

PAPER = {"CUHK-PEDES": "cuhk-pedes", "ICFG-PEDES": "icfg-pedes", "RSTPReid": "rstpreid", "UFine6926": "ufine6926"}


def test_the_default_run_is_the_embedded_benchmark(tmp_path):
    found = jobs(snakemake(tmp_path, "-n", "results/table.csv"))
    assert found["train_retriever"] == 2 and found["rerank"] == 6 and found["finetune_lora"] == 1


def test_the_catalogs_entry_point_is_the_same_workflow(tmp_path):
    catalogue = ("--snakefile", str(HOUSE / "workflow" / "Snakefile"))
    own, listed = (snakemake(tmp_path, "-n", *SMOKE, *more) for more in ((), catalogue))
    own, listed = ({k: n for k, n in jobs(done).items() if "default" not in k} for done in (own, listed))
    assert own == listed and own["rerank"] == 6
    assert (HOUSE / "config" / "README.md").exists() and (HOUSE / ".snakemake-workflow-catalog.yml").exists()


def test_seeds_are_a_dimension(tmp_path):
    found = jobs(snakemake(tmp_path, "-n", "results/table.csv", "--config", "seeds=[1,2,3]"))
    assert found["train_retriever"] == 6 and found["rerank"] == 18
    assert found["augment_shard"] == 2  # the MLLM's augmentation does not depend on the seed


def test_a_given_configuration_is_not_merged_over_the_default(tmp_path):
    done = snakemake(tmp_path, "-n", "results/smoke/table.csv", *SMOKE)
    assert jobs(done)["benchmark"] == 1 and "synthpedes" not in done.stdout + done.stderr


def test_a_wrong_key_stops_before_any_job(tmp_path):
    done = snakemake(tmp_path, "all", "--config", "retriever={epoch: 3}")
    assert done.returncode != 0 and not (tmp_path / "results").exists()
    assert "Did you mean 'epochs'?" in done.stderr and "retriever.epoch" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_benchmark_stops_before_any_job_with_the_steps_to_get_it(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("datasets: {mine: {root: nowhere, layout: rstpreid}}\n")
    done = snakemake(tmp_path, "-n", "results/pairs/mine.parquet", "--configfile", str(config))
    assert done.returncode != 0 and "Traceback (most recent call last)" not in done.stdout + done.stderr
    assert "benchmark folder nowhere: found no such folder; expected data_captions.json. (1)" in done.stderr


def test_verify_reports_what_is_missing_and_what_is_there(tmp_path):
    save_official_layout("cuhk-pedes", tmp_path / "there")
    config = tmp_path / "c.yaml"
    there = "there: {root: there, layout: cuhk-pedes}"
    config.write_text(f"datasets: {{mine: {{root: nowhere, layout: ufine6926, xi: 0.5}}, {there}}}\n")
    done = snakemake(tmp_path, "verify", "--configfile", str(config))
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "results" / "verify.md").read_text()
    assert "## mine: missing" in text and "## there: differs" in text and text in done.stderr
    save_official_layout("ufine6926", tmp_path / "nowhere")
    again = snakemake(tmp_path, "-n", "verify", "--configfile", str(config))
    assert jobs(again) == {"verify": 1, "verify_benchmark": 1}, "only what came is looked at"


def test_the_paper_configuration_lists_its_whole_dag_on_fixture_folders(tmp_path):
    for name, layout in PAPER.items():
        save_official_layout(layout, tmp_path / "data" / name)
    done = snakemake(tmp_path, "-n", "all", "--configfile", str(HOUSE / "config" / "paper.yaml"))
    found = jobs(done)
    assert done.returncode == 0, done.stderr
    assert found["train_retriever"] == 16 and found["augment_shard"] == 4 * 64 and found["finetune_lora"] == 1
    assert found["metrics"] == 2 * 4 * 4 + 4 + 2 * 4 and found["transfer_tables"] == found["paper_tables"] == 1
    assert found["import_retriever"] == 4 and found["rerank"] == (3 + 3) * 4 + 4 + 4 * 3, (
        "CLIP's rows; ICL+THI moved to 12 targets"
    )
    assert found["figure"] == 8 * 4 and found["noise"] == 1


@pytest.mark.slow
def test_a_run_killed_three_times_ends_in_the_table_of_a_whole_run(smoke, whole):
    pd.testing.assert_frame_equal(table_of(smoke), table_of(whole))


@pytest.mark.slow
def test_smoke_run_ends_in_the_tables(smoke):
    results = smoke / "results/smoke"
    table, times = pd.read_csv(results / "table.csv"), pd.read_csv(results / "timing.csv")
    assert table.method.tolist() == list(DEFAULT_METHODS)
    assert set(pd.read_csv(results / "mllm_cost.csv").task) == {"vqa", "aggregate", "decompose", "rewrite", "localise"}
    assert table.queries.eq(64).all() and table.gallery.eq(32).all()
    assert table.rank1.between(table.rank1_low, table.rank1_high).all()
    assert (
        times.seconds_per_query.gt(0).all() and times.p95_seconds.ge(times.p50_seconds)[times.p50_seconds.notna()].all()
    )
    assert set(json.loads((results / "provenance.json").read_text())) >= {"config", "code", "packages", "machine"}
    assert set(pd.read_csv(results / "judge.csv").judge) == {"base", "lora"}
    assert (results / "figures/contact_sheet.png").stat().st_size > 0


@pytest.mark.slow
def test_what_interactions_win_and_lose_is_the_gain_of_the_table(smoke):
    """The record, the metrics and the table of the interaction tell one story."""
    settings = load_settings(yaml.safe_load((HOUSE / "config/smoke.yaml").read_text()))
    found = interaction_table(settings, smoke / "results/smoke").set_index(["Method", "Round"])
    table = pd.read_csv(smoke / "results/smoke/table.csv").set_index("method")
    for method, plain in (("RDE+THI", "RDE"), ("ICL+THI", "ICL"), ("ICL+THI (no LoRA)", "ICL")):
        line = found.loc[(method, "all")]
        won, lost = (float(line[f"Rank-1 {name} (% of queries)"]) for name in ("won", "lost"))
        assert won - lost == pytest.approx(table.rank1[method] - table.rank1[plain], abs=0.11)
        assert int(line["Refined queries"]) == table.refined_queries[method]


@pytest.mark.slow
def test_nothing_is_done_twice(smoke):
    done = snakemake(smoke, *TARGETS, *SMOKE)
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.slow
def test_a_rerun_takes_what_depends_on_it_and_nothing_else(smoke):
    found = jobs(snakemake(smoke, "-n", *TARGETS, *SMOKE, "-R", "finetune_lora"))
    again = {
        "finetune_lora": 1,
        "evaluate_judge": 1,
        "choose_parameters": 3,
        "rerank": 4,
        "time_rerankings": 1,
        "table": 1,
    }
    assert found == again


@pytest.mark.slow
def test_a_setting_reruns_the_stages_that_read_it(smoke):
    found = jobs(snakemake(smoke, "-n", *TARGETS, *SMOKE, "--config", "thi={lambda: 0.7}"))
    assert found == {"choose_parameters": 3, "rerank": 3, "time_rerankings": 1, "table": 1}


@pytest.mark.slow
def test_a_runs_answers_replay_its_table_without_a_model(smoke, tmp_path):
    done = snakemake(smoke, "results/smoke/answers.tar.gz", *SMOKE)
    assert done.returncode == 0, done.stderr[-3000:]
    again = tmp_path / "again"
    shutil.copytree(smoke, again, symlinks=True)
    results = again / "results/smoke"
    for name in ("answers", "augment", "lora", "thi", "yes", "evidence"):
        shutil.rmtree(results / name)
    replay = ("--config", "mllm={backend: replay, model: nowhere}")
    done = snakemake(again, "results/smoke/table.csv", *SMOKE, *replay)
    assert done.returncode != 0 and "without a stored answer" in done.stdout + done.stderr
    with tarfile.open(smoke / "results/smoke/answers.tar.gz") as archive:
        archive.extractall(results, filter="data")
    done = snakemake(again, "results/smoke/table.csv", *SMOKE, *replay)
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ("table", "judge"):
        found, expected = (pd.read_csv(f / f"results/smoke/{name}.csv") for f in (again, smoke))
        pd.testing.assert_frame_equal(
            *(f.drop(columns="seconds_per_query", errors="ignore") for f in (found, expected))
        )


@pytest.mark.slow
def test_ones_own_retriever_gives_rows_without_touching_code(smoke):
    """As the README tells: a folder of similarity matrices, and a checkpoint as it is."""
    rows = pd.read_parquet(smoke / "results/smoke/pairs/tinypedes.parquet")
    (smoke / "mine").mkdir()
    for split in ("val", "test"):
        part = rows[rows.split == split]
        images = part.drop_duplicates("image_id")
        right = (part.pid.to_numpy()[:, None] == images.pid.to_numpy()[None]).astype(np.float32)
        noise = np.random.default_rng(0).random(right.shape, dtype=np.float32)
        np.save(smoke / "mine" / f"{split}.npy", 0.3 * right + noise)
    extra = (
        "retrievers={Mine: {kind: scores, source: mine, judge: base}, CLIP: {source: models/synthclip, judge: base}}"
    )
    done = snakemake(smoke, "results/smoke/table.csv", *SMOKE, "--config", extra)
    assert done.returncode == 0, done.stderr[-3000:]
    table = pd.read_csv(smoke / "results/smoke/table.csv").set_index("method")
    assert table.loc["Mine", "rank1"] > 20 and table.loc["Mine", "checkpoint"] == "given"
    assert table.loc["Mine+THI", "localise_calls"] > 0 and table.loc["CLIP+THI", "localise_calls"] > 0
    again = jobs(snakemake(smoke, "-n", "results/smoke/table.csv", *SMOKE))
    assert again == {"time_rerankings": 1, "table": 1}, "without them, only what shows all rows is made anew"


@pytest.mark.slow
def test_a_truncated_checkpoint_stops_with_its_name(smoke):
    path = smoke / "results/smoke/retriever/tinypedes/rde/seed1/model.safetensors"
    whole, times = path.read_bytes(), path.stat()
    path.write_bytes(whole[:5000])
    done = snakemake(smoke, "results/smoke/embeddings/tinypedes/rde/seed1", "-R", "embed", *SMOKE)
    path.write_bytes(whole)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "rde/seed1/model.safetensors: found an unreadable retriever" in done.stderr


@pytest.mark.slow
def test_a_corrupt_image_stops_with_its_name(smoke):
    image = smoke / "results/smoke/benchmarks/tinypedes/imgs/val/00025_0.jpg"
    whole = image.read_bytes()
    image.write_bytes(whole[:200])
    done = snakemake(smoke, "results/smoke/embeddings/tinypedes/rde/seed1", "-R", "embed", *SMOKE)
    image.write_bytes(whole)  # other tests read the same run
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "val/00025_0.jpg: found a corrupt image" in done.stderr
