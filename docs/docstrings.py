"""Docstrings of this project as Sphinx reads Google's: one argument a line, and examples as they are."""

from __future__ import annotations

import dataclasses
import inspect
import re

SECTIONS = ("Args:", "Attributes:")
COLON = "\ue000"
"""Stands for a colon while napoleon reads; see `with_colons`."""
_NEXT = re.compile(r"(?<=[.;)]) (?=((?:\w+, )*\w+)(?: \([^)]*\))?: )")


def one_a_line(what: str, obj: object, lines: list[str]) -> None:
    """Change a docstring's lines in place."""
    if what == "module":
        _show_examples(lines)
        return
    if what in ("data", "attribute", "property") and lines:
        lines[0] = lines[0].replace(":", COLON)  # what stands before it would be taken for a type
    if lines and lines[0] in SECTIONS:  # a docstring that begins with it: its other lines have lost their indentation
        lines[1:] = [f"    {line}" if line else line for line in lines[1:]]
    known, out, indent = _names(obj), [], 0
    for line in lines:
        if line.strip() in SECTIONS:
            out.append(line)
            indent = len(line) - len(line.lstrip()) + 4
        elif line == "Returns:":
            out.append(":returns:")  # as a field: no colon in its text then begins a type
            indent = 0
        elif indent and line.startswith(" " * indent):
            first, *others = _parts(line, known)
            out += [first, *(" " * indent + part for part in others)]
        else:
            out.append(line)
            indent = 0
    lines[:] = out


def with_colons(lines: list[str]) -> None:
    """Put back what napoleon was not to see."""
    lines[:] = [line.replace(COLON, ":") for line in lines]


def _parts(line: str, known: set[str]) -> list[str]:
    """A line, cut before each further argument."""
    cuts = [found.start() for found in _NEXT.finditer(line) if set(found[1].split(", ")) <= known]
    ends = [*cuts, len(line)]
    return [
        line[start:end].rstrip() if not start else line[start:end].strip()
        for start, end in zip([0, *cuts], ends, strict=True)
    ]


def _names(obj: object) -> set[str]:
    """Arguments or fields of what a docstring belongs to."""
    found: set[str] = {field.name for field in dataclasses.fields(obj)} if dataclasses.is_dataclass(obj) else set()
    try:
        return found | set(inspect.signature(obj).parameters)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return found


def _show_examples(lines: list[str]) -> None:
    """An indented part of a module's docstring is an example."""
    for k in range(len(lines) - 1, 1, -1):
        if lines[k].startswith("    ") and not lines[k - 1].strip() and not lines[k - 2].startswith("    "):
            lines[k:k] = ["::", ""]
