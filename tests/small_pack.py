"""A pack of random vectors and an MLLM that answers by rule: all of the people's rooms, without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from icl.human.making import make_pack
from icl.human.pack import Pack
from icl.human.settings import HumanSettings
from icl.mllm.protocol import Answer, Request
from icl.mllm.settings import MLLMSettings
from icl.rerank.settings import RerankSettings, THISettings
from icl.rerank.split import Split
from icl.retriever.encoding.vectors import Embeddings

COLOURS = ("red", "blue", "green", "black", "white")


def number(*parts: object) -> int:
    """A stable number of some words."""
    return int.from_bytes(hashlib.sha256(" ".join(map(str, parts)).encode()).digest()[:6], "big")


def vectors(texts: Sequence[str], sizes: tuple[int, int] = (6, 4)) -> tuple[np.ndarray, ...]:
    """An encoder: each word is a direction of its own."""
    found = []
    for size in sizes:
        rows = np.zeros((len(texts), size), dtype=np.float32)
        for n, text in enumerate(texts):
            for word in text.lower().split():
                rows[n] += np.random.default_rng(number(size, word)).normal(size=size)
        found.append(unit(rows))
    return tuple(found)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


class RuleMLLM:
    """Says Yes by a hash of the question and the picture; its T_vqa names colours of the picture."""

    tolerant = False

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def identity(self, task: str) -> dict[str, str]:
        return {}

    def forget_images(self) -> None:
        pass

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        self.asked += requests
        return [getattr(self, f"_{request.task}")(request) for request in requests]

    def _localise(self, request: Request) -> Answer:
        share = (number(request.text, request.image.name) % 1000) / 1000
        return Answer("Yes" if share >= 0.5 else "No", {"Yes": share, "No": 1 - share})

    def _vqa(self, request: Request) -> Answer:
        colour = [COLOURS[number(request.image.name, thing) % len(COLOURS)] for thing in range(3)]
        return Answer(
            f"1. The person is wearing a {colour[0]} coat.\n2. The person is wearing {colour[1]} trousers.\n"
            f"3. The person is wearing {colour[2]} shoes.\n4. No, the person is not wearing a hat."
        )

    def _aggregate(self, request: Request) -> Answer:
        return Answer(f"A person {number(request.text) % 97} in {COLOURS[number(request.text) % 5]}.")


def small_split(folder: Path, people: int = 6, pictures: int = 2, captions: int = 2, rounds: int = 4, seed: int = 0):
    """(split, its pairs table, the MLLM): pictures of people, each with captions; similarities are random, not hopeless."""
    rng, rows = np.random.default_rng(seed), []
    (folder / "imgs").mkdir(parents=True, exist_ok=True)
    for image in range(people * pictures):
        name = f"{image:03d}.png"
        Image.fromarray(rng.integers(0, 256, (8, 4, 3), dtype=np.uint8)).save(folder / "imgs" / name)
        for n in range(captions):
            text = f"person {image // pictures} in {COLOURS[(image + n) % 5]} seen {n}"
            rows.append(("test", image // pictures, image, name, len(rows), text))
    table = pd.DataFrame(rows, columns=["split", "pid", "image_id", "image", "caption_id", "caption"])
    count = people * pictures
    pids = np.repeat(np.arange(people), pictures)
    images = [unit(rng.normal(size=(count, size)).astype(np.float32)) for size in (6, 4)]
    texts = [
        unit(np.repeat(part, captions, axis=0) + rng.normal(size=(count * captions, part.shape[1])).astype(np.float32))
        for part in images
    ]
    numbers = np.arange(count * captions)
    found = Embeddings(*images, *texts, np.arange(count), pids, numbers, np.repeat(pids, captions))
    paths, thi = [folder / "imgs" / f"{image:03d}.png" for image in range(count)], THISettings(rounds=rounds)
    backend = RuleMLLM()
    told = table.caption.tolist()
    split = Split(found, told, paths, vectors, None, backend, MLLMSettings(), thi, RerankSettings())
    return split, table, backend


def small_pack(folder: Path, xi: float | None = None, human: HumanSettings | None = None, **sizes: int) -> Pack:
    """A pack in a folder; its xi is the median similarity of the first images where none is given."""
    split, table, backend = small_split(folder, **sizes)
    best = split.embeddings.scores.rows(slice(None)).max(axis=1)
    xi = float(np.median(best)) if xi is None else xi
    human = human or HumanSettings(shared=3, own=3, shown=4, pool=0)
    (folder / "retriever").mkdir(exist_ok=True)
    make_pack(folder / "pack", "small", split, table, folder / "retriever", backend, xi, human, 40, "a rule")
    return Pack.open(folder / "pack", vectors)
