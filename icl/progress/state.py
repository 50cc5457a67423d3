"""The state file of a job: what it is doing, written by the job, read by the run's board."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

FOLDER = Path(".snakemake") / "progress"
VARIABLE = "ICL_PROGRESS"
"""Names the state file to a job's process and to those that it starts."""
SECONDS_BETWEEN_WRITES = 0.5
INTERRUPTED = "interrupted"
"""What a job says that the user ended (Ctrl-C reaches every process of a terminal)."""


def state_file(log: str) -> Path:
    """Where a job keeps its state, by the path of its log: no two jobs share one."""
    return FOLDER / f"{quote(log, safe='')}.json"


class State:
    """What a job tells: progress, lines for the user, and the error that ended it."""

    def __init__(self, path: Path) -> None:
        self.path, self._written = path, 0.0
        self._known: dict[str, Any] = {"said": []}
        self._lock = threading.Lock()  # questions to a server are asked in threads

    def set(self, at_once: bool, **known: object) -> None:
        """Progress as it stands; written now and then, or at once."""
        with self._lock:
            self._known |= known
        if at_once or time.monotonic() - self._written >= SECONDS_BETWEEN_WRITES:
            self._write()

    def say(self, line: str) -> None:
        """A line that the user should see."""
        with self._lock:
            self._known["said"].append(line)
        self._write()

    def fail(self, message: str) -> None:
        """Why the job ends without its outputs."""
        self.set(True, error=message)

    def _write(self) -> None:
        part = self.path.with_suffix(".part")
        with self._lock, contextlib.suppress(OSError):  # no place to report to is no reason to end the work
            self._written = time.monotonic()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps({**self._known, "at": time.time()}))
            part.replace(self.path)


_STATES: dict[str, State] = {}


def own_state() -> State | None:
    """The state of the job that this process belongs to; None outside of the workflow's jobs."""
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    return _STATES.setdefault(path, State(Path(path)))


def read_state(path: Path) -> dict:
    """A job's state; empty where it has told nothing yet."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
