"""Re-rank a gallery by what a person said of some of its images (Rocchio's feedback, on pictures)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from icl.apps.index.streamed import Vectors, similarities
from icl.errors import InputError

VERDICTS = ("yes", "no", "unsure")


@dataclass(frozen=True)
class Weights:
    """How much looks count beside the text; chosen on SynthPEDES' val with the shipped retriever (docs/search.md).

    Attributes:
        confirmed: of the mean similarity to the confirmed images. refused: of the highest similarity to a refused one.
    """

    confirmed: float = 1.0
    refused: float = 0.2


def with_verdicts(
    found: np.ndarray, images: Vectors, verdicts: Mapping[int, str], weights: Weights = Weights()
) -> np.ndarray:
    """Scores to rank by: confirmed images come first, then those that look like them; refused ones last.

    An image's score is its similarity to the query, plus a weight times its mean similarity to the confirmed images, less a
    weight times its similarity to the refused image that it resembles most. What nobody could tell changes nothing.

    Args:
        found: (G,) similarities to the query, within [-1, 1]. images: the gallery's vectors. verdicts: by column.

    Returns:
        (G,), `found` itself where nothing was confirmed or refused; no cosines any more.

    Raises:
        InputError: another verdict than yes, no and unsure, or no such column.
    """
    for column, verdict in verdicts.items():
        if verdict not in VERDICTS or not 0 <= column < len(found):
            known = f"{', '.join(VERDICTS)} of a column below {len(found)}"
            raise InputError("verdict", f"{verdict!r} of column {column}", known, "Give one of them.")
    confirmed, refused = ([c for c, said in verdicts.items() if said == wanted] for wanted in ("yes", "no"))
    if not confirmed and not refused:
        return found
    alike = similarities(tuple(part[[*confirmed, *refused]] for part in images), images)
    scores, beyond = found.astype(np.float32), 2 * (1 + weights.confirmed + weights.refused)
    if confirmed:
        scores += weights.confirmed * alike[: len(confirmed)].mean(0)
    if refused:
        scores -= weights.refused * alike[len(confirmed) :].max(0)
    scores[confirmed] += beyond
    scores[refused] -= beyond
    return scores
