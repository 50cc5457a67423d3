"""A terminal as small as tests need: what a reader sees of a stream of text, carriage returns and cursor moves."""

from __future__ import annotations

import re

_PIECE = re.compile(r"\x1b\[(\d*)([A-Za-z])|[\r\n]|[^\r\n\x1b]+")


class Screen:
    """Lines as they stand after some output.

    Attributes:
        lines: the screen, with all that has scrolled away. frames: its lines each time that the cursor had gone up.
    """

    def __init__(self, output: str) -> None:
        self.lines, self.frames = [""], []
        self._row, self._column, rose = 0, 0, False
        for piece in _PIECE.finditer(output.replace("\r\n", "\n\r")):
            up = piece[2] == "A"
            if rose and not up:
                self.frames.append(self.text())
            rose = up
            if up:
                self._row = max(0, self._row - int(piece[1] or 1))
            elif piece[0] == "\r":
                self._column = 0
            elif piece[0] == "\n":
                self._row, self._column = self._row + 1, 0
                self.lines += [""] * (self._row + 1 - len(self.lines))
            elif not piece[2]:
                self._write(piece[0])

    def _write(self, text: str) -> None:
        line = self.lines[self._row].ljust(self._column)
        self.lines[self._row] = line[: self._column] + text + line[self._column + len(text) :]
        self._column += len(text)

    def text(self) -> list[str]:
        """The lines that are not empty."""
        return [line.rstrip() for line in self.lines if line.strip()]
