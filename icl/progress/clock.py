"""Time left, and how durations are told."""

from __future__ import annotations

import time
from collections.abc import Callable


def duration(seconds: float) -> str:
    """ "40 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class TimeLeft:
    """Time left of work of a known size, by the mean speed so far.

    Args:
        total: steps. done: steps of an interrupted run before, which say nothing about the speed of this one.
    """

    def __init__(self, total: int, done: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self._first, self._clock = total, done, clock
        self._done, self._start = done, clock()
        self._now = self._start

    def at(self, done: int) -> None:
        """So many steps are done now."""
        self._done, self._now = done, self._clock()

    def seconds(self) -> float | None:
        """Seconds from the last step to the end; None before the first step."""
        if self._done <= self._first:
            return None
        return (self._now - self._start) / (self._done - self._first) * max(0, self.total - self._done)

    def words(self, rest: str = "") -> str:
        """ "40 s left", with what it is left of; empty before the first step and after the last."""
        seconds = self.seconds()
        if seconds is None or self._done >= self.total:
            return ""
        return " ".join(part for part in (duration(seconds), "left", rest) if part)
