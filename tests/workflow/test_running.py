"""Two runs at once in one folder: the second is refused in one sentence, whatever its target, and nothing is damaged."""

import os
import signal
import subprocess
import time

import pytest
from running import SMOKE, command, snakemake

pytestmark = pytest.mark.slow
TRAINING = "results/smoke/retriever/tinypedes/rde/seed1/model.safetensors"


def started(folder):
    """A run that trains, once it has begun to."""
    run = subprocess.Popen(
        command(folder, TRAINING, *SMOKE), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = time.monotonic() + 120
    while not (folder / "results/smoke/pairs/tinypedes.parquet").exists():
        assert run.poll() is None and time.monotonic() < deadline, run.stdout.read()
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGSTOP)  # it stays alive for as long as a test needs it, however fast the machine is
    return run


def refused(folder, first, *words):
    done = snakemake(folder, *words)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and f"Process {first.pid} on " in said and "has been writing to results/smoke/" in said
    assert "Traceback" not in said and said.count("Process ") == 1
    return said


def test_a_second_run_is_refused_while_the_first_lives_and_the_first_ends_well(tmp_path):
    first = started(tmp_path)
    try:
        for words in ((TRAINING,), ("contact_sheet",), ("results/smoke/verify.md",), ("search",), (TRAINING,)):
            refused(tmp_path, first, *words, *SMOKE)  # again and again: a refusal must not lift the first one's lock
        assert snakemake(tmp_path, "-n", "contact_sheet", *SMOKE).returncode == 0, "to look is allowed"
        other = snakemake(tmp_path, "contact_sheet", *SMOKE, "--config", "results=other")
        assert other.returncode == 0, "another results folder shares no file"
        refused(tmp_path, first, "contact_sheet", *SMOKE)
    finally:
        os.kill(first.pid, signal.SIGCONT)
        said, _ = first.communicate(timeout=300)
    assert first.returncode == 0, said
    assert (tmp_path / TRAINING).exists()
    assert snakemake(tmp_path, "contact_sheet", *SMOKE).returncode == 0


def test_a_killed_run_leaves_no_lock(tmp_path):
    first = started(tmp_path)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    done = snakemake(tmp_path, "contact_sheet", *SMOKE)
    assert done.returncode == 0, done.stdout + done.stderr
    done = snakemake(tmp_path, TRAINING, *SMOKE)
    assert done.returncode == 0 and (tmp_path / TRAINING).exists(), done.stdout + done.stderr


def test_a_run_that_fails_gives_its_lock_back_and_no_other(tmp_path):
    failing = snakemake(tmp_path, "results/smoke/no_such_file", *SMOKE)
    assert failing.returncode != 0
    first = started(tmp_path)
    assert snakemake(tmp_path, "results/smoke/no_such_file", *SMOKE).returncode != 0
    refused(tmp_path, first, "contact_sheet", *SMOKE)
    first.kill()
    first.wait()
