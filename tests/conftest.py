"""The smoke runs that tests share, and one thread a test process.

The tests run in parallel, and their results must not depend on the machine.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import time

import pytest

for library in ("OMP", "MKL", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

from running import SMOKE, TARGETS, command, in_terminal, text_of  # noqa: E402  (numpy reads the numbers above)


def once(factory, name, make):
    """A folder that the first of the test processes makes, and the others wait for."""
    root = factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else factory.getbasetemp()
    folder = root / name
    with open(root / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / f"{name}.made").exists():
            shutil.rmtree(folder, ignore_errors=True)  # half-made by a process that failed
            folder.mkdir()
            make(folder)
            (root / f"{name}.made").touch()
    return folder


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """The smoke run in one go, and the model with its adapter merged in; `terminal.txt` is what a terminal showed."""
    return once(tmp_path_factory, "whole", make_whole)


def make_whole(folder):
    shown, status = in_terminal(command(folder, "results/smoke/table.csv", "results/smoke/lora/seed1/merged", *SMOKE))
    assert status == 0, shown[-3000:]
    (folder / "terminal.txt").write_text(shown, newline="")


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """The smoke run, killed during training, augmentation and THI, and started again each time with the same command.

    `pipe.txt` is what the last of these wrote.
    """
    return once(tmp_path_factory, "smoke", make_smoke)


def make_smoke(folder):
    call, results = command(folder, *TARGETS, *SMOKE), folder / "results/smoke"
    for begun in (
        lambda: "epoch" in text_of(results / "logs/train_retriever/tinypedes-rde-seed1.log"),
        lambda: any(text_of(path) for path in results.glob("answers/augment-tinypedes/*.jsonl")),
        lambda: any(text_of(path) for path in results.glob("answers/*-test/rerank-thi-*.jsonl")),
    ):
        run = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while run.poll() is None and not begun():
            time.sleep(0.05)
        assert run.poll() is None, "the run ended before it could be killed"
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    done = subprocess.run(call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:]
    (folder / "pipe.txt").write_text(done.stdout)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    """Slow tests that share a run are one group, which `--dist loadgroup` leaves to one process; other groups go beside it."""
    for item in items:
        if item.get_closest_marker("slow"):
            shared = next((name for name in ("smoke", "whole") if name in item.fixturenames), item.module.__name__)
            item.add_marker(pytest.mark.xdist_group(shared))
