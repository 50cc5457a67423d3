"""The smoke runs that tests share, and one thread a test process.

The tests run in parallel, and their results must not depend on the machine.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

for library in ("OMP", "MKL", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

from running import SMOKE, TARGETS, command, in_terminal, text_of  # noqa: E402  (numpy reads the numbers above)

SPOILS = re.compile(r"def \w+\([^)]*\bsmoke\b")


def pytest_xdist_make_scheduler(config, log):
    """With `--dist loadfile`: a process takes a file, and one takes all files with the run `smoke`, which some tests spoil
    and mend."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByRun(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            name = nodeid.split("::", 1)[0]
            return "smoke" if SPOILS.search((Path(config.rootpath) / name).read_text()) else name

    return ByRun(config, log)


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """The smoke run in one go, and the model with its adapter merged in; `terminal.txt` is what a terminal showed.

    Made by the first test process that needs it, while others wait; nobody changes it.
    """
    own = tmp_path_factory.getbasetemp()
    root = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder, made = root / "whole", root / "whole.made"
    with open(root / "whole.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # half-made by a process that failed
            folder.mkdir()
            run_whole(folder)
            made.touch()
    return folder


def run_whole(folder):
    shown, status = in_terminal(command(folder, "results/smoke/table.csv", "results/smoke/lora/seed1/merged", *SMOKE))
    assert status == 0, shown[-3000:]
    (folder / "terminal.txt").write_text(shown, newline="")


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """The smoke run, killed during training, augmentation and THI, and started again each time with the same command.

    `pipe.txt` is what the last of these wrote.
    """
    folder = tmp_path_factory.mktemp("smoke")
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
    return folder
