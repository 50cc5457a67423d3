"""What the MLLM was asked in a results folder, and what that cost: read from the answer stores."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

COUNTED = ["questions", "asked", "from_store", "failed", "prompt_tokens", "answer_tokens", "seconds"]
COLUMNS = ["store", "task", *COUNTED, "wall_seconds"]


def cost_table(answers: Path) -> pd.DataFrame:
    """One line a (store, kind of question), with a last line for each kind over all stores.

    Columns:
        questions: put by the stages, over all their runs. asked: of those, put to the model. from_store: the others.
        failed: asked without an answer. prompt_tokens, answer_tokens: of the answers. seconds: of the model, added
        up over the answers, also where a server gave several at once. wall_seconds: during which at least one of them was
        waited for, by any job; empty where the answers are of a version that did not note it.
    """
    counts: dict[tuple[str, str], dict[str, float]] = {}
    spans: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for path in sorted(answers.glob("*/*.jsonl")):
        for line in path.read_bytes().split(b"\n"):
            try:
                row = json.loads(line)
            except ValueError:
                continue  # empty, or torn by a kill
            for name, task, value in _entries(row):
                found = counts.setdefault((path.parent.name, task), dict.fromkeys(COUNTED, 0))
                found[name] += value
            if "span" in row:
                for store in (path.parent.name, "all"):
                    spans.setdefault((store, row["task"]), []).append(tuple(row["span"]))
    table = pd.DataFrame([{"store": s, "task": t, **found} for (s, t), found in counts.items()], columns=COLUMNS[:-1])
    table["from_store"] = (table.questions - table.asked).clip(lower=0)
    total = table.groupby("task", sort=False)[COUNTED].sum().reset_index().assign(store="all")
    table = pd.concat([table, total[COLUMNS[:-1]]], ignore_index=True)
    return table.assign(wall_seconds=[covered(spans.get(key, [])) for key in zip(table.store, table.task, strict=True)])


def covered(spans: list[tuple[float, float]]) -> float | None:
    """Length of the union of (start, end); None where there are none."""
    total, reached = 0.0, -math.inf
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total if spans else None


def _entries(row: dict) -> Iterator[tuple[str, str, float]]:
    """(column, kind of question, amount) of one line of a store."""
    if "identity" in row:
        return
    if "questions" in row:
        yield from (("questions", task, count) for task, count in row["questions"].items())
        return
    answer, task = row["answer"], row["task"]
    yield "asked", task, 1
    yield "failed", task, int(bool(answer["error"]))
    for name in ("prompt_tokens", "answer_tokens", "seconds"):
        yield name, task, answer[name]
