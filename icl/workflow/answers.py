"""Which stored answers the table of a configuration stands on, and their export without what other configurations left."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from icl.rerank.ways import WAYS
from icl.workflow.names import augmentation_source
from icl.workflow.rows import judge_files, rows
from icl.workflow.settings import Settings


def patterns(settings: Settings) -> list[str]:
    """Answer files of a configuration's rows, as patterns below the folder `answers`."""
    found = []
    for dataset, _, row, seed in rows(settings):
        job = f"{row.retriever}-{row.judge}-seed{seed}"
        if row.judge != "none":  # one row may have found its questions answered by another's job
            found.append(f"{dataset}-val/choose_parameters-*-{row.judge}-seed{seed}.jsonl")
            found.append(f"{dataset}-{job}-test/*.jsonl")
        if row.way and WAYS[row.way].described:
            found.append(f"{dataset}-gallery/*.jsonl")
        if row.retriever == "rda" and not augmentation_source(settings, dataset):
            found.append(f"augment-{dataset}/augment-{dataset}-*-of-*.jsonl")
    if judge_files(settings):
        found += [
            f"judge-seed{seed}-{judge}/evaluate_judge.jsonl" for seed in settings.seeds for judge in ("base", "lora")
        ]
    return list(dict.fromkeys(found))


def export(results: Path, chosen: list[str], out: Path) -> None:
    """Pack answers and the run's provenance; unpacked below another results folder, they replay its table.

    Args:
        results: folder of the stages' outputs. chosen: as `patterns` gives them. out: archive to write.
    """
    with tarfile.open(out, "w:gz") as archive:
        archive.add(results / "provenance.json", "answers/provenance.json")
        for path in sorted({path for pattern in chosen for path in (results / "answers").glob(pattern)}):
            content = b"".join(line + b"\n" for line in current(path.read_bytes().splitlines()))
            entry = tarfile.TarInfo(f"answers/{path.parent.name}/{path.name}")
            entry.size, entry.mtime = len(content), int(path.stat().st_mtime)
            archive.addfile(entry, BytesIO(content))


def current(lines: list[bytes]) -> Iterator[bytes]:
    """The lines of a store without answers of an earlier model or adapter, which a store keeps."""
    rows, last, before = [], {}, {}
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue  # torn by a kill
        if "identity" in row:
            before[row["task"]] = last[row["task"]] = row["identity"]
        rows.append((line, row, before.get(row.get("task"))))
    for line, row, identity in rows:
        if "answer" not in row or identity is None or identity == last[row["task"]]:
            yield line
