"""What a way to re-rank is: the questions that it asks, the scores that it gives, and what it chooses on val."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from icl.mllm.protocol import Backend
from icl.progress import announce
from icl.ranking.scores import Scores
from icl.rerank.settings import RerankSettings

if TYPE_CHECKING:
    from icl.rerank.split import Split


@dataclass(frozen=True)
class Outcome:
    """Attributes:
    scores: re-ranked similarities. seconds: wall time by stage (`icl.rerank.timing.STAGES`).
    records: one dict a query, for the interaction record: at least `candidates` (gallery columns) and `yes_probability`.
    fallbacks: answers by kind that were none. unscored: answers of T_loc without probabilities, which count as 1 or 0.
    refined: queries that were written anew; None where the way refines none.
    """

    scores: Scores
    seconds: dict[str, float]
    records: list[dict]
    fallbacks: dict[str, int] = field(default_factory=dict)
    unscored: int = 0
    refined: int | None = None

    def counts(self) -> dict:
        """What the metrics tell besides."""
        told = {"fallbacks": self.fallbacks, "unscored": self.unscored}
        return told if self.refined is None else {"refined": self.refined, **told}


class Way:
    """A way to re-rank; a new one is a file in this folder and a line in its registry.

    Attributes:
        label: what follows the retriever's name in a row. on: the rows' retrievers.
        judge: who answers T_loc: `lora`, or `none` where nothing is asked.
        asks: the key of `icl.workflow.stages.MLLM_KEYS` that its answers depend on, or empty.
        uses: keys of the sections `thi` and `rerank` that can change its result.
        version: to be raised when its code changes what its result means.
        parameters: names of what it chooses on val. builds_on: ways whose chosen parameters it takes over.
        encodes: whether it encodes texts with the retriever. described: whether it needs captions of the gallery's images.
        whole: whether it needs all queries of a split at once, so that none can be timed alone.
    """

    label: str
    on: tuple[str, ...] = ("ICL",)
    judge = "lora"
    version = 1
    asks = "judge"
    uses: dict[str, tuple[str, ...]] = {}
    parameters: tuple[str, ...] = ()
    builds_on: tuple[str, ...] = ()
    encodes = False
    described = False
    whole = False

    def fixed(self, rerank: RerankSettings, xi: float | None, has_val: bool) -> dict | None:
        """Parameters that nothing has to be chosen for, with `selection`, which says why; None: choose them on val.

        Args:
            xi: the benchmark's, where the configuration gives it. has_val: whether there is a val split.
        """

    def choose(self, val: Split, backend: Backend, taken: dict) -> dict:
        """Parameters chosen on val, with `selection`, the rule in words.

        Args:
            backend: with stored answers. taken: parameters of the ways that this one builds on.
        """
        raise NotImplementedError

    def rerank(self, split: Split, backend: Backend, chosen: dict, queries: list[int] | None = None) -> Outcome:
        """Re-rank all queries of a split, or some by number.

        Args:
            chosen: its own parameters, and those of the ways that it builds on.
        """
        raise NotImplementedError


def warn_of_bare_answers(label: str, outcome: Outcome, asked: int) -> None:
    """Say where a back-end gave Yes and No without probabilities: rows that rank by them lose much."""
    if outcome.unscored:
        share = f"{outcome.unscored} of {asked} answers to T_loc have no probabilities"
        announce(f"WARNING {label}: {share}: they count as 1 or 0, and equal ones keep the retriever's order")


def best(sweep: list[dict], *names: str) -> dict:
    """The row of a sweep with the greatest value of the first name; among equal ones of the next, and then the first row."""
    return max(sweep, key=lambda row: tuple(row[name] for name in names))


def silent(captions: list[str]) -> list[dict]:
    """Interaction records of queries that nothing was asked about."""
    return [{"query": q, "caption": c, "candidates": [], "yes_probability": []} for q, c in enumerate(captions)]


def told(captions: list[str], columns: np.ndarray, shares: np.ndarray) -> list[dict]:
    """Interaction records of queries whose candidates (n, k) were all asked about."""
    return [
        {"query": q, "caption": caption, "candidates": c, "yes_probability": p}
        for q, (caption, c, p) in enumerate(zip(captions, columns.tolist(), np.round(shares, 4).tolist(), strict=True))
    ]
