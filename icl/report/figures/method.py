"""The method in one picture, on a real interaction of the run: query, rounds of T_loc, T_vqa, refined query, results."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from icl.data.faces import masked
from icl.data.images import load_image
from icl.data.pairs import images_of, read_pairs, split_of
from icl.files import read_records
from icl.report.figures.base import Place
from icl.report.style import BLUE, GREEN, GREY, ORANGE, new_figure

WIDTH, HEIGHT = 9.2, 4.7
"""Inches; also the units of all places below."""
PICTURE = (0.5, 1.0)
RESULTS = ("RDE", "ICL", "ICL+THI")


def choose(records: list[dict], most: int = 5) -> dict | None:
    """The right image moved to the first place from farthest back in the shown ones, with the shortest texts."""
    won = [r for r in records if r["anchor"] is not None and 1 == r["rank_after"] < r["rank_before"] <= most]
    return min(won, key=lambda r: (-r["rank_before"], len(r["caption"]) + len(r["refined"])), default=None)


def draw(paths: list[Path], place: Place) -> Figure:
    """From an interaction record, the pairs table and the results table."""
    record, pairs, table = paths
    chosen = choose(read_records(record))
    figure, _ = new_figure(0, 0, width=WIDTH, height=HEIGHT)
    figure.set_layout_engine("none")  # every place is given below
    canvas = figure.add_axes((0, 0, 1, 1))
    canvas.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    canvas.axis("off")
    _training(canvas)
    if chosen is None:
        _box(canvas, 0.1, 1.2, 9.0, 0.5, "THI", "No query of this run was refined to the first place.", GREY)
    else:
        images = images_of(split_of(read_pairs(pairs), "test")).set_index("image_id")
        _interaction(figure, canvas, chosen, images, place)
    _results(canvas, pd.read_csv(table), place.dataset)
    return figure


def _training(canvas: Axes) -> None:
    _title(canvas, 4.45, "Training")
    steps = (
        ("pairs", "image, caption", GREY),
        ("RDE + CCD", "trains on the pairs that\nboth embeddings call clean", BLUE),
        ("hard negatives", "top-10 most similar images\nof other identities", BLUE),
        ("LoRA", "the MLLM learns to say\nYes and No (T_loc)", ORANGE),
        ("RDA", "the MLLM describes, merges,\nsplits and rewrites captions", ORANGE),
        ("ICL", "RDE trained with the\naugmented captions", GREEN),
    )
    left = 0.1
    for number, (name, text, colour) in enumerate(steps):
        width = 0.85 if number == 0 else 1.5
        _box(canvas, left, 3.62, width, 0.66, name, text, colour)
        left += width + 0.14
        if name not in ("LoRA", "ICL"):  # RDA starts from the pairs again
            _arrow(canvas, left - 0.14, 3.95, left)


def _interaction(figure: Figure, canvas: Axes, record: dict, images: pd.DataFrame, place: Place) -> None:
    _title(canvas, 3.4, "Test: one interaction of this run")
    _box(canvas, 0.1, 1.72, 1.55, 1.5, "query", record["caption"], GREY)
    _arrow(canvas, 1.65, 2.5, 1.85)
    answers = [
        f"{'Yes' if yes else 'No'} {p:.2f}" for yes, p in zip(record["yes"], record["yes_probability"], strict=True)
    ]
    _row(figure, canvas, 1.85, 1.98, record["candidate_image_ids"], record["pid"], images, place, answers)
    canvas.text(1.85, 3.12, "T_loc: does the query describe this person?", fontsize=6.5, color=ORANGE)
    _arrow(canvas, 4.6, 2.5, 4.8)
    told = "\n".join(textwrap.fill(text, 34) for text in record["subtexts"][:5])
    _box(canvas, 4.8, 1.72, 1.72, 1.5, "T_vqa on the confirmed image", told + "\n...", ORANGE, wrap=False)
    _arrow(canvas, 6.52, 2.5, 6.7)
    _box(canvas, 6.7, 1.72, 2.4, 1.5, "T_aggr: refined query", record["refined"], ORANGE)
    canvas.text(1.85, 1.42, "ranking with the refined query", fontsize=6.5, color=GREEN)
    _row(figure, canvas, 1.85, 0.28, record["best_after"], record["pid"], images, place, [])


def _row(
    figure: Figure,
    canvas: Axes,
    left: float,
    bottom: float,
    image_ids: list[int],
    pid: int,
    images: pd.DataFrame,
    place: Place,
    below: list[str],
) -> None:
    width, height = PICTURE
    for k, image_id in enumerate(image_ids[:5]):
        at = (left + k * 0.55, bottom)
        axis = figure.add_axes((at[0] / WIDTH, at[1] / HEIGHT, width / WIDTH, height / HEIGHT))
        axis.imshow(masked(load_image(place.root / images.image[image_id]), place.drawn))
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
        right = images.pid[image_id] == pid
        for side in axis.spines.values():
            side.set(visible=True, color=GREEN if right else GREY, linewidth=2 if right else 0.5)
        if k < len(below):
            canvas.text(at[0] + width / 2, bottom - 0.14, below[k], fontsize=6, ha="center", color=ORANGE)


def _results(canvas: Axes, table: pd.DataFrame, dataset: str) -> None:
    rows = table[table.benchmark == dataset].groupby("method").rank1.mean()
    found = [(name, rows[name]) for name in RESULTS if name in rows]
    if not found:
        return
    canvas.text(5.0, 1.42, f"Rank-1 on {dataset} in this run", fontsize=6.5, color=GREY)
    for k, (name, value) in enumerate(found):
        y = 1.1 - 0.36 * k
        canvas.barh(y, value / 40, 0.26, left=5.75, color=(BLUE, BLUE, GREEN)[k])
        canvas.text(5.7, y, name, fontsize=7, ha="right", va="center")
        canvas.text(5.8 + value / 40, y, f"{value:.1f}", fontsize=7, va="center")


def _title(canvas: Axes, y: float, text: str) -> None:
    canvas.text(0.1, y, text, fontsize=8, fontweight="bold")


def _box(
    canvas: Axes,
    left: float,
    bottom: float,
    width: float,
    height: float,
    name: str,
    text: str,
    colour: str,
    wrap: bool = True,
) -> None:
    from matplotlib.patches import FancyBboxPatch

    shape = FancyBboxPatch((left, bottom), width, height, "round,pad=0,rounding_size=0.06", fc="white", ec=colour)
    canvas.add_patch(shape)
    canvas.text(left + 0.06, bottom + height - 0.06, name, fontsize=7, va="top", color=colour, fontweight="bold")
    body = textwrap.fill(text, int(width * 21)) if wrap and "\n" not in text else text
    canvas.text(left + 0.06, bottom + height - 0.25, body, fontsize=5.8, va="top", parse_math=False)


def _arrow(canvas: Axes, start: float, y: float, end: float) -> None:
    canvas.annotate("", (end, y), (start, y), arrowprops=dict(arrowstyle="-|>", color=GREY, linewidth=1))
