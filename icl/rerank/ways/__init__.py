"""Ways to re-rank by name; a new one is one file and one line here. The name stands in paths."""

from __future__ import annotations

from icl.registry import Registry
from icl.rerank.ways.anchors import Anchors
from icl.rerank.ways.base import Way
from icl.rerank.ways.captions import Captions
from icl.rerank.ways.captions_evidence import CaptionsEvidence
from icl.rerank.ways.dual_softmax import DualSoftmax
from icl.rerank.ways.evidence import Evidence
from icl.rerank.ways.first_yes import FirstYes
from icl.rerank.ways.k_reciprocal import KReciprocal
from icl.rerank.ways.sequential import Sequential
from icl.rerank.ways.thi import THI
from icl.rerank.ways.yes import Yes

WAYS: Registry[Way] = Registry(
    "methods",
    "icl.ways",
    {
        "thi": THI(),
        "neighbours": KReciprocal(),
        "softmax": DualSoftmax(),
        "anchors": Anchors(),
        "firstyes": FirstYes(),
        "yes": Yes(),
        "evidence": Evidence(),
        "sequential": Sequential(),
        "captions": Captions(),
        "captionsevidence": CaptionsEvidence(),
    },
    Way,
)


def parameters_of(way: Way) -> list[str]:
    """Names of all parameters that a way works with: of those that it builds on, then its own."""
    return [name for other in (*(WAYS[key] for key in way.builds_on), way) for name in other.parameters]
