"""Where a board is shown: bars on a terminal, lines in a pipe or a file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, TextIO

from icl.progress.board import Row

MOST_ROWS = 8
"""Jobs that are shown at a time; of others there is a number."""


def size_of(stream: TextIO) -> dict[str, int]:
    """Columns and rows of a terminal, as tqdm takes them; 80 and 24 where it has none (tqdm would draw nothing)."""
    try:
        found = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        found = os.terminal_size((0, 0))
    return {"ncols": found.columns or 80, "nrows": found.lines or 24}


class Lines:
    """Few plain lines: those that stay, and how things stand at growing intervals.

    Args:
        seconds: until the first standing; then a fifth of the time so far, so that days of work fill no file.
    """

    def __init__(self, stream: TextIO, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream, self.seconds, self._clock = stream, seconds, clock
        self._start = self._last = clock()

    def line(self, text: str) -> None:
        print(text, file=self.stream, flush=True)

    def show(self, head: str, rows: list[Row]) -> None:
        now = self._clock()
        if not rows or now - self._last < max(self.seconds, (self._last - self._start) / 5):
            return
        self._last = now
        more = [f"{len(rows) - MOST_ROWS} more"] if len(rows) > MOST_ROWS else []
        self.line(f"{head}; running: " + "; ".join([f"{r.name} ({r.words})" for r in rows[:MOST_ROWS]] + more))

    def close(self) -> None:
        """Nothing is to be taken away."""


class Bars:
    """A bar a job, below the lines that stay, and one for the run; tqdm draws them, all from this one process.

    A job keeps its place from its start to its end, so that bars do not jump; places are used again.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._places: list[str] = []  # the name of the job at each place; empty where there is none
        self._bars = [self._bar(0)]

    def _bar(self, position: int) -> Any:
        from tqdm import tqdm

        form = "{desc}" if position == 0 else "{bar:12} {desc}"
        return tqdm(
            total=1,
            position=position,
            leave=False,
            file=self.stream,
            bar_format=form,
            disable=False,
            **size_of(self.stream),
        )

    def line(self, text: str) -> None:
        self._bars[0].write(text, file=self.stream)

    def show(self, head: str, rows: list[Row]) -> None:
        shown = {row.name: row for row in rows[:MOST_ROWS]}
        self._places = [name if name in shown else "" for name in self._places]
        for name in shown:
            if name not in self._places:
                self._settle(name)
        more = f", {len(rows) - MOST_ROWS} more running" if len(rows) > MOST_ROWS else ""
        self._draw(self._bars[0], head + more, 0)
        for bar, name in zip(self._bars[1:], self._places, strict=True):
            if row := shown.get(name):
                bar.bar_format = "{bar:12} {desc}"
                self._draw(bar, f"{row.name}: {row.words}", row.share or 0)
            else:
                bar.bar_format = "{desc}"
                self._draw(bar, "", 0)

    def _settle(self, name: str) -> None:
        """Give a job the first free place, or a new one."""
        if "" in self._places:
            self._places[self._places.index("")] = name
        else:
            self._places.append(name)
            self._bars.append(self._bar(len(self._bars)))

    def _draw(self, bar: Any, text: str, share: float) -> None:
        bar.n = share
        bar.ncols, bar.nrows = size_of(self.stream).values()  # it may have been resized
        bar.set_description_str(text, refresh=False)
        bar.refresh()

    def close(self) -> None:
        for bar in reversed(self._bars):
            bar.close()


def view_of(stream: TextIO) -> Lines | Bars:
    """Bars where the stream is a terminal, lines elsewhere."""
    return Bars(stream) if stream.isatty() else Lines(stream)
