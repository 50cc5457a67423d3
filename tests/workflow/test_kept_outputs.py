"""No failure removes a finished output: seven kinds of failure, each in a finished folder."""

import hashlib
import os
import re
import resource
import shutil
import signal
import subprocess
import time

import pytest
from running import HOUSE, SMOKE, command, heed_ctrl_c, jobs, snakemake, text_of

pytestmark = pytest.mark.slow
WEIGHTS = "results/smoke/retriever/tinypedes/rde/seed1/model.safetensors"
EMBEDDED = "results/smoke/embeddings/tinypedes/rde/seed1"
LOG = "results/smoke/logs/train_retriever/tinypedes-rde-seed1.log"
OTHER = ("--config", "retriever={epochs: 500}")
"""A training that is still under way when it is ended."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    done = snakemake(folder, EMBEDDED, *SMOKE)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, outputs(folder)


def outputs(folder):
    """Digest and time of every result; what runs leave for themselves is no result."""
    root, found = folder / "results/smoke", {}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        aside = path.relative_to(root).parts[0] in ("logs", "benchmarks_time") or path.name.startswith("state.")
        if not aside and path.relative_to(root).parts[0] not in (".running", ".jobs"):
            found[str(path.relative_to(root))] = hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns
    return found


def begun(folder, *words, group=False):
    """A run that has begun to train."""
    (folder / LOG).unlink(missing_ok=True)
    quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=heed_ctrl_c)
    run = subprocess.Popen(command(folder, EMBEDDED, *SMOKE, *words), start_new_session=group, **quiet)
    deadline = time.monotonic() + 120
    while not re.search(r"epoch \d+/500", text_of(folder / LOG)):  # a log has a line now and then, not one an epoch
        if run.poll() is not None or time.monotonic() > deadline:
            run.kill()
            pytest.fail(text_of(folder / LOG))
        time.sleep(0.05)
    assert not (folder / WEIGHTS).exists(), "Snakemake removes a job's outputs before it begins"
    return run


def job_of(run):
    """The process of the run's job: Snakemake's shell starts it."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout.split()[2:]
    parents = dict(zip(map(int, listed[::2]), map(int, listed[1::2]), strict=True))
    found = [run.pid]
    while children := [pid for pid, parent in parents.items() if parent == found[-1]]:
        found.append(max(children))
    return found[-1]


def kill_the_job(folder):
    run = begun(folder, *OTHER)
    os.kill(job_of(run), signal.SIGKILL)
    assert run.wait(120) != 0


def kill_snakemake(folder):
    run = begun(folder, *OTHER)
    run.kill()
    run.wait()


def interrupt(folder):
    """Ctrl-C on a terminal reaches all processes of the group."""
    run = begun(folder, *OTHER, group=True)
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait(120) != 0


def fill_the_disk(folder):
    """No file may grow beyond a megabyte: writing the training state raises OSError."""
    limit = 1_000_000
    call = command(folder, EMBEDDED, *SMOKE, *OTHER)
    full = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # noqa: E731
    done = subprocess.run(call, capture_output=True, text=True, timeout=300, preexec_fn=full)
    assert done.returncode != 0 and "ERROR in train_retriever" in done.stderr and "epoch 1/500" in text_of(folder / LOG)


def give_a_damaged_checkpoint(folder):
    """An InputError in the job, as the damage shows only there."""
    if not (folder / "damaged").exists():
        shutil.copytree(HOUSE / "models/synthclip", folder / "damaged")
        (folder / "damaged/model.safetensors").write_bytes(b"\0" * 100)
    other = ("--config", "retriever={checkpoint: damaged}")
    done = snakemake(folder, EMBEDDED, *SMOKE, *other)
    assert done.returncode != 0 and "damaged: found no loadable CLIP weights" in done.stdout + done.stderr
    assert jobs(snakemake(folder, "-n", EMBEDDED, *SMOKE, *other))["train_retriever"] == 1, "it was not done"


def mistype_a_model(folder):
    done = snakemake(folder, EMBEDDED, *SMOKE, "--config", "retriever={checkpoint: models/synthclap}")
    assert done.returncode != 0 and "Did you mean 'models/synthclip'?" in done.stdout + done.stderr
    assert "Execute" not in done.stdout + done.stderr


def stop_in_the_middle(folder):
    """One job ends well, the next fails: what was made anew stays, what was not made anew stays as it was."""
    image = next((folder / "results/smoke/benchmarks/tinypedes/imgs/test").glob("*.jpg"))
    whole, times = image.read_bytes(), image.stat()
    image.write_bytes(whole[:200])
    done = snakemake(folder, EMBEDDED, *SMOKE, "-R", "embed")
    image.write_bytes(whole)
    os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert done.returncode != 0 and "a corrupt image" in done.stdout + done.stderr


FAILURES = (
    mistype_a_model,
    give_a_damaged_checkpoint,
    stop_in_the_middle,
    fill_the_disk,
    interrupt,
    kill_the_job,
    kill_snakemake,
)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.__name__)
def test_a_failure_removes_no_finished_output_and_leaves_nothing_to_do(finished, failure):
    folder, before = finished
    failure(folder)
    done = snakemake(folder, EMBEDDED, *SMOKE)
    assert done.returncode == 0 and "Nothing to be done" in done.stdout + done.stderr, done.stdout + done.stderr
    assert outputs(folder) == before


def test_what_ends_well_is_new_and_leaves_nothing_behind(finished):
    folder, before = finished
    other = ("--config", "retriever={epochs: 1}")
    done = snakemake(folder, EMBEDDED, *SMOKE, *other)
    assert done.returncode == 0, done.stderr[-3000:]
    after = outputs(folder)
    assert after.keys() == before.keys()
    changed = {name.split("/")[0] for name in before if after[name] != before[name]}
    assert changed == {"retriever", "embeddings"}
    assert "Nothing to be done" in snakemake(folder, EMBEDDED, *SMOKE, *other).stderr
