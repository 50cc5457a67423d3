"""One board for all jobs of a run: named bars on a terminal, few plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from icl.progress.clock import duration
from icl.progress.state import INTERRUPTED, read_state, state_file


@dataclass
class Row:
    """A running job as the board shows it: its name, what it does, and the share that is done (None: unknown)."""

    name: str
    words: str
    share: float | None


class View(Protocol):
    """Where a board is shown."""

    def line(self, text: str) -> None:
        """A line that stays."""

    def show(self, head: str, rows: list[Row]) -> None:
        """How things stand: the run, and each running job."""

    def close(self) -> None:
        """Nothing more will be shown."""


@dataclass
class Job:
    """A job that was started."""

    name: str
    log: str
    state: Path
    start: float
    heard: int = 0


class Board:
    """Follows a run's jobs by their state files.

    Args:
        view: where it is shown. total: jobs of the run. clock: seconds that only grow. now: the time that state files carry.
    """

    def __init__(
        self, view: View, total: int, clock: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time
    ) -> None:
        self.view, self.total, self.done = view, total, 0
        self.running: dict[int, Job] = {}
        self.failed: dict[int, tuple[Job, str]] = {}
        self._clock, self._now, self._start = clock, now, clock()
        self._lock, self._over = threading.RLock(), threading.Event()

    def follow(self, seconds: float) -> None:
        """Look at the state files every so many seconds, until `close`."""

        def look() -> None:
            while not self._over.wait(seconds):
                self.tick()

        threading.Thread(target=look, daemon=True, name="progress board").start()

    def start(self, number: int, name: str, log: str) -> None:
        """A job starts; what a killed run told of the same job is forgotten."""
        with self._lock:
            path = state_file(log)
            path.unlink(missing_ok=True)
            self.failed.pop(number, None)  # it is tried again
            self.running[number] = Job(name, log, path, self._clock())

    def finish(self, number: int) -> None:
        """A job ended well."""
        with self._lock:
            if job := self.running.pop(number, None):
                self.done += 1
                state = self._hear(job)
                words = [duration(self._clock() - job.start), state.get("remark", "")]
                count = f"{self.done:{len(str(self.total))}}/{self.total}"
                self.view.line(f"[{count}] {job.name}: {'; '.join(word for word in words if word)}")
                job.state.unlink(missing_ok=True)
                self.tick()

    def fail(self, number: int) -> None:
        """A job ended without its outputs."""
        with self._lock:
            if job := self.running.pop(number, None):
                message = self._hear(job).get("error", "")
                self.failed[number] = (job, message)
                word = INTERRUPTED if message == INTERRUPTED else "failed"
                self.view.line(f"{job.name}: {word} after {duration(self._clock() - job.start)}")
                job.state.unlink(missing_ok=True)
                self.tick()

    def seconds(self) -> float:
        """Since the board was made."""
        return self._clock() - self._start

    def line(self, text: str) -> None:
        """A line that stays, above the bars."""
        with self._lock:
            self.view.line(text)

    def tick(self) -> None:
        """Show how things stand."""
        with self._lock:
            if self._over.is_set():
                return
            rows = [Row(job.name, *self._standing(job, self._hear(job))) for job in self.running.values()]
            head = f"{self.done} of {self.total} jobs done, {duration(self.seconds())}"
            self.view.show(head, rows)

    def close(self) -> None:
        """Take the bars away, and the state files of jobs that were killed."""
        with self._lock:
            if not self._over.is_set():
                self._over.set()
                self.view.close()
                for job in self.running.values():
                    job.state.unlink(missing_ok=True)

    def _hear(self, job: Job) -> dict:
        """A job's state; what it says to the user is passed on, once."""
        state = read_state(job.state)
        said = state.get("said", [])
        for line in said[job.heard :]:
            self.view.line(line)
        job.heard = len(said)
        return state

    def _standing(self, job: Job, state: dict) -> tuple[str, float | None]:
        """What a job does, with the time left, and the share that is done."""
        if not state.get("label"):
            return duration(self._clock() - job.start), None
        done, total, left = state["done"], state["total"], ""
        if state["left"] is not None and done < total:
            seconds = max(0.0, state["left"] - (self._now() - state["at"]))
            left = " ".join(part for part in (duration(seconds), "left", state["rest"]) if part)
        words = [state["label"], left, state["remark"]]
        return ", ".join(word for word in words if word), done / total if total else None
