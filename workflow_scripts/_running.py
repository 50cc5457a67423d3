"""One run a results folder: a second one is refused as long as the first is alive.

The kernel holds the lock for the process (`flock`), so that it ends with it, however it ends. Snakemake's own lock is off
(profiles/default): the end of any run removes those of all others, and a killed run's stays.
"""

import fcntl
import json
import os
import socket
import sys
import time
from pathlib import Path

NAME = ".running"
READ_ONLY = {
    *(
        "-n",
        "--dry-run",
        "--dryrun",
        "--lint",
        "--unlock",
        "--dag",
        "--rulegraph",
        "--filegraph",
        "--d3dag",
        "--report",
    ),
    *("--list-rules", "--list", "-l", "--summary", "-S", "--detailed-summary", "-D", "--list-target-rules", "--lt"),
    *("--list-changes", "--list-input-changes", "--list-params-changes", "--list-version-changes", "--help", "-h"),
    *("--containerize", "--generate-unit-tests", "--print-compilation", "--version", "-v"),
}
"""Calls of Snakemake that write no result."""
_HELD = []


def refusal(results: str) -> str:
    """Why a run may not begin now, in one sentence; empty where it may, or where the call only looks."""
    if any(word.split("=")[0] in READ_ONLY for word in sys.argv[1:]):
        return ""
    path = Path(results) / NAME
    if not path.exists():
        return ""
    with path.open("a+") as file:
        return "" if _lock(file) else _told(file, results)


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
