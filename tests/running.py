"""The workflow as its users call it, in folders of the tests' own; the smoke configuration."""

from __future__ import annotations

import codecs
import fcntl
import multiprocessing
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable
from pathlib import Path

import pandas as pd

HOUSE = Path(__file__).resolve().parents[1]


def command(folder: Path, *words: str) -> list[str]:
    """Snakemake on this Snakefile, in a working directory of its own that sees the shipped models."""
    if not (folder / "models").exists():
        (folder / "models").symlink_to(HOUSE / "models")
        (folder / "config").symlink_to(HOUSE / "config")
    start = [sys.executable, "-m", "snakemake", "--snakefile", str(HOUSE / "Snakefile"), "--directory", str(folder)]
    return [*start, "--cores", "2", *words]


def snakemake(folder: Path, *words: str) -> subprocess.CompletedProcess:
    call = command(folder, *words)
    if "-n" in words:
        return dry_run(call[3:])
    return subprocess.run(call, capture_output=True, text=True, timeout=900)


_LOADED = multiprocessing.get_context("forkserver")
_LOADED.set_forkserver_preload(["snakemake.cli"])


def dry_run(words: list[str], folder: Path | None = None) -> subprocess.CompletedProcess:
    """Snakemake's command line in a process of its own, where its modules are already loaded: half the time.

    Args:
        words: without those that start it. folder: to be in.
    """
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place, "out"), Path(place, "err")
        child = _LOADED.Process(
            target=_call, args=(words, str(folder or Path.cwd()), dict(os.environ), str(out), str(err))
        )
        child.start()
        child.join(300)
        if child.exitcode is None:
            child.kill()
            raise subprocess.TimeoutExpired(words, 300, out.read_text(), err.read_text())
        return subprocess.CompletedProcess(words, child.exitcode, out.read_text(), err.read_text())


def _call(words: list[str], folder: str, environment: dict[str, str], out: str, err: str) -> None:
    """In the child: as `python -m snakemake`."""
    os.environ.clear()
    os.environ.update(environment)
    for path, stream in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream)
    sys.stdin = open(os.devnull)
    sys.argv = ["snakemake", *words]
    os.chdir(folder)
    from snakemake.cli import main

    main(words)


def heed_ctrl_c() -> None:
    """In a child: Ctrl-C ends it, also where the tests themselves run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def in_terminal(call: list[str], seen: Callable[[str], str] = lambda text: "", columns: int = 110) -> tuple[str, int]:
    """Run a command in a pseudo-terminal: all that it wrote there, and its exit status.

    Args:
        seen: gets what was written so far; what it gives back is typed in.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.pop("NO_COLOR", None)
        heed_ctrl_c()
        os.execvp(call[0], call)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    text, decode = "", codecs.getincrementaldecoder("utf-8")().decode
    while True:
        try:
            new = os.read(terminal, 65536)
        except OSError:  # Linux says so at the end
            break
        if not new:
            break
        text += decode(new)
        os.write(terminal, seen(text).encode())
    os.close(terminal)
    return text, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


TARGETS = ("results/smoke/table.csv", "results/smoke/figures/contact_sheet.png")
SMOKE = ("--configfile", str(HOUSE / "config" / "smoke.yaml"))


def jobs(done: subprocess.CompletedProcess) -> dict[str, int]:
    """The job table that Snakemake prints."""
    text = done.stdout + done.stderr
    if "Job stats:" not in text:
        return {}
    block = text.split("Job stats:")[1].split("\n\n")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", block, re.M) if name != "total"}


def table_of(folder: Path) -> pd.DataFrame:
    """The smoke run's table without what depends on the machine's speed."""
    return pd.read_csv(folder / "results/smoke/table.csv").drop(columns="seconds_per_query")


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""
