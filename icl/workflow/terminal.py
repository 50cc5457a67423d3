"""What a run of the workflow shows: its log records become a board of named jobs, and an error stands last and alone.

Records are Snakemake's (`event` says of what kind); this module knows no more of it. `.snakemake/log` keeps all of them.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, TextIO, cast

from icl.progress.board import Board
from icl.progress.clock import duration
from icl.progress.state import INTERRUPTED
from icl.progress.views import Lines, view_of

NOTHING = "Nothing to be done"
STOPPED = ("Terminating processes on user request", "Will exit after finishing currently running jobs")
KNOWN = ("Exiting because a job execution failed", "At least one job did not complete successfully")
"""What Snakemake says at the end of every failed run, after the reason."""
_PREFIXES = {"seed": "seed", "shard": "shard", "shards": "of "}


def job_name(rule: str, wildcards: Mapping[str, str]) -> str:
    """ "train_retriever synthpedes rda seed1": the rule, and what it is run on."""
    order = sorted(wildcards.items(), key=lambda item: item[0] in _PREFIXES)  # names before numbers
    return " ".join([rule, *(f"{_PREFIXES.get(name, '')}{value}" for name, value in order)])


def reason(errors: list[str], lines: int = 6) -> str:
    """Why a job failed that said nothing itself: how its process ended, or the last lines of Snakemake's errors."""
    text = "\n".join(errors)
    if ended := re.search(r"died with <Signals\.(\w+)", text):
        hint = " (often: not enough memory)" if ended[1] == "SIGKILL" else ""
        return f"its process was ended by {ended[1]}{hint}"
    if ended := re.search(r"returned non-zero exit status (\d+)", text):
        return f"its process ended with status {ended[1]} and no message"
    kept = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(kept[-lines:]) or "it ended without a message"


class Terminal(logging.Handler):
    """Shows a run, once its workflow has started.

    Args:
        stream: the user's terminal or a pipe. closing: the last words of a run that ended well.
        beside: Snakemake shows its own lines too: no bars, and nothing twice. silent: nothing but errors.
    """

    def __init__(self, stream: TextIO, closing: Callable[[], str], beside: bool = False, silent: bool = False) -> None:
        super().__init__()
        self.stream, self.closing, self.beside, self.silent = stream, closing, beside, silent
        self.board: Board | None = None
        self.errors: list[str] = []
        self.started = self.stopped = self.ended = False
        self.total = 0
        self._on: dict[str, Callable[[Any], None]] = {
            "workflow_started": self._start,
            "run_info": self._plan,
            "job_info": self._job,
            "job_finished": self._finish,
            "job_error": self._fail,
        }

    def hides(self, record: logging.LogRecord) -> bool:
        """Whether this terminal tells of a record, so that Snakemake's own stream need not."""
        return not self.beside and (self.started or getattr(record, "event", None) == "workflow_started")

    def emit(self, record: logging.LogRecord) -> None:
        event = str(getattr(record, "event", None) or "")
        try:
            if event in self._on and (self.board or event in ("workflow_started", "run_info", "job_info")):
                self._on[event](record)
            elif self.started:
                self._tell(record)
        except Exception:  # as logging's own handlers: what cannot be shown must not end the run
            self.handleError(record)

    def _start(self, record: logging.LogRecord) -> None:
        self.started = True
        atexit.register(self.close)

    def _plan(self, record: Any) -> None:
        self.total = record.stats["total"]
        self._print(f"{self.total} job{'s' * (self.total != 1)} to run; each has a log of its own")

    def _job(self, record: Any) -> None:
        if self.board is None:  # not before: until the first job others may write to the terminal
            plain = Lines(cast(TextIO, _Nowhere()) if self.silent else self.stream)
            self.board = Board(plain if self.silent or self.beside else view_of(self.stream), self.total)
            self.board.follow(0.5)
        name = job_name(record.rule_name, record.wildcards or {})
        self.board.start(record.jobid, name, str(next(iter(record.log), name)))

    def _finish(self, record: Any) -> None:
        if self.board:
            self.board.finish(record.job_id)

    def _fail(self, record: Any) -> None:
        if self.board:
            self.board.fail(record.jobid)

    def _tell(self, record: logging.LogRecord) -> None:
        """A record that is not of a job: what the user must know of it."""
        text = str(record.msg or "")
        if text.startswith(NOTHING):
            self._print(text)
            self.success()
        elif text.startswith(STOPPED):
            self.stopped = True
            self._print("Stopping: the running jobs are ended." if text.startswith(STOPPED[0]) else text)
        elif record.levelno >= logging.ERROR and not any(known in text for known in KNOWN):
            if self.board and not self.ended and (self.board.running or self.board.failed):
                self.errors.append(text)  # of a job: it comes last
            elif not self.beside:
                self.end()
                self._error(text)
        elif record.levelno == logging.WARNING and not self.beside:
            self._print(text)

    def success(self) -> None:
        """The run ended well."""
        self.end()
        if not self.silent:
            took = f"Done in {duration(self.board.seconds())}." if self.board else ""
            if text := "\n".join(part for part in (took, self.closing()) if part):
                print(text, file=self.stream, flush=True)

    def failure(self) -> None:
        """The run ended before its targets were made: how to go on, and last of all what went wrong."""
        self.end()
        board = self.board
        if board is None:
            return
        begin = "Interrupted: " if self.stopped else ""
        print(
            f"\n{begin}{board.done} of {board.total} jobs are done; the same command goes on from there.",
            file=self.stream,
        )
        for job, message in board.failed.values():
            if not self.stopped or message not in ("", INTERRUPTED):
                self._error(f"ERROR in {job.name}: {message or reason(self.errors)} (log: {job.log})")
        if not board.failed and self.errors and not self.stopped:
            self._error(f"ERROR: {reason(self.errors)}")
        self.errors = []

    def close(self) -> None:
        """Take the board away; a run that was cut short by an error tells it now."""
        if self.board and not self.ended:
            self.end()
            if self.errors:
                self._error("\n".join(self.errors))
        super().close()

    def end(self) -> None:
        """Take the bars away; lines are plain from here on."""
        self.ended = True
        if self.board:
            self.board.close()

    def _print(self, text: str) -> None:
        if self.board and not self.ended:
            self.board.line(text)
        elif not self.silent:
            print(text, file=self.stream, flush=True)

    def _error(self, text: str) -> None:
        red = self.stream.isatty() and "NO_COLOR" not in os.environ
        print(f"\n\033[31m{text}\033[0m" if red else f"\n{text}", file=self.stream, flush=True)


class _Nowhere:
    """A stream for a board that is not shown."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        """Nothing is kept."""
