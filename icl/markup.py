"""Texts that are not ours (names of benchmarks and methods, captions, paths) as they stand in Markdown, LaTeX and HTML."""

from __future__ import annotations

import html as _html
import re
import unicodedata

_MARKDOWN = re.compile(r"[\\`*\[\]<>|~$&]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown gives a meaning to inside a line; an underscore between letters or digits has none."""
_LATEX = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
}


def plain(text: str) -> str:
    """One line of printable text: control characters, line ends and halves of characters become spaces."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text)


def markdown(text: str) -> str:
    """A text inside a line or a table's cell of Markdown."""
    return _MARKDOWN.sub(r"\\\g<0>", plain(text))


def latex(text: str) -> str:
    """A text inside a line or a table's cell of LaTeX."""
    return "".join(_LATEX.get(letter, letter) for letter in plain(text))


def html(text: str) -> str:
    """A text or an attribute's value of an HTML page, in ASCII whatever the page's encoding."""
    return _html.escape(plain(text)).encode("ascii", "xmlcharrefreplace").decode()


def markdown_table(rows: list[list[str]]) -> str:
    """Lines of cells as a table, the first one its head."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)
