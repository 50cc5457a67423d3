"""What a job asks of a cluster, computed from the configuration; a retried job asks for more memory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from icl.data.layouts import LAYOUTS
from icl.rerank.ways import WAYS
from icl.workflow.names import given
from icl.workflow.settings import Settings

LIBRARIES_MB = 2000
"""A process with torch, transformers and pandas loaded, measured at 0.9 to 1.5 GB, and room beside it."""
EMBEDDING_MB = 1536 * 4 / 1e6
"""The vectors of one image or caption: BGE 512 and TSE 1,024 numbers."""
PORTION = 2048
"""Captions whose hard negatives are mined at a time."""
IMAGES = 45_000
"""Images of the largest split that a job holds in memory (ICFG-PEDES: 34,674 in training)."""


def model_mb(model: str) -> float:
    """Memory of a model's weights: of its files, or at 16 bits from the "7B" in a hub id; 1 GB where nothing tells."""
    files = list(Path(model).glob("*.safetensors"))
    if files:
        return sum(file.stat().st_size for file in files) / 1e6
    billions = re.search(r"(\d+(?:\.\d+)?)B\b", model)
    return 2000 * float(billions[1]) if billions else 1000.0


def reranked_mb(captions: int, images: int) -> float:
    """Memory of the k-reciprocal re-ranking, which needs most of the jobs on a test split, without the libraries.

    One float32 matrix, the embeddings, and three copies of those at most while they are centred; the sparse encodings take
    less than those copies did. Measured at 19,848 x 19,848: 2.18 GB, the interpreter included; 72 s of one Xeon core.
    """
    return 4 * captions * images / 1e6 + 4 * EMBEDDING_MB * (captions + images)


def mined_mb(captions: int, images: int) -> float:
    """Memory of mining hard negatives on a training split, without the libraries.

    The embeddings, once more while they are read, and two similarity blocks of a portion. Measured at 68,126 captions
    and 34,054 images: 1.55 GB, the interpreter included.
    """
    return 2 * EMBEDDING_MB * (captions + images) + 2 * 4 * PORTION * images / 1e6


def scores_mb(settings: Settings) -> float:
    """Memory of a job on similarities, by the official counts of the configured benchmarks, without the libraries."""
    layouts = [LAYOUTS[spec.layout] for spec in settings.datasets.values() if spec.root]
    needs = [reranked_mb(layout.captions[2], layout.images_count[2]) for layout in layouts]
    needs += [mined_mb(layout.captions[0], layout.images_count[0]) for layout in layouts]
    return max([LIBRARIES_MB, *needs, given_mb(settings)])


def given_mb(settings: Settings) -> float:
    """Memory of given similarities of a test split: float64 at worst, and once more where they are put in order."""
    layouts = [LAYOUTS[spec.layout] for spec in settings.datasets.values() if spec.root and given(settings, "scores")]
    return max((16 * layout.captions[2] * layout.images_count[2] / 1e6 for layout in layouts), default=0.0)


def needed_mb(settings: Settings, stage: str) -> int:
    """Megabytes of a stage's job.

    Args:
        stage: `tables` (tables, small files), `scores` (similarities), `retriever` (CLIP and its images), `mllm`, `timing`
            (any re-ranking).
    """
    if stage == "tables":
        return LIBRARIES_MB
    if stage == "scores":
        return int(LIBRARIES_MB + scores_mb(settings))
    if stage == "timing":
        return max(needed_mb(settings, "mllm"), needed_mb(settings, "scores"))
    if stage == "mllm":
        return int(2 * LIBRARIES_MB + 2 * model_mb(settings.mllm.model) + given_mb(settings))
    r = settings.retriever
    images = IMAGES if any(spec.root for spec in settings.datasets.values()) else IMAGES // 10
    return int(2 * LIBRARIES_MB + 3 * r.image_height * r.image_width * images / 1e6)


def job(settings: Settings, stage: str, minutes: int, gpus: int = 0) -> dict:
    """A rule's resources; a job that is tried again asks for twice, then three times the memory.

    Args:
        stage: as in `needed_mb`, or `way`: a re-ranking, whose wildcard `way` tells whether the MLLM is asked.
        minutes: of the job's first attempt, on the slowest machine that we know. gpus: those of the job, where the
            configuration has any.
    """
    if stage == "way":
        asking, silent = needed_mb(settings, "mllm"), needed_mb(settings, "scores")
        own: dict[str, Any] = {
            "mem_mb": lambda wildcards, attempt: (asking if _asks(wildcards) else silent) * attempt,
            "gpu": lambda wildcards: settings.jobs.gpus * _asks(wildcards),
        }
    else:
        mb = needed_mb(settings, stage)
        own = {"mem_mb": lambda wildcards, attempt: mb * attempt, "gpu": settings.jobs.gpus * gpus}
    if stage == "way" or gpus:
        own["gpu_model"] = settings.jobs.gpu_type if settings.jobs.gpus else ""
    return {"runtime": minutes, **own}


def _asks(wildcards: Any) -> bool:
    return WAYS[wildcards.way].judge != "none"
