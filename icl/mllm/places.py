"""Where stored answers stand: their keys in memory, the answers themselves on disk."""

from __future__ import annotations

import json
from binascii import unhexlify
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from icl.mllm.protocol import Answer

PIECE = 1 << 22
"""Bytes of a file that are looked at in one go."""
KEY = slice(9, 41)
"""Where a line that the store writes has the first half of its key, 32 hexadecimal digits."""
BEGINNING, KEY_END, ENDING = b'{"key": "', b'"', b'"error": ""}}'
"""What such a line begins with, has after the 64 digits of its key, and ends with unless its question failed."""
OFFSET_BITS = 48
"""A place is the number of a file, and below it a byte offset of this width."""
DAMAGED = (ValueError, KeyError, TypeError)
"""What reading a line raises that is empty, torn by a kill, or no line of a store."""


def short(key: str | bytes) -> bytes:
    """The first 16 bytes of a key, which is a SHA-256 in hexadecimal digits.

    Raises:
        ValueError: it is none.
    """
    return unhexlify(key[:32])


def parsed(line: bytes) -> tuple[str, Answer]:
    """Key and answer of a line.

    Raises:
        ValueError, KeyError, TypeError: it holds none, or a failed one, which is asked again.
    """
    row = json.loads(line)
    answer = Answer(**row["answer"])
    if answer.error:
        raise ValueError(answer.error)
    return row["key"], answer


class Places:
    """Answers by key. Opening 600,000 answers costs a look at the beginning and the end of each line, and 150 bytes each.

    The look is never trusted: a line that does not hold the answer to its key when it is read counts as damaged, and the
    last whole line with that key stands, as if all lines had been parsed.
    """

    def __init__(self) -> None:
        self._files: dict[Path, int] = {}
        self._at: dict[bytes, int] = {}
        self._read_to: dict[Path, int] = {}

    def __len__(self) -> int:
        return len(self._at)

    def __contains__(self, key: str) -> bool:
        return short(key) in self._at

    def add(self, key: str | bytes, path: Path, offset: int) -> None:
        """Note that the answer to a key stands in a file from a byte on.

        Raises:
            ValueError: the key is no SHA-256.
        """
        number = self._files.setdefault(path, len(self._files))
        self._at[short(key)] = number << OFFSET_BITS | offset

    def read(self, path: Path) -> Iterator[bytes]:
        """Note the answers of the whole lines that have come to a file since it was last read; gives all other lines."""
        for offset, line in whole_lines(path, self._read_to.get(path, 0)):
            self._read_to[path] = offset + len(line) + 1
            try:
                if line.endswith(ENDING) and line.startswith(BEGINNING) and line[73:74] == KEY_END:
                    self.add(line[KEY], path, offset)
                else:
                    self.add(parsed(line)[0], path, offset)
            except DAMAGED:
                yield line

    def find(self, keys: Iterable[str]) -> dict[str, Answer]:
        """The answers that are there, read in the order in which they stand."""
        found, damaged = {}, set()
        places = sorted((self._at[short(key)], key) for key in set(keys) if short(key) in self._at)
        paths = list(self._files)
        for number, group in groupby(places, lambda place: place[0] >> OFFSET_BITS):
            wanted = [(place & (1 << OFFSET_BITS) - 1, key) for place, key in group]
            for key, answer in _answers_at(paths[number], wanted):
                if answer:
                    found[key] = answer
                else:
                    damaged.add(key)
        return found | self._find_again(damaged) if damaged else found

    def _find_again(self, damaged: set[str]) -> dict[str, Answer]:
        """Answers to keys whose noted line does not hold them: all lines are parsed, the last one of a key stands."""
        found, lost = {}, {short(key) for key in damaged}
        for place in lost:
            del self._at[place]
        for path in [path for path in self._files if path.exists()]:
            for offset, line in whole_lines(path, 0):
                with suppress(*DAMAGED):
                    key, answer = parsed(line)
                    if short(key) in lost:
                        self.add(key, path, offset)
                    if key in damaged:
                        found[key] = answer
        return found


def whole_lines(path: Path, start: int) -> Iterator[tuple[int, bytes]]:
    """(byte offset, line without its end) from byte `start` on; the last line may still be being written."""
    rest = b""
    with path.open("rb") as file:
        file.seek(start)
        while piece := file.read(PIECE):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield start, line
                start += len(line) + 1


def _answers_at(path: Path, wanted: list[tuple[int, str]]) -> Iterator[tuple[str, Answer | None]]:
    """Key and answer of the lines at ascending offsets of a file; None where a line does not hold the answer to its key."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield from ((key, None) for _, key in wanted)
        return
    with file:
        for offset, key in wanted:
            file.seek(offset)
            try:
                found, answer = parsed(file.readline())
            except DAMAGED:
                found, answer = "", None
            yield key, answer if found == key else None
