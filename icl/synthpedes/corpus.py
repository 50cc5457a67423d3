"""Photographs for pre-training: further identities than any benchmark's, with other seeds."""

from __future__ import annotations

import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from icl.synthpedes.attributes import CITY, WEB, Camera, in_pretraining, sample_family, sample_shot, visible
from icl.synthpedes.render import render


@dataclass
class Corpus:
    """Attributes:
    images: uint8 (N, 96, 48, 3).
    seen: what each photograph shows, flat attributes.
    """

    images: np.ndarray
    seen: list[dict[str, str]]


def _chunk(job: tuple[int, int, int, tuple[Camera, ...]]) -> Corpus:
    seed, identities, shots, cameras = job
    rng = random.Random(seed)
    images: list[np.ndarray] = []
    seen: list[dict] = []
    while len(images) < identities * shots:
        for person in sample_family(rng, in_pretraining):
            for _ in range(shots):
                shot = sample_shot(rng, rng.choice(cameras))
                images.append(render(person, shot))
                seen.append(visible(person, shot))
    count = identities * shots
    return Corpus(np.stack(images[:count]), seen[:count])


def make_corpus(seed: int, identities: int, shots: int, cameras: tuple[Camera, ...], workers: int = 2) -> Corpus:
    """Render `identities` x `shots` photographs; the result depends on the seed alone, not on `workers`."""
    size = 250
    jobs = [
        (seed * 100_003 + k, min(size, identities - k * size), shots, cameras) for k in range(-(-identities // size))
    ]
    with ProcessPoolExecutor(workers) as pool:
        parts = list(pool.map(_chunk, jobs))
    return Corpus(np.concatenate([p.images for p in parts]), [s for p in parts for s in p.seen])


VL_CAMERAS = (CITY, WEB)
CLIP_CAMERAS = (WEB,)
