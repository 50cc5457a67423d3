"""The weights of feedback, chosen on SynthPEDES' val with the shipped retriever: simulated people judge the first images."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from icl.apps.feedback import Weights, with_verdicts
from icl.apps.shipped import SHIPPED
from icl.data.annotations import read_benchmark
from icl.data.pairs import split_of
from icl.data.settings import DatasetSettings
from icl.ranking.metrics import retrieval_metrics
from icl.retriever.encoding.embeddings import embed, open_store
from icl.retriever.encoding.vectors import Embeddings
from icl.retriever.weights.checkpoints import load_retriever
from icl.synthpedes.benchmark import write_benchmark
from tests.bench.harness import write

CONFIRMED, REFUSED = (0, 0.5, 1, 1.5, 2, 3), (0, 0.05, 0.1, 0.2, 0.3, 0.4)
SIZES = {"train_identities": 300, "val_identities": 80, "test_identities": 120, "images_per_identity": 3}
"""Those of config/config.yaml: its people are the ones that the shipped retriever never saw in training."""


@dataclass(frozen=True)
class People:
    """Attributes:
    images: judged in a round, the first ones not judged yet. flips, unsure: shares of wrong answers, and of none.
    """

    images: int
    rounds: int
    flips: float = 0.0
    unsure: float = 0.0

    def __str__(self) -> str:
        noise = f", {self.flips:.0%} wrong, {self.unsure:.0%} unsure" if self.flips else ""
        return f"{self.rounds} x {self.images}{noise}"


PEOPLE = (People(5, 1), People(10, 1), People(5, 3), People(5, 1, 0.1, 0.2), People(5, 3, 0.1, 0.2))


def judged(found: Embeddings, people: People, weights: Weights) -> dict[str, float]:
    """Metrics after the last round of every query."""
    draw, images, rows = np.random.default_rng(0), (found.image_bge, found.image_tse), []
    for raw, pid in zip(found.scores.rows(slice(None)), found.text_pids, strict=True):
        verdicts: dict[int, str] = {}
        scores = raw
        for _ in range(people.rounds):
            fresh = [c for c in np.argsort(-scores, kind="stable").tolist() if c not in verdicts]
            for column in fresh[: people.images]:
                right = (found.image_pids[column] == pid) ^ (draw.random() < people.flips)
                verdicts[column] = "unsure" if draw.random() < people.unsure else "yes" if right else "no"
            scores = with_verdicts(raw, images, verdicts, weights)
        rows.append(scores)
    return retrieval_metrics(np.stack(rows), found.text_pids, found.image_pids).summary()


def embedded(folder: Path, split: str, seed: int) -> Embeddings:
    """A split of the embedded benchmark under the shipped retriever; with another seed, of other people."""
    spec = DatasetSettings(generator="synth", layout="cuhk-pedes", seed=seed, **SIZES)
    write_benchmark(spec, folder, folder / "truth.parquet")
    rows = split_of(read_benchmark("cuhk-pedes", folder).pairs, split)
    model, tokenizer = load_retriever(SHIPPED)
    return embed(model, tokenizer, rows, open_store(rows, folder / "imgs", model))


def main() -> None:
    with tempfile.TemporaryDirectory() as own, tempfile.TemporaryDirectory() as other:
        val = embedded(Path(own), "val", DatasetSettings().seed)
        test = embedded(Path(other), "test", 1007)
    rows = []
    for pair in itertools.product(CONFIRMED, REFUSED):
        found = [judged(val, people, Weights(*pair))["map"] for people in PEOPLE]
        rows.append({"confirmed": pair[0], "refused": pair[1], "val_map": float(np.mean(found))})
    best = max(rows, key=lambda row: row["val_map"])
    for people in PEOPLE:
        for name, weights in (
            ("put first and last alone", Weights(0, 0)),
            ("chosen", Weights(*list(best.values())[:2])),
        ):
            found = judged(test, people, weights)
            rows.append({"what": f"test, {people}, {name}"} | {k: found[k] for k in ("rank1", "map", "minp")})
    rows.append(
        {"what": "test, nobody asked"}
        | retrieval_metrics(test.scores.rows(slice(None)), test.text_pids, test.image_pids).summary()
    )
    rows.append({"what": f"chosen: {best}"})
    write("feedback", rows, {})


if __name__ == "__main__":
    main()
