"""ICL+Anchors: THI without T_vqa and T_aggr: the image that an interaction confirms comes first, and nothing else moves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from icl.mllm.protocol import Backend
from icl.ranking.scores import top_candidates
from icl.rerank.promoted import Promoted
from icl.rerank.thi.rounds import Interaction
from icl.rerank.thi.session import Session
from icl.rerank.ways.base import Outcome, Way

if TYPE_CHECKING:
    from icl.rerank.split import Split


class Anchors(Way):
    """THI's questions of T_loc, at THI's threshold."""

    label = "Anchors"
    asks = "rounds"
    uses = {"thi": ("rounds",)}
    builds_on: tuple[str, ...] = ("thi",)

    def threshold(self, chosen: dict) -> float:
        """Similarity of the first image above which it is asked about that one alone."""
        return chosen["xi"]

    def confirmed(self, one: Interaction) -> int | None:
        """Gallery column that comes first."""
        return one.anchor

    def rerank(self, split: Split, backend: Backend, chosen: dict, queries: list[int] | None = None) -> Outcome:
        start, raw, captions = time.perf_counter(), split.part(queries), split.texts(queries)
        session, xi = Session(backend, split.images, split.mllm), self.threshold(chosen)
        candidates, top1 = top_candidates(raw, split.thi.rounds)
        rounds = [Interaction(c.tolist(), float(s), xi) for c, s in zip(candidates, top1, strict=True)]
        shares = session.localise(captions, rounds)
        anchors = [self.confirmed(one) for one in rounds]
        first = candidates == np.array([-1 if anchor is None else anchor for anchor in anchors])[:, None]
        records = [
            {"query": q, "caption": captions[q], "candidates": one.candidates, "yes": one.answers}
            | {"yes_probability": shares[q], "anchor": anchors[q], "round": len(one.answers)}
            for q, one in enumerate(rounds)
        ]
        seconds = {"localisation": time.perf_counter() - start}
        fallbacks = {"localise": session.fallbacks["localise"]}
        return Outcome(Promoted(raw, candidates, first), seconds, records, fallbacks, session.unscored)
