"""Progress of long work: a bar on a terminal, otherwise a plain line now and then (for log files)."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO

SECONDS_BETWEEN_LINES = 10.0
#: Second stream for progress lines, where stderr goes to a log file (set by the workflow's scripts).
TERMINAL: TextIO | None = None
_OPEN = threading.local()


def announce(line: str) -> None:
    """One line of progress to stderr, and to the terminal where stderr is a log."""
    print(line, file=sys.stderr, flush=True)
    if TERMINAL is not None:
        print(line, file=TERMINAL, flush=True)


def progress(
    iterable: Iterable, total: int | None = None, label: str = "", size: Callable[[object], int] = lambda item: 1
) -> Iterator:
    """Pass the items through and report on stderr: `label 120/400, 31 s, ETA 70 s`; within another one, in silence.

    Args:
        total: number of items; `len(iterable)` where it is left out. size: how many of them an item stands for.
    """
    if getattr(_OPEN, "now", False):
        yield from iterable
        return
    _OPEN.now = True
    try:
        yield from _reported(iterable, len(iterable) if total is None else total, label, size)
    finally:
        _OPEN.now = False


def _reported(iterable: Iterable, total: int, label: str, size: Callable[[object], int]) -> Iterator:
    if sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(total=total, desc=label, file=sys.stderr) as bar:
            for item in iterable:
                yield item
                bar.update(size(item))
        return
    start, done = time.monotonic(), 0
    last = start
    for item in iterable:
        yield item
        done, now = done + size(item), time.monotonic()
        if done == total or now - last >= SECONDS_BETWEEN_LINES:
            left = (now - start) / done * (total - done)
            announce(f"{label} {done}/{total}, {now - start:.0f} s, ETA {left:.0f} s")
            last = now
