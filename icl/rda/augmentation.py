"""RDA: enrich each training caption with what the MLLM sees, split it into sub-sentences, and rewrite those."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pandas as pd

from icl.errors import InputError
from icl.files import read_records
from icl.mllm import prompts, reading
from icl.mllm.protocol import Backend, Request
from icl.mllm.settings import MLLMSettings
from icl.progress import stage
from icl.rda.attribute_words import same_attributes
from icl.rda.settings import RDASettings

FALLBACKS = ("vqa", "aggregate", "decompose", "rewrite")
"""Kinds of answers that can be none."""


def shard_of(rows: pd.DataFrame, shard: int, shards: int) -> pd.DataFrame:
    """The captions of one shard; all captions of an image fall into the same one."""
    return rows[rows.image_id % shards == shard].reset_index(drop=True)


def augment(rows: pd.DataFrame, root: Path, backend: Backend, settings: MLLMSettings, rda: RDASettings) -> list[dict]:
    """Augment captions.

    Args:
        rows: pairs table rows. root: image root. settings: limits of the answers. rda: number and draws of the rewrites.

    Returns:
        One dict a caption: caption_id, enriched, sub_sentences, diversity_captions (n lists of m), and fallbacks by kind: a
        T_vqa without a list, a T_aggr that is empty, refuses or repeats its input, a T_dec without sub-sentences, rewrites
        that were rejected.
    """
    limit = settings.max_new_tokens_text
    images = sorted({root / image for image in rows.image})
    with stage("step 1 of 4"):
        requests = [Request("vqa", prompts.vqa_text(), image, settings.max_new_tokens_vqa) for image in images]
        seen = backend.answer(requests)
    said = {image: answer.text for image, answer in zip(images, seen, strict=True)}
    subtexts = {image: reading.vqa_subtexts(text) for image, text in said.items()}
    given = [(row.caption, subtexts[root / row.image]) for row in rows.itertuples()]
    merging = [Request("aggregate", prompts.aggregate_text(caption, seen), None, limit) for caption, seen in given]
    with stage("step 2 of 4"):
        merged = backend.answer(merging)
    enriched = [reading.merged_text(a.text, [caption, *seen]) for a, (caption, seen) in zip(merged, given, strict=True)]
    texts = [text or row.caption for text, row in zip(enriched, rows.itertuples(), strict=True)]
    with stage("step 3 of 4"):
        split = backend.answer([Request("decompose", prompts.decompose_text(text), None, limit) for text in texts])
    sentences = [reading.listed(answer.text) for answer in split]
    with stage("step 4 of 4"):
        rewrites = rewrite_all(sorted({s for parts in sentences for s in parts}), backend, limit, rda)
    out = []
    for row, text, whole, parts in zip(rows.itertuples(), texts, enriched, sentences, strict=True):
        fallbacks = {"vqa": int(not reading.listed(said[root / row.image])), "aggregate": int(not whole)}
        fallbacks |= {"decompose": int(not parts), "rewrite": sum(rewrites[s][1] for s in parts)}
        out.append(
            {
                "caption_id": int(row.caption_id),
                "enriched": text,
                "sub_sentences": parts,
                "diversity_captions": [rewrites[s][0] for s in parts] or [[text]],
                "fallbacks": fallbacks,
            }
        )
    return out


def rewrite_all(
    sentences: list[str], backend: Backend, limit: int, rda: RDASettings
) -> dict[str, tuple[list[str], int]]:
    """m variants of each sentence, and how many of them were rejected.

    A rewrite that loses or adds an attribute word is rejected; the sentence itself stands in.
    """
    m = rda.variants
    texts = [prompts.rewrite_text(sentence, m) for sentence in sentences]
    answers = backend.answer(
        [Request("rewrite", text, None, limit, temperature=rda.temperature, seed=rda.seed) for text in texts]
    )
    out = {}
    for sentence, answer in zip(sentences, answers, strict=True):
        lines = reading.listed(answer.text)[:m]
        kept = [line for line in lines if same_attributes(line, sentence)]
        out[sentence] = (kept + [sentence] * (m - len(kept)), m - len(kept))
    return out


def gather(shards: list[Path], out: Path) -> dict[str, int]:
    """Join shard files into one list by caption_id; returns the fallbacks by kind, over all captions.

    Raises:
        InputError: a shard is not complete JSON lines.
    """
    rows, fallbacks = [], Counter(dict.fromkeys(FALLBACKS, 0))
    for path in shards:
        try:
            found = [(int(row["caption_id"]), row) for row in read_records(path)]
            for _, row in found:
                fallbacks.update(row["fallbacks"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(str(path), f"a broken line ({error})", "JSON lines", "Delete it and run again.") from error
        rows += found
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps([row for _, row in sorted(rows, key=lambda one: one[0])], indent=1))
    return dict(fallbacks)
