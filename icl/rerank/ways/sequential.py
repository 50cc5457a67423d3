"""ICL+Evidence (sequential): asks one question at a time, the one that can still change the first image, and stops early."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from icl.mllm.protocol import Backend
from icl.progress import stage
from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import Raised, Scores, at_columns, blocks, top_candidates
from icl.rerank.judging import judge, log_odds
from icl.rerank.settings import RerankSettings
from icl.rerank.ways.base import Outcome, Way
from icl.rerank.ways.evidence import expectations

if TYPE_CHECKING:
    from icl.rerank.split import Split

DEFAULT = 0.1
"""Margin where there is no val split: what one confident answer moves at the default beta."""
MARGINS = np.arange(0, 7.25, 0.25)
"""Margins that are tried, as multiples of beta; log-odds reach 6.9."""


@dataclass
class Questions:
    """The questions of one query, as a pure state machine.

    Until it is asked about, a candidate counts with the answer to expect at its place, and may move by the margin, up or
    down. The leader is safe once no other can pass it.

    Attributes:
        similarities: (k,) of the candidates, best first. expected: (k,) log-odds to expect. beta: weight of log-odds.
        shares: Yes probabilities by place of those that were asked about.
    """

    similarities: np.ndarray
    expected: np.ndarray
    beta: float
    margin: float
    shares: dict[int, float] = field(default_factory=dict)

    @property
    def evidence(self) -> np.ndarray:
        """(k,) log-odds: of the answers, and those to expect."""
        out = self.expected.copy()
        for place, share in self.shares.items():
            out[place] = log_odds(np.array(share))
        return out

    def question(self) -> int | None:
        """Place of the candidate to ask about; None where the leader is safe."""
        values = self.similarities + self.beta * self.evidence
        room = np.array([0.0 if place in self.shares else self.margin for place in range(len(values))])
        leader = int(values.argmax())
        others = values + room
        others[leader] = -np.inf
        challenger = int(others.argmax())
        if values[leader] - room[leader] >= others[challenger]:
            return None
        return challenger if leader in self.shares else leader

    def tell(self, share: float) -> None:
        """Take the answer to the last question."""
        place = self.question()
        assert place is not None, "nothing was asked"
        self.shares[place] = share


class Sequential(Way):
    """At most `rerank.evidence_top_k` questions a query, `rerank.budget` in the mean over val."""

    label = "Evidence (sequential)"
    uses = {"rerank": ("evidence_top_k", "budget", "margin")}
    parameters = ("margin",)
    builds_on = ("evidence",)

    def fixed(self, rerank: RerankSettings, xi: float | None, has_val: bool) -> dict | None:
        if rerank.margin is not None:
            return {"margin": rerank.margin, "selection": "fixed in the configuration"}
        return None if has_val else {"margin": DEFAULT, "selection": "default: no val split"}

    def choose(self, val: Split, backend: Backend, taken: dict) -> dict:
        """The margin of the best mAP among those within the budget; all candidates' answers are known (beta needed them)."""
        raw, found, beta = val.part(), val.embeddings, taken["beta"]
        columns, _ = top_candidates(raw, val.rerank.evidence_top_k)
        shares, sweep = judge(val.captions, val.images, columns, backend).shares, []
        for margin in (beta * MARGINS).tolist():
            games = [_played(game, p) for game, p in zip(_games(raw, columns, taken, margin), shares, strict=True)]
            scores = _merged(raw, columns, games, taken)
            metrics = retrieval_metrics(blocks(scores), found.text_pids, found.image_pids).summary()
            asked = float(np.mean([len(game.shares) for game in games]))
            sweep.append({"margin": margin, "questions": asked, **metrics})
        within = [row for row in sweep if row["questions"] <= val.rerank.budget]
        rule = f"best mAP on val within {val.rerank.budget:g} questions a query"
        chosen = max(within, key=lambda row: (row["map"], -row["questions"]))
        return {**chosen, "sweep": sweep, "selection": rule}

    def rerank(self, split: Split, backend: Backend, chosen: dict, queries: list[int] | None = None) -> Outcome:
        start, raw, captions = time.perf_counter(), split.part(queries), split.texts(queries)
        columns, _ = top_candidates(raw, split.rerank.evidence_top_k)
        games = _games(raw, columns, chosen, chosen["margin"])
        fallbacks = unscored = number = 0
        while asking := [(q, place) for q, game in enumerate(games) if (place := game.question()) is not None]:
            number += 1
            wanted = np.array([[columns[q, place]] for q, place in asking])
            with stage(f"round {number}"):
                found = judge([captions[q] for q, _ in asking], split.images, wanted, backend)
            for (q, _), share in zip(asking, found.shares[:, 0].tolist(), strict=True):
                games[q].tell(share)
            fallbacks, unscored = fallbacks + found.fallbacks, unscored + found.unscored
        seconds = {"localisation": time.perf_counter() - start}
        scores = _merged(raw, columns, games, chosen)
        records = [
            {"query": q, "caption": captions[q], "candidates": columns[q].tolist(), "asked": list(game.shares)}
            | {"yes_probability": [round(share, 4) for share in game.shares.values()]}
            for q, game in enumerate(games)
        ]
        return Outcome(scores, seconds, records, {"localise": fallbacks}, unscored)


def _games(raw: Scores, columns: np.ndarray, chosen: dict, margin: float) -> list[Questions]:
    """One a query, nothing asked yet."""
    expected = expectations(chosen, columns.shape[1])
    return [Questions(row, expected, chosen["beta"], margin) for row in at_columns(raw, columns)]


def _merged(raw: Scores, columns: np.ndarray, games: list[Questions], chosen: dict) -> Raised:
    rest = chosen["expected"][-1]
    return Raised(raw, columns, np.array([game.beta * (game.evidence - rest) for game in games]))


def _played(game: Questions, shares: np.ndarray) -> Questions:
    """A game to its end, with answers that are known."""
    while (place := game.question()) is not None:
        game.tell(float(shares[place]))
    return game
