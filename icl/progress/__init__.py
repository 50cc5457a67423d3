"""Progress of long work: a bar on a terminal, otherwise a plain line now and then (for log files).

A job of the workflow also keeps a small state file (`state`), from which the run's one `board` draws the bars of all jobs.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from icl.progress.clock import TimeLeft, duration
from icl.progress.state import own_state

SECONDS_BETWEEN_LINES = 10.0
"""Between two plain lines of the same work."""
T = TypeVar("T")
_HERE = threading.local()


def announce(line: str) -> None:
    """One line to stderr, and to the user's terminal where stderr is a job's log."""
    print(line, file=sys.stderr, flush=True)
    if state := own_state():
        state.say(line)


class Task:
    """Work of a known size: `advance` after each step of it, `note` what is worth telling; says nothing where it is `silent`.

    Args:
        total: steps. label: what is being done; may be changed as it goes on. done: steps of an interrupted run before.
        counted: the steps are told too, not the label alone.
    """

    def __init__(self, total: int, label: str, done: int = 0, silent: bool = False, counted: bool = True) -> None:
        self.total, self.label, self.done, self.silent, self.counted = total, label, done, silent, counted
        self.left, self.remark = TimeLeft(total, done), ""
        self._start = self._last = time.monotonic()
        self._stages = tuple(getattr(_HERE, "stages", ()))
        self._told: int | None = None  # steps done at the last line
        self._bar: Any = None
        if not silent and sys.stderr.isatty():
            from tqdm import tqdm

            from icl.progress.views import size_of

            look = dict(file=sys.stderr, disable=False, **size_of(sys.stderr))
            self._bar = tqdm(total=total, initial=done, desc=self._name(), **look)
        self._report()

    def advance(self, steps: int = 1) -> None:
        """So many more steps are done."""
        self.done += steps
        self.left.at(self.done)
        if self._bar is not None:
            self._bar.set_description_str(self._name(), refresh=False)
            self._bar.update(steps)
        elif not self.silent and time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._line()
        self._report()

    def note(self, text: str) -> None:
        """A result on the way, such as an epoch's loss: a line in the log, and beside the bar until the next one."""
        self.remark = text
        if self.silent:
            return
        if self._bar is not None:
            self._bar.write(f"{self._name()}: {text}", file=sys.stderr)
        else:
            self._line()
        self._report()

    def close(self) -> None:
        """No more steps will come."""
        if self._bar is not None:
            self._bar.close()
        elif self._told not in (None, self.done) and not self.silent:
            self._line()
        self._report(at_once=True)

    def _name(self) -> str:
        return ", ".join(part for part in (*self._stages, self.label) if part)

    def _counted_name(self) -> str:
        return f"{self._name()} {self.done}/{self.total}" if self.counted else self._name()

    def _line(self) -> None:
        words = [self._counted_name(), duration(time.monotonic() - self._start)]
        words += [self.left.words(self._rest()), self.remark]
        print(", ".join(word for word in words if word), file=sys.stderr, flush=True)
        self._last, self._told = time.monotonic(), self.done

    def _rest(self) -> str:
        return "of this step" if self._stages else ""

    def _report(self, at_once: bool = False) -> None:
        if not self.silent and (state := own_state()):
            known = dict(label=self._counted_name(), done=self.done, total=self.total, left=self.left.seconds())
            state.set(at_once or bool(self.done >= self.total), **known, rest=self._rest(), remark=self.remark)


@contextmanager
def task(total: int, label: str = "", done: int = 0, counted: bool = True) -> Iterator[Task]:
    """Report on work of `total` steps; within another one, and in all processes of a training but the first, in silence."""
    outermost = not getattr(_HERE, "busy", False)
    _HERE.busy = True
    work = Task(total, label, done, not outermost or os.environ.get("RANK", "0") != "0", counted)
    try:
        yield work
    finally:
        work.close()
        if outermost:
            _HERE.busy = False


@contextmanager
def stage(name: str) -> Iterator[None]:
    """What is reported within is one of several steps of the job: its lines begin with the name, its time left is its own."""
    before = getattr(_HERE, "stages", ())
    _HERE.stages = (*before, name)
    try:
        yield
    finally:
        _HERE.stages = before


def progress(
    iterable: Iterable[T], total: int | None = None, label: str = "", size: Callable[[T], int] = lambda item: 1
) -> Iterator[T]:
    """Pass the items through and report on them: `label 120/400, 31 s, 70 s left`; within another one, in silence.

    Args:
        total: number of items; `len(iterable)` where it is left out. size: how many of them an item stands for.
    """
    with task(len(cast(Sized, iterable)) if total is None else total, label) as work:
        for item in iterable:
            yield item
            work.advance(size(item))
