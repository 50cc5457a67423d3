"""The smoke workflow on a real one-node Slurm, with the profile that users take: `pytest -m slurm`."""

import json
import re
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from one_node_slurm import start, stop
from running import HOUSE, SMOKE, command, jobs, snakemake, table_of
from safetensors.torch import load_file

from icl.retriever.weights.checkpoints import load_retriever

pytestmark = [pytest.mark.slow, pytest.mark.slurm]
PROFILE = ("--profile", str(HOUSE / "profiles" / "slurm"), "--seconds-between-status-checks", "1")
QUICK = ("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "20", "--slurm-status-command", "squeue")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    if missing := start(folder):
        pytest.skip(missing)
    yield
    stop(folder)


def on_slurm(folder: Path, target: str, *more: str) -> list[str]:
    return command(folder, target, *SMOKE, *PROFILE, *QUICK, *more)


def test_a_cancelled_job_is_sent_again_resumes_and_the_table_is_the_local_one(cluster, whole, tmp_path):
    log = tmp_path / "results/smoke/logs/train_retriever/tinypedes-rde-seed1.log"
    with (tmp_path / "out.log").open("w") as out:
        run = subprocess.Popen(on_slurm(tmp_path, "results/smoke/table.csv"), stdout=out, stderr=out)
        while run.poll() is None and not (log.exists() and "epoch 2" in log.read_text()):
            time.sleep(0.05)
        queue = subprocess.run(["squeue", "-h", "-t", "R", "-o", "%i %k"], capture_output=True, text=True).stdout
        training = [line.split()[0] for line in queue.splitlines() if "train_retriever" in line]
        assert training, f"no training among the running jobs: {queue}"
        subprocess.run(["scancel", *training], check=True)
        assert run.wait(1500) == 0, (tmp_path / "out.log").read_text()[-3000:]
    assert len(re.findall(r"Trying to restart job", (tmp_path / "out.log").read_text())) >= 1
    pd.testing.assert_frame_equal(table_of(tmp_path), table_of(whole))


def test_two_processes_of_torchrun_in_a_slurm_job_give_the_checkpoint_of_one(cluster, tmp_path):
    """With the paper's epsilon of Adam. Three kinds of weights are left to the embeddings that they give: the keys' biases and
    those before BatchNorm, whose gradients are zero but for rounding, and BatchNorm's mean, which follows the latter."""
    target, paper = "results/smoke/retriever/tinypedes/rde/seed1/model.safetensors", "retriever={adam_eps: 1.0e-3}"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    alone = snakemake(tmp_path / "one", target, *SMOKE, "--config", paper)
    assert alone.returncode == 0, alone.stderr[-3000:]
    call = on_slurm(tmp_path / "two", target, "--config", paper, "jobs={training_processes: 2}", "training_threads=2")
    done = subprocess.run(call, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "epoch 2/2" in (tmp_path / "two/results/smoke/logs/train_retriever/tinypedes-rde-seed1.log").read_text()
    one, two = (load_file(tmp_path / name / target) for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        if not name.endswith(("k_proj.bias", "hidden.bias", "running_mean")):
            torch.testing.assert_close(two[name], tensor, atol=1e-5, rtol=1e-5, msg=name)
    pixels = torch.randn(4, 3, 96, 48, generator=torch.Generator().manual_seed(0))
    found = [load_retriever((tmp_path / name / target).parent)[0].encode_images(pixels) for name in ("one", "two")]
    for left, right in zip(*found, strict=True):
        torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-5)


def test_eight_shards_write_the_file_of_one(tmp_path):
    """No cluster is needed to see this: the shards are the same jobs."""
    files = []
    for shards in (1, 8):
        folder = tmp_path / str(shards)
        folder.mkdir()
        target = "results/smoke/augment/tinypedes/augmented.json"
        done = snakemake(folder, target, *SMOKE, "--config", f"rda={{shards: {shards}}}")
        assert done.returncode == 0, done.stderr[-3000:]
        files.append(json.loads((folder / target).read_text()))
    assert files[0] == files[1]


def test_the_smoke_runs_jobs_ask_for_what_the_docs_say(tmp_path):
    done = snakemake(tmp_path, "-n", "results/smoke/table.csv", *SMOKE)
    assert jobs(done)["train_retriever"] == 2
    asked = {int(mb) for mb in re.findall(r"mem_mb=(\d+)", done.stdout + done.stderr)}
    assert asked and max(asked) < 8000
