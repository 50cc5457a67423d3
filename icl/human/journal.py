"""The journal of a session: one synced JSON line an event, never changed and never deleted.

A line is written whole or, where the process is killed in between, torn: without its line break. A torn line is no answer. It
is moved to `<journal>.torn`, with a line that says so. Whoever reads or writes holds a lock on the file, and a line is only
added to a journal that is as its writer knows it, so that several servers, threads or tabs never mix.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from icl.errors import InputError
from icl.progress import announce

SUFFIX = ".jsonl"


class Journal:
    """The lines of one file.

    Attributes:
        path: the file. lines: those read so far, as JSON objects.
    """

    def __init__(self, path: Path, synced: bool = True) -> None:
        """Args:
        synced: each line is on the disk before `add` returns; false for simulated people, who can answer again.
        """
        self.path, self.lines, self._read_to, self._synced = path, [], 0, synced

    @classmethod
    def create(cls, path: Path, first: dict, synced: bool = True) -> Journal:
        """A new journal with its first line.

        Raises:
            InputError: it is there already, or cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise InputError(str(path), error.strerror or "no access", "a new file", "Choose another code.") from error
        own = cls(path, synced)
        own.add(first)
        if synced:
            _sync(path.parent)
        return own

    def refresh(self) -> bool:
        """Read the lines that others have added; whether there were any.

        Raises:
            InputError: no such journal, or a line in it that is no JSON object.
        """
        if self._size() == self._read_to:
            return False
        with self._held() as file:
            return self._take_news(file)

    def add(self, line: dict) -> bool:
        """Append a line, unless others have added some that were not read; those are read then. Whether it was added."""
        with self._held() as file:
            if self._take_news(file):
                return False
            written = json.dumps(line).encode() + b"\n"
            file.seek(self._read_to)
            file.write(written)
            file.flush()
            if self._synced:
                os.fsync(file.fileno())
            self._read_to += len(written)
            self.lines.append(line)
            return True

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise InputError(str(self.path), error.strerror or "no access", "a session's journal", "") from error

    @contextmanager
    def _held(self) -> Iterator:
        try:
            file = self.path.open("rb+")
        except OSError as error:
            raise InputError(str(self.path), error.strerror or "no access", "a session's journal", "") from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)  # given back when the file closes
            yield file

    def _take_news(self, file) -> bool:
        file.seek(self._read_to)
        whole, _, torn = file.read().rpartition(b"\n")
        if torn:
            self._set_aside(file, torn)
        known = len(self.lines)
        found = [self._parsed(line, known + n) for n, line in enumerate(whole.split(b"\n"), 1)] if whole else []
        self.lines += found
        self._read_to += len(whole) + bool(whole)
        return bool(found)

    def _set_aside(self, file, torn: bytes) -> None:
        aside = self.path.with_name(f"{self.path.name}.torn")
        with aside.open("ab") as other:
            other.write(torn + b"\n")
            other.flush()
            os.fsync(other.fileno())
        file.truncate(file.seek(0, os.SEEK_END) - len(torn))
        os.fsync(file.fileno())
        announce(
            f"{self.path}: its last line is torn ({len(torn)} bytes); it is no answer and was moved to {aside.name}"
        )

    def _parsed(self, line: bytes, number: int) -> dict:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            where = f"{self.path}, line {number}"
            raise InputError(where, "no JSON object", "one a line", "Restore the file from a copy, or start anew.")
        return found


def _sync(folder: Path) -> None:
    """That a new file's name is on the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
