"""Memory that a model gives back and takes again at every step."""

from __future__ import annotations

import ctypes

MMAP_MAX, TRIM_THRESHOLD = -4, -1
"""Parameters of glibc's mallopt: blocks that may be mapped on their own; free bytes at the heap's end that are given back."""


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for its next allocations; False where the C library is not glibc.

    A step of a training or of a generation allocates what the last one did. By default glibc returns blocks of that size to the
    system, which has to clear every page anew: 3 to 10 % of a training step of ViT-B/16 on a CPU, 12 % of SynthVL's answers.
    A training's peak is the same; generation, whose blocks grow with each token, needs 10 % more.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(MMAP_MAX, 0) and mallopt(TRIM_THRESHOLD, 2**31 - 1))
