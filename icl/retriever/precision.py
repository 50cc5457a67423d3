"""Which arithmetic `retriever.precision: auto` means here: what the device does is measured, not what it announces.

Processors with the same bfloat16 instructions multiply by them at half or at twice the rate of float32.
"""

from __future__ import annotations

import time
from functools import cache

import torch

from icl.device import chosen_device

SIDE, ROUNDS = 768, 5
WORTH = 1.2
"""bfloat16 is taken where its products are at least so much faster: rounding to it is not free."""


@cache
def concrete(precision: str) -> str:
    """`auto` as a word that `model.PRECISIONS` knows, bfloat16 or float32; another word as it is."""
    if precision != "auto":
        return precision
    if chosen_device().type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if _seconds(torch.float32) >= WORTH * _seconds(torch.bfloat16) else "float32"


def _seconds(dtype: torch.dtype) -> float:
    """Of the fastest of some matrix products on the CPU."""
    own = torch.Generator().manual_seed(0)  # the seeds of a run are not touched
    a, b = (torch.randn(SIDE, SIDE, generator=own).to(dtype) for _ in range(2))
    spent = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        torch.mm(a, b)
        spent.append(time.perf_counter() - start)
    return min(spent)
