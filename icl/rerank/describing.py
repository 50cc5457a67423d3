"""Captions of gallery images, written by the MLLM once, before any query."""

from __future__ import annotations

from pathlib import Path

from icl.mllm.protocol import Backend
from icl.mllm.settings import MLLMSettings
from icl.rerank.thi.session import Session

NOTHING = "A person."
"""Stands for an image of which the MLLM tells nothing."""


def describe(images: list[Path], backend: Backend, settings: MLLMSettings) -> tuple[list[dict], dict[str, int]]:
    """T_vqa's sub-texts of each image, merged into one text by T_aggr.

    Returns:
        One {"subtexts", "caption"} an image; and answers by kind that were none: without sub-texts the caption says nothing,
        without a merged text it is the sub-texts, joined.
    """
    session = Session(backend, images, settings)
    seen = session.describe(list(range(len(images))))
    told = [k for k in range(len(images)) if seen[k]]
    merged = session.refine([seen[k][0] for k in told], [seen[k][1:] for k in told])
    texts = dict(zip(told, merged, strict=True))
    found = [{"subtexts": seen[k], "caption": texts.get(k, NOTHING)} for k in range(len(images))]
    return found, {kind: session.fallbacks[kind] for kind in ("vqa", "aggregate")}
