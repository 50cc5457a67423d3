"""Judges that look at nothing, or at the truth: what a re-ranking could gain at most, and what its form alone gains.

They stand apart from every result: `perfect` knows the answer.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from icl.mllm import prompts
from icl.mllm.protocol import Answer, Request
from icl.rerank.split import Split

JUDGED = ("anchors", "yes", "evidence")
"""Ways that ask T_loc and nothing else, so that a judge alone settles them."""


class StandIn:
    """A back-end that answers T_loc by a rule.

    Args:
        says: (question, image) to the probability of Yes.
    """

    def __init__(self, says: Callable[[str, Path], float]) -> None:
        self._says = says

    def identity(self, task: str) -> dict[str, str]:
        return {}

    def forget_images(self) -> None:
        pass

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        shares = [self._says(request.text, cast(Path, request.image)) for request in requests]
        return [Answer("Yes" if share >= 0.5 else "No", {"Yes": share, "No": 1 - share}) for share in shares]


def stand_ins(split: Split) -> dict[str, StandIn]:
    """Judges by name: `always Yes`; `coin`, the same for the same question every time; `perfect`.

    Where several identities have the same caption, `perfect` takes an image of any of them.
    """
    found, wanted = split.embeddings, defaultdict(set)
    for caption, pid in zip(split.captions, found.text_pids.tolist(), strict=True):
        wanted[prompts.localise_text(caption)].add(pid)
    shown = dict(zip(split.images, found.image_pids.tolist(), strict=True))
    return {
        "always Yes": StandIn(lambda text, image: 1.0),
        "coin": StandIn(lambda text, image: float(random.Random(f"{text} {image.name}").random() < 0.5)),
        "perfect": StandIn(lambda text, image: float(shown[image] in wanted[text])),
    }
