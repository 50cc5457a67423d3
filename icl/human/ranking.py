"""How what a witness said ranks the gallery, and which question that leads to."""

from __future__ import annotations

import re

import numpy as np

from icl.errors import InputError
from icl.human.pack import Pack
from icl.human.questions import DENIED, next_question
from icl.ranking.scores import best_columns
from icl.rerank.split import Encoder

ROOM = 0.75
"""Words of a text by the tokens that the encoder reads: its ends are tokens too, and some words are several."""


class Ranking:
    """Of one pack, by one text encoder.

    Args:
        encoder: None where nobody describes anything.
    """

    def __init__(self, pack: Pack, encoder: Encoder | None) -> None:
        self.pack, self._encoder = pack, encoder

    def rows(self, told: list[list[str]]) -> np.ndarray:
        """Similarities (n, G) of n witnesses' texts, each its description and its answers so far: the means over their `parts`.

        Raises:
            InputError: there is no encoder.
        """
        if self._encoder is None:
            raise InputError("session", "no text encoder", "the retriever's", "Give Pack.encoder().")
        each = [parts(one, int(ROOM * self.pack.text_length)) for one in told]
        texts = [text for texts in each for text in texts]
        found = self.pack.embeddings.scores_of(self._encoder(texts)).rows(slice(None))
        ends = np.cumsum([len(texts) for texts in each])
        return np.stack([part.mean(axis=0) for part in np.split(found, ends[:-1])])

    def ask(self, told: list[str], asked: list[str]) -> tuple[tuple[int, ...], str]:
        """The first images (columns, best first), and the question that splits them best."""
        row = self.rows([told])[0]
        first = best_columns(-row, min(self.pack.shown, len(row))).tolist()
        return tuple(first), next_question([self.pack.subtexts[c] for c in first], asked, told)


def parts(told: list[str], words: int) -> list[str]:
    """What is encoded of a description and the answers after it: the description, then as many answers in one text as fit.

    A retriever cuts texts off at its token limit, so that in one long text the last answers would count for nothing. Denials
    ("no hat") are left out: a retriever takes "hat" from them. Both were measured: docs/human.md.

    Args:
        told: the description, then the answers. words: of one text, at most; a single longer one stays whole.
    """
    found = told[:1]
    for answer in told[1:]:
        if DENIED.search(answer):
            continue
        if len(found) > 1 and _words(found[-1]) + _words(answer) <= words:
            found[-1] += f" {answer}"
        else:
            found.append(answer)
    return found


def _words(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))
