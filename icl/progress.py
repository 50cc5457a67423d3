"""Progress of long work: a bar on a terminal, otherwise a plain line now and then (for log files)."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
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


def progress(iterable: Iterable, total: int | None = None, label: str = "") -> Iterator:
    """Pass the items through and report on stderr: `label 120/400, 31 s, ETA 70 s`; within another one, in silence.

    Args:
        total: number of items; `len(iterable)` where it is left out.
    """
    if getattr(_OPEN, "now", False):
        yield from iterable
        return
    _OPEN.now = True
    try:
        yield from _reported(iterable, len(iterable) if total is None else total, label)
    finally:
        _OPEN.now = False


def _reported(iterable: Iterable, total: int, label: str) -> Iterator:
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(iterable, total=total, desc=label, file=sys.stderr)
        return
    start = last = time.monotonic()
    for done, item in enumerate(iterable, 1):
        yield item
        now = time.monotonic()
        if done == total or now - last >= SECONDS_BETWEEN_LINES:
            left = (now - start) / done * (total - done)
            announce(f"{label} {done}/{total}, {now - start:.0f} s, ETA {left:.0f} s")
            last = now
