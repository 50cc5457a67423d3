"""ICL+Captions+Evidence: evidence on the first images of the ranking that images and captions give together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from icl.mllm.protocol import Backend
from icl.rerank.ways.base import Outcome
from icl.rerank.ways.captions import with_captions
from icl.rerank.ways.evidence import Evidence, by_evidence, choose_beta

if TYPE_CHECKING:
    from icl.rerank.split import Split


class CaptionsEvidence(Evidence):
    """The captions' weight is that of `Captions`; beta is chosen anew, on the mixed similarities."""

    label = "Captions+Evidence"
    builds_on = ("captions",)
    encodes = True
    described = True

    def choose(self, val: Split, backend: Backend, taken: dict) -> dict:
        return choose_beta(with_captions(val, taken["caption_weight"]), val, backend)

    def rerank(self, split: Split, backend: Backend, chosen: dict, queries: list[int] | None = None) -> Outcome:
        raw, start = with_captions(split, chosen["caption_weight"], queries), time.perf_counter()
        return by_evidence(raw, split, backend, chosen, queries, start)
