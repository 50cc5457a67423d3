"""The SFT set for anchor localisation (supplementary, section D)."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from icl.data.pairs import captions_of
from icl.markup import markdown
from icl.mllm import prompts


def build_records(
    rows: pd.DataFrame, clean: set[int], negatives: dict[int, list[str]], pairs: int, seed: int
) -> list[dict]:
    """One Yes and one No record for each drawn clean text; none of a text without an image of another identity.

    Args:
        rows: pairs table of the train split. clean: caption_ids that CCD calls clean.
        negatives: per caption_id, images of other identities that the retriever takes for similar (top-10).
        pairs: texts drawn at most. seed: of the draws.

    Returns:
        Records {id, caption_id, caption, image, answer, kind}; kind is "own" or "hard".
    """
    rng = random.Random(seed)
    candidates = [
        row for row in rows.itertuples() if row.caption_id in clean and len(negatives.get(row.caption_id, ()))
    ]
    drawn = rng.sample(candidates, min(pairs, len(candidates)))
    records: list[dict] = []
    for row in drawn:
        wrong = rng.choice(negatives[row.caption_id])
        for image, answer, kind in ((row.image, "Yes", "own"), (wrong, "No", "hard")):
            record = {"caption_id": int(row.caption_id), "caption": row.caption, "image": image}
            records.append({"id": len(records), **record, "answer": answer, "kind": kind})
    return records


def heldout_records(rows: pd.DataFrame, negatives: dict[int, list[str]], seed: int) -> list[dict]:
    """Held-out questions: for each caption its own image, a random other identity's, and the retriever's worst confusion.

    In a split of one identity there is its own image only.
    """
    rng = random.Random(seed)
    images = rows.drop_duplicates("image")
    records: list[dict] = []
    for row in captions_of(rows).itertuples():
        other = images[images.pid != row.pid].image
        asked = [(row.image, "Yes", "own")]
        if len(other):
            asked += [(other.iloc[rng.randrange(len(other))], "No", "easy")]
        asked += [(image, "No", "hard") for image in negatives.get(row.caption_id, [])[:1]]
        for image, answer, kind in asked:
            record = {"caption_id": int(row.caption_id), "caption": row.caption, "image": image}
            records.append({"id": len(records), **record, "answer": answer, "kind": kind})
    return records


def negatives_by_caption(columns: np.ndarray, caption_ids: np.ndarray, images: list[str]) -> dict[int, list[str]]:
    """Image names of mined columns (N, k) by caption_id."""
    return {int(c): [images[k] for k in row] for c, row in zip(caption_ids, columns, strict=True)}


def data_card(records: list[dict], heldout: list[dict], asked: dict[str, int], clean: dict[str, int]) -> str:
    """Markdown: what the SFT set holds.

    Args:
        asked: pairs wanted of each benchmark. clean: pairs that CCD called clean there.
    """
    held = Counter(record["benchmark"] for record in heldout)
    counts = Counter((record["benchmark"], record["answer"]) for record in records)
    images = {name: len({r["image"] for r in records if r["benchmark"] == name}) for name in asked}
    words = [len(record["caption"].split()) for record in records] or [0]
    head = "| benchmark | clean pairs | pairs wanted | Yes | No | images | held-out questions |"
    lines = [
        f"| {markdown(n)} | {clean[n]} | {asked[n]} | {counts[n, 'Yes']} | {counts[n, 'No']} | {images[n]} | {held[n]} |"
        for n in asked
    ]
    return "\n".join(
        [
            "# SFT set of anchor localisation (T_loc)",
            "",
            f"{len(records)} records, {sum(words) / len(words):.1f} words a caption. From each clean pair (CCD of the "
            "baseline retriever, train split) one Yes record with its own image and one No record with an image of "
            "another identity among the retriever's most similar ones. Held-out questions come from the val split.",
            "",
            head,
            "|---" * 7 + "|",
            *lines,
            "",
            "`records.jsonl` holds one record a line: caption, image, answer, kind, benchmark. Captions and images stay "
            "under the terms of their benchmarks: a set made from licensed ones may not be passed on.",
            "",
        ]
    )


def write_llamafactory(records: list[dict], root: Path, folder: Path, name: str = "icl_localisation") -> None:
    """The same set in LLaMA-Factory's sharegpt form: messages + images, and dataset_info.json."""
    rows = []
    for record in records:
        user = f"<image>{prompts.localise_text(record['caption'])}"
        messages = [
            {"role": "system", "content": prompts.system_text()},
            {"role": "user", "content": user},
            {"role": "assistant", "content": record["answer"]},
        ]
        rows.append({"messages": messages, "images": [str(root / record["image"])]})
    tags = {"role_tag": "role", "content_tag": "content"}
    tags |= {"user_tag": "user", "assistant_tag": "assistant", "system_tag": "system"}
    columns = {"messages": "messages", "images": "images"}
    info = {name: {"file_name": f"{name}.json", "formatting": "sharegpt", "columns": columns, "tags": tags}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(rows, indent=1))
    (folder / "dataset_info.json").write_text(json.dumps(info, indent=1))
