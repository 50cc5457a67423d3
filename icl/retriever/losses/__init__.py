"""Matching losses on a batch's similarity matrix, one file each; all give one value a pair."""

from __future__ import annotations

from icl.registry import Registry
from icl.retriever.losses.base import Loss, total

__all__ = ["LOSSES", "Loss", "total"]

LOSSES: Registry[Loss] = Registry(
    "retriever.loss",
    "icl.losses",
    {
        "tal": "icl.retriever.losses.tal:tal",
        "trl": "icl.retriever.losses.trl:trl",
        "infonce": "icl.retriever.losses.infonce:infonce",
        "sdm": "icl.retriever.losses.sdm:sdm",
    },
)
