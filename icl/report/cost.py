"""What the MLLM was asked in a results folder, and what that cost: read from the answer stores."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

COLUMNS = ["store", "task", "questions", "asked", "from_store", "failed", "prompt_tokens", "answer_tokens", "seconds"]


def cost_table(answers: Path) -> pd.DataFrame:
    """One line a (store, kind of question), with a last line for each kind over all stores.

    Columns:
        questions: put by the stages, over all their runs. asked: of those, put to the model. from_store: the others.
        failed: asked without an answer. prompt_tokens, answer_tokens: of the answers. seconds: of the model.
    """
    counts: dict[tuple[str, str], dict[str, float]] = {}
    for path in sorted(answers.glob("*/*.jsonl")):
        for line in path.read_bytes().split(b"\n"):
            try:
                row = json.loads(line)
            except ValueError:
                continue  # empty, or torn by a kill
            for name, task, value in _entries(row):
                found = counts.setdefault((path.parent.name, task), dict.fromkeys(COLUMNS[2:], 0))
                found[name] += value
    table = pd.DataFrame([{"store": s, "task": t, **found} for (s, t), found in counts.items()], columns=COLUMNS)
    table["from_store"] = (table.questions - table.asked).clip(lower=0)
    total = table.groupby("task", sort=False)[COLUMNS[2:]].sum().reset_index().assign(store="all")
    return pd.concat([table, total[COLUMNS]], ignore_index=True)


def _entries(row: dict):
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
