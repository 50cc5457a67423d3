"""Figure 7: the first images before and after THI, with the query and what the dialogue added to it. Faces are masked."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea, VPacker

from icl.data.faces import masked
from icl.data.pairs import images_of, read_pairs, split_of
from icl.data.pictures import load_image
from icl.files import read_records
from icl.markup import plain
from icl.report.figures.base import Place
from icl.report.style import BLUE, COLUMN, GREEN, ORANGE, new_figure
from icl.rerank.record import SHOWN

MOST_LINES = 20


def choose(records: list[dict], successes: int = 2) -> list[tuple[str, dict]]:
    """Successes (from the farthest back to the first place) and a failure caused by a wrong confirmation, with titles."""
    refined = [r for r in records if r["anchor"] is not None]
    won = sorted((r for r in refined if r["rank_before"] > 1 == r["rank_after"]), key=lambda r: -r["rank_before"])
    lost = [r for r in refined if _wrongly_confirmed(r)]
    lost.sort(key=lambda r: r["rank_before"] - r["rank_after"])
    chosen = [("confirmed a right image", r) for r in won[:successes]]
    return chosen + [("failure: confirmed a wrong image", r) for r in lost[:1]]


def _wrongly_confirmed(record: dict) -> bool:
    return record["candidate_pids"][record["round"] - 1] != record["pid"]


def added_words(raw: str, refined: str) -> list[list[tuple[str, bool]]]:
    """Lines of the refined query's words, each with whether the raw one lacks it."""
    known = set(re.findall(r"[a-z-]+", raw.lower()))

    def added(word: str) -> bool:
        return any(part not in known for part in re.findall(r"[a-z-]+", word.lower()))

    return [[(word, added(word)) for word in line.split()] for line in textwrap.wrap(plain(refined), 110)]


def _lines(title: str, record: dict) -> list[list[tuple[str, bool]]]:
    """The text above the pictures: title, query, refined query; a text that never ends is cut."""
    query = textwrap.wrap(f"Query: {plain(record['caption'])}", 118)
    refined = added_words(record["caption"], record["refined"]) or [[]]
    lines = [*([(line, False)] for line in (title, *query)), [("Refined:", False), *refined[0]], *refined[1:]]
    return lines if len(lines) <= MOST_LINES else [*lines[: MOST_LINES - 1], [("...", False)]]


def _box(lines: list[list[tuple[str, bool]]]) -> VPacker:
    """Lines of words, some of them bold; none is read as markup."""
    rows: list[Artist] = [HPacker(children=[_text(*word) for word in line], pad=0, sep=2) for line in lines]
    return VPacker(children=rows, pad=0, sep=2)


def _text(word: str, bold: bool) -> TextArea:
    return TextArea(word, textprops={"size": 6, "weight": "bold" if bold else "normal"})


def before_and_after(records: list[dict], images: pd.DataFrame, root: Path, drawn: bool = False) -> Figure:
    """The figure.

    Args:
        records: interactions with `best_before` and `best_after`. images: image_id, image, pid. root: image root.
        drawn: whether this project drew the images.
    """
    chosen, table = choose(records), images.set_index("image_id")
    texts = [_lines(title, record) for title, record in chosen]
    heights = [height for lines in texts or [[]] for height in (max(0.75, 0.15 * len(lines)), 1, 1)]
    figure, _ = new_figure(0, 0, width=2 * COLUMN, height=2.35 / 2.75 * sum(heights))
    grid = figure.add_gridspec(len(heights), SHOWN, height_ratios=heights)
    for number, ((_, record), lines) in enumerate(zip(chosen, texts, strict=True)):
        words = figure.add_subplot(grid[3 * number, :])
        words.axis("off")
        box = AnchoredOffsetbox("lower left", child=_box(lines), pad=0, borderpad=0, frameon=False)
        box.set_in_layout(False)
        words.add_artist(box)
        for line, name in enumerate(("best_before", "best_after")):
            for column, image_id in enumerate(record[name]):
                axis = figure.add_subplot(grid[3 * number + 1 + line, column])
                _picture(axis, record, image_id, table, root, drawn)
                if column == 0:
                    axis.set_ylabel("before" if line == 0 else "after THI", fontsize=6)
    return figure


def _picture(axis: Axes, record: dict, image_id: int, table: pd.DataFrame, root: Path, drawn: bool) -> None:
    """One image, framed by whether it is right; the confirmed one is marked."""
    right = table.pid[image_id] == record["pid"]
    axis.imshow(masked(load_image(root / table.image[image_id]), drawn))
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    for side in axis.spines.values():
        side.set(visible=True, color=GREEN if right else ORANGE, linewidth=2.2 if right else 0.8)
        side.set_linestyle("-" if right else "--")
    if image_id == record["candidate_image_ids"][record["round"] - 1]:
        axis.set_xlabel("asked: Yes", fontsize=5.5, color=BLUE, labelpad=1)


def draw(paths: list[Path], place: Place) -> Figure:
    """From the interaction record and the pairs table."""
    record, pairs = paths
    images = images_of(split_of(read_pairs(pairs), "test"))
    return before_and_after(read_records(record), images, place.root, place.drawn)
