"""Figure 7: the first images before and after THI, with the query and what the dialogue added to it. Faces are masked."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pandas as pd

from icl.data.faces import masked
from icl.data.pairs import images_of, read_pairs, split_of
from icl.data.pictures import load_image
from icl.files import read_records
from icl.report.figures.base import Place
from icl.report.style import BLUE, COLUMN, GREEN, ORANGE, new_figure
from icl.rerank.thi.record import SHOWN


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


def added_words(raw: str, refined: str) -> str:
    """The refined query with the words that the raw one lacks in bold (mathtext)."""
    known = set(re.findall(r"[a-z-]+", raw.lower()))

    def mark(word: str) -> str:
        core = re.sub(r"[^a-z-]", "", word.lower())
        safe = word.replace("$", "").replace("_", " ")
        return safe if not core or core in known else rf"$\bf{{{safe.replace('-', '{-}')}}}$"

    lines = textwrap.wrap(refined, 110)
    return "\n".join(" ".join(map(mark, line.split())) for line in lines)


def before_and_after(records: list[dict], images: pd.DataFrame, root: Path):
    """The figure.

    Args:
        records: interactions with `best_before` and `best_after`. images: image_id, image, pid. root: image root.
    """
    chosen, table = choose(records), images.set_index("image_id")
    count = max(1, len(chosen))
    figure, _ = new_figure(0, 0, width=2 * COLUMN, height=2.35 * count)
    grid = figure.add_gridspec(3 * count, SHOWN, height_ratios=[0.75, 1, 1] * count)
    for number, (title, record) in enumerate(chosen):
        query = "\n".join(textwrap.wrap(f"Query: {record['caption']}", 118))
        words = figure.add_subplot(grid[3 * number, :])
        words.axis("off")
        text = f"{title}\n{query}\nRefined: {added_words(record['caption'], record['refined'])}"
        words.text(0, 0, text, fontsize=6, va="bottom", transform=words.transAxes).set_in_layout(False)
        for line, name in enumerate(("best_before", "best_after")):
            for column, image_id in enumerate(record[name]):
                axis = figure.add_subplot(grid[3 * number + 1 + line, column])
                _picture(axis, record, image_id, table, root)
                if column == 0:
                    axis.set_ylabel("before" if line == 0 else "after THI", fontsize=6)
    return figure


def _picture(axis, record: dict, image_id: int, table: pd.DataFrame, root: Path) -> None:
    """One image, framed by whether it is right; the confirmed one is marked."""
    right = table.pid[image_id] == record["pid"]
    axis.imshow(masked(load_image(root / table.image[image_id])))
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    for side in axis.spines.values():
        side.set(visible=True, color=GREEN if right else ORANGE, linewidth=2.2 if right else 0.8)
        side.set_linestyle("-" if right else "--")
    if image_id == record["candidate_image_ids"][record["round"] - 1]:
        axis.set_xlabel("asked: Yes", fontsize=5.5, color=BLUE, labelpad=1)


def draw(paths: list[Path], place: Place):
    """From the interaction record and the pairs table."""
    record, pairs = paths
    return before_and_after(read_records(record), images_of(split_of(read_pairs(pairs), "test")), place.root)
