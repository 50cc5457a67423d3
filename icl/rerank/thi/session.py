"""Test-time human-centered interaction: runs the state machine of every query against an MLLM back-end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from icl.mllm import prompts, reading
from icl.mllm.protocol import YES_NO, Backend, Request, require_answers
from icl.mllm.settings import MLLMSettings
from icl.progress import stage
from icl.ranking.scores import MatrixScores, Part, Scores, blocks, top_candidates
from icl.rerank.thi.merging import Reranked
from icl.rerank.thi.rounds import Interaction
from icl.rerank.timing import STAGES

Refine = Callable[[list[str], np.ndarray], Scores]
"""Encodes n refined texts, those of the queries (n,), and gives their similarities to the gallery."""


@dataclass
class THIResult:
    """Attributes:
    records: one dict a query, for the interaction record. scores: re-ranked similarities.
    calls: MLLM questions by kind. seconds: wall time by stage. fallbacks: answers by kind that were none, and
    unscored: answers of T_loc without probabilities (see `Session`).
    """

    records: list[dict]
    scores: Reranked
    calls: dict[str, int]
    seconds: dict[str, float]
    fallbacks: dict[str, int] = field(default_factory=dict)
    unscored: int = 0

    @property
    def refined(self) -> int:
        """Queries with an anchor."""
        return sum(record["anchor"] is not None for record in self.records)


@dataclass
class Session:
    """One back-end and one gallery: asks, counts and times.

    What is no answer falls back, and is counted in `fallbacks` by kind: T_loc without Yes or No is a No; T_vqa without a
    list gives its lines, or nothing where it refuses; a T_aggr that is empty, refuses or repeats its input gives the caption
    and the sub-texts, joined. `unscored` counts answers of T_loc without probabilities, whose Yes probability is 0 or 1.
    """

    backend: Backend
    images: list[Path]
    settings: MLLMSettings
    calls: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    fallbacks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("localise", "vqa", "aggregate"), 0))
    unscored: int = 0

    def __post_init__(self) -> None:
        self._is_yes, self._subtexts, self._merged = reading.READINGS[self.settings.reading]

    def _timed(self, stage: str, start: float) -> None:
        self.seconds[stage] += time.perf_counter() - start

    def _ask(self, requests: list[Request]) -> list:
        for request in requests:
            self.calls[request.task] = self.calls.get(request.task, 0) + 1
        answers = self.backend.answer(requests) if requests else []
        require_answers(requests, answers, self.backend)
        return answers

    def localise(self, captions: list[str], interactions: list[Interaction]) -> list[list[float]]:
        """Run all rounds; returns the Yes probabilities (or 0/1) of each query's asked candidates."""
        start, number = time.perf_counter(), 0
        shares: list[list[float]] = [[] for _ in captions]
        while asked := [(q, c) for q, one in enumerate(interactions) if (c := one.question()) is not None]:
            number += 1
            requests = [
                Request("localise", prompts.localise_text(captions[q]), self.images[c], 4, YES_NO) for q, c in asked
            ]
            with stage(f"round {number}"):
                answers = self._ask(requests)
            self.unscored += reading.unscored(answers)
            for (q, _), answer in zip(asked, answers, strict=True):
                yes = self._is_yes(answer.text)
                self.fallbacks["localise"] += not reading.says_yes_or_no(answer.text)
                shares[q].append(round(reading.yes_share(answer), 4))
                interactions[q].tell(yes)
        self._timed("localisation", start)
        return shares

    def describe(self, columns: list[int]) -> dict[int, list[str]]:
        """T_vqa's sub-texts of gallery images, each asked once."""
        start, columns = time.perf_counter(), sorted(set(columns))
        limit = self.settings.max_new_tokens_vqa
        answers = self._ask([Request("vqa", prompts.vqa_text(), self.images[c], limit) for c in columns])
        self.fallbacks["vqa"] += sum(not reading.listed(answer.text) for answer in answers)
        self._timed("vqa", start)
        return {c: self._subtexts(answer.text) for c, answer in zip(columns, answers, strict=True)}

    def refine(self, captions: list[str], subtexts: list[list[str]]) -> list[str]:
        """Refined queries q^ by T_aggr."""
        start = time.perf_counter()
        limit = self.settings.max_new_tokens_text
        pairs = list(zip(captions, subtexts, strict=True))
        answers = self._ask([Request("aggregate", prompts.aggregate_text(c, s), None, limit) for c, s in pairs])
        found = [self._merged(answer.text, [c, *s]) for answer, (c, s) in zip(answers, pairs, strict=True)]
        self.fallbacks["aggregate"] += sum(not text for text in found)
        texts = [text or " ".join([c, *s]) for text, (c, s) in zip(found, pairs, strict=True)]
        self._timed("aggregation", start)
        return texts


def refine_queries(
    session: Session, captions: list[str], anchors: np.ndarray, refine: Refine
) -> tuple[Scores, dict[int, tuple[list[str], str]]]:
    """S' of the queries with an anchor, and their (sub-texts, refined text)."""
    rows = np.flatnonzero(anchors >= 0)
    seen = session.describe(anchors[rows].tolist())
    subtexts = [seen[column] for column in anchors[rows].tolist()]
    texts = session.refine([captions[q] for q in rows], subtexts)
    start = time.perf_counter()
    scores = refine(texts, rows) if texts else MatrixScores(np.zeros((0, 0)))
    session._timed("reencoding", start)
    return scores, {q: (s, t) for q, s, t in zip(rows.tolist(), subtexts, texts, strict=True)}


def run_thi(
    scores: Scores,
    captions: list[str],
    images: list[Path],
    refine: Refine,
    backend: Backend,
    settings: MLLMSettings,
    rounds: int,
    xi: float,
    weight: float,
) -> THIResult:
    """Algorithm 1 on all queries at once: each round is one batch of questions.

    Args:
        scores: similarities of Q queries to G images. captions: Q raw queries. images: G gallery files.
        refine: encodes refined texts. rounds: K. xi: threshold. weight: lambda.
    """
    session = Session(backend, images, settings)
    candidates, top1 = top_candidates(scores, rounds)
    interactions = [Interaction(c.tolist(), float(s), xi) for c, s in zip(candidates, top1, strict=True)]
    shares = session.localise(captions, interactions)
    anchors = np.array([-1 if one.anchor is None else one.anchor for one in interactions])
    refined, texts = refine_queries(session, captions, anchors, refine)
    merged = Reranked(scores, refined, anchors, weight)
    start = time.perf_counter()
    for _ in blocks(Part(merged, np.flatnonzero(anchors >= 0))):
        pass  # only its time is wanted: all rows at once are ten gigabytes at ICFG-PEDES' size
    session._timed("reranking", start)
    records = [
        {
            "query": q,
            "caption": captions[q],
            "top1": round(float(top1[q]), 6),
            "candidates": one.candidates,
            "yes": one.answers,
            "yes_probability": shares[q],
            "anchor": one.anchor,
            "round": one.round,
            "subtexts": texts[q][0] if q in texts else [],
            "refined": texts[q][1] if q in texts else "",
        }
        for q, one in enumerate(interactions)
    ]
    return THIResult(records, merged, session.calls, session.seconds, session.fallbacks, session.unscored)
