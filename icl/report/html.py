"""Tables as HTML: one that can stand in any page, and a page of its own for each."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from icl.markup import html

TABLE_STYLE = """
.icl-table { overflow-x: auto; }
.icl-table table { border-collapse: collapse; font: 15px/1.4 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
.icl-table th, .icl-table td { padding: 0.25rem 0.7rem; text-align: right; white-space: nowrap; border: 0; }
.icl-table th { border-bottom: 2px solid #444; }
.icl-table td { border-bottom: 1px solid #ddd; }
.icl-table .text { text-align: left; }
"""


def table_html(table: pd.DataFrame, bold: pd.DataFrame) -> str:
    """A table of texts, nothing in a cell being markup.

    Args:
        table: cells, as text. bold: which of them are bold, of the same shape.
    """
    if table.empty:
        return "<p>No rows in this run.</p>"
    words = [not table[name].map(_is_number).all() for name in table]
    head = "".join(_cell("th", name, text) for name, text in zip(table.columns, words, strict=True))
    rows = []
    for cells, marks in zip(table.to_numpy(), bold.to_numpy(), strict=True):
        line = zip(cells, words, marks, strict=True)
        rows.append("".join(_cell("td", cell, text, mark) for cell, text, mark in line))
    body = "".join(f"<tr>{row}</tr>\n" for row in rows)
    return f'<div class="icl-table"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>'


def _cell(tag: str, text: str, left: bool, bold: bool = False) -> str:
    words = f"<b>{html(text)}</b>" if bold else html(text)
    return f'<{tag} class="text">{words}</{tag}>' if left else f"<{tag}>{words}</{tag}>"


def _is_number(cell: str) -> bool:
    return bool(re.match(r"[-+]?\d|-$|$", cell))


def table_page(table: pd.DataFrame, bold: pd.DataFrame, title: str, notes: Iterable[str] = ()) -> str:
    """A page that holds one table.

    Args:
        notes: lines of Markdown without any formatting, such as `verified.notes` gives.
    """
    below = "".join(f"<p>{html(unescaped(note))}</p>\n" for note in notes)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html(title)}</title>\n'
        f"<style>{TABLE_STYLE}</style></head>\n<body>\n<h1>{html(title)}</h1>\n{table_html(table, bold)}\n{below}"
        "</body></html>\n"
    )


def unescaped(note: str) -> str:
    """The text of a line of Markdown in which every mark is escaped (`icl.markup.markdown`)."""
    return re.sub(r"\\(.)", r"\1", note)
