"""How what a witness said ranks the gallery, and which question that leads to."""

from __future__ import annotations

import numpy as np

from icl.errors import InputError
from icl.human.pack import Pack
from icl.human.questions import next_question
from icl.ranking.scores import best_columns
from icl.rerank.split import Encoder


class Ranking:
    """Of one pack, by one text encoder.

    Args:
        encoder: None where nobody describes anything.
    """

    def __init__(self, pack: Pack, encoder: Encoder | None) -> None:
        self.pack, self._encoder = pack, encoder

    def rows(self, told: list[list[str]]) -> np.ndarray:
        """Similarities (n, G) of n witnesses' texts, each its description and its answers so far.

        Raises:
            InputError: there is no encoder.
        """
        if self._encoder is None:
            raise InputError("session", "no text encoder", "the retriever's", "Give Pack.encoder().")
        texts = [" ".join(parts) for parts in told]
        return self.pack.embeddings.scores_of(self._encoder(texts)).rows(slice(None))

    def ask(self, told: list[str], asked: list[str]) -> tuple[tuple[int, ...], str]:
        """The first images (columns, best first), and the question that splits them best."""
        row = self.rows([told])[0]
        first = best_columns(-row, min(self.pack.shown, len(row))).tolist()
        return tuple(first), next_question([self.pack.subtexts[c] for c in first], asked, told)
