"""What is told before any job: paths that are not there, missing benchmarks, odd values of `--config`."""

import shutil
import subprocess
import sys

import pytest
from helpers import save_official_layout
from running import HOUSE, SMOKE, jobs, snakemake

TABLE = "results/smoke/table.csv"
NOWHERE = {
    "mllm.model": ("mllm={model: models/synthvll}", "Did you mean 'models/synthvl'?"),
    "retriever.checkpoint": ("retriever={checkpoint: weights/best.pth}", "Correct the path."),
    "retriever.noise_file": ("retriever={noise_file: index.npy}", "Correct the path."),
    "rda.source": ("rda={source: published/augmented.json}", "Correct the path."),
    "retrievers.Mine.source": ("retrievers={Mine: {source: models/synthclop}}", "Did you mean 'models/synthclip'?"),
}


@pytest.mark.parametrize("key", NOWHERE)
def test_a_path_that_is_not_there_is_refused_before_any_job(tmp_path, key):
    given, remedy = NOWHERE[key]
    done = snakemake(tmp_path, TABLE, *SMOKE, "--config", given)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "which is not there" in said and "Traceback" not in said and "Job stats" not in said
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ERROR config key {key}: found '") and last.endswith(remedy), "last and alone"
    assert not list(tmp_path.glob("results/smoke/*/*"))


def test_a_path_that_the_target_does_not_need_is_no_matter(tmp_path):
    done = snakemake(tmp_path, "-n", "contact_sheet", *SMOKE, "--config", "mllm={model: models/synthvll}")
    assert jobs(done)["contact_sheet"] == 1
    done = snakemake(tmp_path, "-n", TABLE, *SMOKE, "--config", "mllm={model: Qwen/Qwen2-VL-7B-Instruct}")
    assert jobs(done)["rerank"] == 6, "a hub id"


def test_a_model_folder_without_weights_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    done = snakemake(tmp_path, "-n", TABLE, *SMOKE, "--config", "mllm={model: empty}")
    assert done.returncode != 0 and "the folder empty without weights" in done.stdout + done.stderr


def test_all_missing_benchmarks_are_told_at_once_with_addresses_and_the_command_to_check(tmp_path):
    paper = ("--configfile", str(HOUSE / "config/paper.yaml"))
    save_official_layout("rstpreid", tmp_path / "data/RSTPReid")
    save_official_layout("icfg-pedes", tmp_path / "data/ICFG-PEDES")
    shutil.rmtree(tmp_path / "data/ICFG-PEDES/imgs")
    done = snakemake(tmp_path, "-n", "all", *paper)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback (most recent call last)" not in said
    for missing, owner in (
        ("benchmark folder data/CUHK-PEDES: found no such folder", "ShuangLI59/Person-Search-with-Natural-Language"),
        ("image folder data/ICFG-PEDES/imgs: found no such folder", "zifyloo/SSAN"),
        ("benchmark folder data/UFine6926: found no such folder", "Zplusdragon/UFineBench"),
    ):
        assert said.count(missing) == 1 and f"https://github.com/{owner}" in said
    assert "data/RSTPReid" not in said
    assert f"snakemake --cores all verify --configfile {HOUSE / 'config/paper.yaml'}" in said


def test_it_starts_from_any_folder_with_the_workflows_own_configuration_and_models(tmp_path):
    call = [sys.executable, "-m", "snakemake", "-s", str(HOUSE / "Snakefile"), "-n", "--cores", "2"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True)
    assert jobs(done)["rerank"] == 6, done.stdout + done.stderr
    assert "synthpedes" in done.stdout + done.stderr
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text((HOUSE / "config/smoke.yaml").read_text())
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True)
    assert "tinypedes" in done.stdout + done.stderr, "a configuration of the folder's own comes first"


@pytest.mark.slow
def test_a_run_from_another_folder_finds_the_models(tmp_path):
    target = "results/smoke/retriever/tinypedes/rde/seed1/model.safetensors"
    call = [sys.executable, "-m", "snakemake", "-s", str(HOUSE / "Snakefile"), "--cores", "2", target, *SMOKE]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and (tmp_path / target).exists(), done.stderr[-3000:]


def make(folder, *words, typed=""):
    call = ["make", "-f", str(HOUSE / "Makefile"), *words]
    return subprocess.run(call, cwd=folder, input=typed, capture_output=True, text=True)


def test_clean_spares_paper_scale_and_what_was_answered_and_clean_all_asks(tmp_path):
    results = tmp_path / "results"
    people = ("human/pack/pack.json", "human/sessions/a.jsonl")
    for name in ("paper/thi/record.jsonl", "table.csv", "smoke/table.csv", ".running", "answers/a/thi.jsonl", *people):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_text('{"identity": {"backend": "transformers"}}\n')
    (tmp_path / ".snakemake/metadata").mkdir(parents=True)

    def left():
        return sorted(str(path.relative_to(results)) for path in results.rglob("*") if path.is_file())

    (results / "answers/b").mkdir()
    (results / "answers/b/thi.jsonl").write_text('{"task": "vqa", "identity": {"backend": "openai"}}\n')
    done = make(tmp_path, "clean")
    assert done.returncode == 0, done.stderr
    assert left() == ["answers/a/thi.jsonl", "answers/b/thi.jsonl", *people, "paper/thi/record.jsonl"]
    assert all(f"results/{name} stays" in done.stdout for name in ("paper", "answers", "human"))
    assert (tmp_path / ".snakemake/metadata").exists(), "it tells what results/paper was made from"
    shutil.rmtree(results / "answers/b")
    (results / "human/sessions/a.jsonl").unlink()
    make(tmp_path, "clean")
    assert left() == ["paper/thi/record.jsonl"]
    for typed in ("", "n\n"):
        assert make(tmp_path, "clean-all", typed=typed).returncode != 0 and results.exists()
    assert make(tmp_path, "clean-all", typed="y\n").returncode == 0 and not results.exists()
    assert make(tmp_path, "clean").returncode == 0
