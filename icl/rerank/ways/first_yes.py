"""ICL+FirstYes: candidates are asked about in their order, and the first that is answered Yes comes first."""

from __future__ import annotations

import numpy as np

from icl.rerank.thi.rounds import Interaction
from icl.rerank.ways.anchors import Anchors


class FirstYes(Anchors):
    """Anchors without a threshold: every query is asked until its first Yes, `thi.rounds` times at most."""

    label = "FirstYes"
    builds_on = ()

    def threshold(self, chosen: dict) -> float:
        return np.inf  # above every similarity: asked on after every No

    def confirmed(self, one: Interaction) -> int | None:
        return one.candidates[len(one.answers) - 1] if any(one.answers) else None
