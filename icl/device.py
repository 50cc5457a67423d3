"""Where models compute: on the first GPU, where there is one, or as `ICL_DEVICE` says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from icl.errors import InputError

if TYPE_CHECKING:
    import torch

VARIABLE = "ICL_DEVICE"


def chosen_device() -> torch.device:
    """`cpu` or `cuda` of the environment variable ICL_DEVICE; without it, `cuda` where PyTorch finds a card.

    Raises:
        InputError: another word, or a card that is not there.
    """
    import torch

    word, there = os.environ.get(VARIABLE, ""), torch.cuda.is_available()
    if word not in ("", "cpu", "cuda"):
        raise InputError(f"environment variable {VARIABLE}", repr(word), "cpu or cuda", "Correct or unset it.")
    if word == "cuda" and not there:
        what = "cuda, but PyTorch finds no card" + ("" if torch.version.cuda else " (it was built without CUDA)")
        raise InputError(f"environment variable {VARIABLE}", what, "a CUDA card", "Unset it, or install a driver.")
    return torch.device(word or ("cuda" if there else "cpu"))
