"""ICL+Yes: the first images in the order of their Yes probability, before all others."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from icl.mllm.protocol import Backend
from icl.ranking.scores import top_candidates
from icl.rerank.judging import judge
from icl.rerank.promoted import Promoted
from icl.rerank.ways.base import Outcome, Way, told

if TYPE_CHECKING:
    from icl.rerank.split import Split


class Yes(Way):
    """`thi.yes_top_k` questions a query, no rounds."""

    label = "Yes"
    uses = {"thi": ("yes_top_k",)}

    def rerank(self, split: Split, backend: Backend, chosen: dict, queries: list[int] | None = None) -> Outcome:
        start, raw, captions = time.perf_counter(), split.part(queries), split.texts(queries)
        candidates, _ = top_candidates(raw, split.thi.yes_top_k)
        found = judge(captions, split.images, candidates, backend)
        seconds = {"localisation": time.perf_counter() - start}
        records = told(captions, candidates, found.shares)
        fallbacks = {"localise": found.fallbacks}
        return Outcome(Promoted(raw, candidates, found.shares), seconds, records, fallbacks, found.unscored)
