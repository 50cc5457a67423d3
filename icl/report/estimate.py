"""What a run will ask of the MLLM, and how long that takes: counted from the benchmarks, timed by a short probe."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd

from icl.data.pairs import captions_of, images_of, split_of
from icl.mllm import prompts, reading
from icl.mllm.protocol import YES_NO, Backend, Request, require_answers
from icl.workflow.rows import methods, reranked_folders
from icl.workflow.settings import Settings

SUB_SENTENCES = 9
"""Sub-sentences of an enriched caption, about; many of them are equal and asked once."""


def expected_calls(settings: Settings, pairs: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Questions at most, one line a (benchmark, stage, task); stored answers are not taken off.

    Args:
        pairs: pairs table of each benchmark.
    """
    lines: list[dict] = []
    rounds = settings.thi.rounds

    def add(benchmark: str, stage: str, **calls: int) -> None:
        lines.extend({"benchmark": benchmark, "stage": stage, "task": t, "calls": n} for t, n in calls.items() if n)

    for name, table in pairs.items():
        if not settings.rda.source and any(row.retriever == "rda" for row in methods(settings).values()):
            train = captions_of(split_of(table, "train"))
            rewrites = SUB_SENTENCES * len(train)
            images = len(images_of(train))
            add(name, "RDA", vqa=images, aggregate=len(train), decompose=len(train), rewrite=rewrites)
        for folder in reranked_folders(settings):
            way, benchmark, *_ = folder.split("/")
            if benchmark != name or way == "neighbours":
                continue
            for split in ["test", *(["val"] if way == "thi" and (table.split == "val").any() else [])]:
                rows = split_of(table, split)
                queries, gallery = len(captions_of(rows)), len(images_of(rows))
                if way == "yes":
                    add(name, folder, localise=settings.thi.yes_top_k * queries)
                else:
                    seen = min(queries, gallery)
                    add(name, f"{folder} {split}", localise=rounds * queries, vqa=seen, aggregate=queries)
    return pd.DataFrame(lines, columns=["benchmark", "stage", "task", "calls"])


def probe(backend: Backend, rows: pd.DataFrame, root: Path, settings: Settings, count: int = 16) -> dict[str, float]:
    """Seconds of one question of each kind, from `count` of each asked side by side.

    Args:
        rows: pairs table rows to ask about. root: image root.
    """
    rows, m = captions_of(rows).head(count), settings.mllm
    images = [root / name for name in rows.image]
    seconds: dict[str, float] = {}

    def ask(task: str, requests: list[Request]) -> list[str]:
        backend.answer(requests[:1])  # models load at the first question
        start = time.perf_counter()
        answers = backend.answer(requests)
        seconds[task] = (time.perf_counter() - start) / len(requests)
        require_answers(requests, answers, backend)
        return [answer.text for answer in answers]

    texts = rows.caption.tolist()
    ask(
        "localise",
        [Request("localise", prompts.localise_text(t), i, 4, YES_NO) for t, i in zip(texts, images, strict=True)],
    )
    seen = ask("vqa", [Request("vqa", prompts.vqa_text(), i, m.max_new_tokens_vqa) for i in images])
    limit = m.max_new_tokens_text
    merge = [prompts.aggregate_text(t, reading.vqa_subtexts(s)) for t, s in zip(texts, seen, strict=True)]
    merged = ask("aggregate", [Request("aggregate", text, None, limit) for text in merge])
    whole = [reading.merged_text(answer) or text for answer, text in zip(merged, texts, strict=True)]
    parts = ask("decompose", [Request("decompose", prompts.decompose_text(w), None, limit) for w in whole])
    single = [(reading.listed(part) or [text])[0] for part, text in zip(parts, texts, strict=True)]
    ask("rewrite", [Request("rewrite", prompts.rewrite_text(s, settings.rda.variants), None, limit) for s in single])
    return seconds


def estimate(calls: pd.DataFrame, seconds: dict[str, float]) -> pd.DataFrame:
    """The calls with their hours, and a last line for all of them."""
    table = calls.assign(seconds_per_call=calls.task.map(seconds))
    table["hours"] = table.calls * table.seconds_per_call / 3600
    total = {"benchmark": "all", "stage": "", "task": "", "calls": table.calls.sum(), "hours": table.hours.sum()}
    return pd.concat([table, pd.DataFrame([total])], ignore_index=True)
