"""One run a results folder: a second one is refused as long as the first is alive.

The kernel holds the lock for the process (`flock`), so that it ends with it, however it ends. Snakemake's own lock is off
(profiles/default): the end of any run removes those of all others, and a killed run's stays.
"""

import contextlib
import fcntl
import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

NAME, JOBS = ".running", ".jobs"
SECONDS = 5
"""What the jobs of a killed run get to notice it and to end."""
READ_ONLY = set(
    "-n --dry-run --dryrun --lint --unlock --dag --rulegraph --filegraph --d3dag --report --list-rules --list -l --summary -S "
    "--detailed-summary -D --list-target-rules --lt --list-changes --list-input-changes --list-params-changes "
    "--list-version-changes --help -h --containerize --generate-unit-tests --print-compilation --version -v".split()
)
"""Calls of Snakemake that write no result."""
_DRY = re.compile("-[a-zA-Z]*n[a-zA-Z]*")
"""`-n` among other short options; `begin` refuses what only looks like it."""
_HELD = []


def refusal(results: str) -> str:
    """Why a run may not begin now, in one sentence; empty where it may, or where the call only looks."""
    if any(word.split("=")[0] in READ_ONLY or _DRY.fullmatch(word) for word in sys.argv[1:]):
        return ""
    path = Path(results) / NAME
    if not path.exists():
        return ""
    with path.open("a+") as file:
        if not _lock(file):
            return _told(file, results)
    if _jobs_ended(results):
        return ""
    return f"A job of an earlier run, which was killed, is still writing to {results}/: wait for its end, or end it."


def alone(results: str, act: Callable[[str], None]) -> None:
    """Do something to the results folder where no run and no job of one is at work; nothing where one is."""
    path = Path(results) / NAME
    if path.exists():
        with path.open("a+") as file:
            if _lock(file) and _jobs_ended(results):
                act(results)


def at_work(results: str) -> None:
    """Show until this process ends that a job is at work: a killed run's jobs outlive it, on a cluster by far."""
    file = (Path(results) / JOBS).open("a+")
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(file, fcntl.LOCK_SH)
    _HELD.append(file)


def _jobs_ended(results: str) -> bool:
    path, end = Path(results) / JOBS, time.monotonic() + SECONDS
    while path.exists():
        with path.open("a+") as file:
            if _lock(file):
                break
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def begin(results: str) -> str:
    """Take the lock until this process ends; or the sentence that says who has it."""
    path = Path(results) / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+")
    if not _lock(file):
        return _told(file, results)
    file.truncate(0)
    json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": time.time(), "call": sys.argv[1:]}, file)
    file.flush()
    _HELD.append(file)
    return ""


def end() -> None:
    """Give the lock back."""
    while _HELD:
        file = _HELD.pop()
        file.truncate(0)
        file.close()


def _lock(file) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True


def _told(file, results: str) -> str:
    file.seek(0)
    try:
        first = json.loads(file.read())
    except ValueError:  # it is just beginning
        return f"Another run is writing to {results}/; wait for its end, or choose another folder with --config results=..."
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(first["since"]))
    return (
        f"Process {first['pid']} on {first['host']} has been writing to {results}/ since {since} "
        f"(snakemake {' '.join(first['call'])}): wait for its end, or choose another folder with --config results=..."
    )
