"""RDA's last step, anew at every epoch: shuffled sub-sentences, one variant of each."""

from __future__ import annotations

import random


def reorganize(diversity: list[list[str]] | str, rng: random.Random) -> str:
    """Draw the augmented text q' of a caption (supplementary, section B).

    Args:
        diversity: n sub-sentences with m variants each; or a plain string, used unchanged. It is not modified.
    """
    if isinstance(diversity, str):
        return diversity
    order = rng.sample(range(len(diversity)), len(diversity))
    return " ".join(rng.choice(diversity[k]) for k in order if diversity[k])
