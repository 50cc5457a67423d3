"""A split that re-rankings work on: its similarities and texts, the retriever's text encoder, the MLLM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from icl.data.pairs import captions_of, images_of
from icl.mllm.backends.registry import open_backend
from icl.mllm.protocol import Backend
from icl.mllm.settings import MLLMSettings
from icl.mllm.store import AnswerStore, CachedBackend
from icl.ranking.scores import MatrixScores, Part, Scores
from icl.rerank.settings import THISettings
from icl.rerank.thi.session import THIResult, run_thi
from icl.rerank.thi.threshold import select_xi
from icl.retriever.encoding.given import GivenScores, open_scores
from icl.retriever.encoding.vectors import Embeddings

Encode = Callable[[Scores, list[str], np.ndarray], Scores]
"""Raw similarities, refined texts and the numbers of their queries, to the similarities of the refined texts."""


@dataclass(frozen=True)
class Split:
    """Attributes:
    embeddings: similarities and identities. captions: Q queries. images: G gallery files.
    encode: similarities of refined texts. backend, mllm: who is asked, and how. thi: THI's settings.
    """

    embeddings: Embeddings | GivenScores
    captions: list[str]
    images: list[Path]
    encode: Encode
    backend: Backend
    mllm: MLLMSettings
    thi: THISettings

    @classmethod
    def open(
        cls,
        rows: pd.DataFrame,
        root: Path,
        embeddings: Path,
        retriever: Path | None,
        mllm: MLLMSettings,
        adapter: str | None,
        thi: THISettings,
    ) -> Split:
        """Open one split of a benchmark.

        Args:
            rows: its pairs table. root: image root. embeddings: folder of the retriever's embeddings or scores.
            retriever: its weights' folder; None where only scores are given. adapter: as in `open_backend`.
        """
        split = str(rows.split.iloc[0])
        found = open_scores(embeddings, split, rows)
        images = [root / name for name in images_of(rows).image]
        encode = _encoder(found, retriever)
        return cls(found, captions_of(rows).caption.tolist(), images, encode, open_backend(mllm, adapter), mllm, thi)

    def stored(self, answers: Path, writer: str) -> CachedBackend:
        """The back-end with its answers kept, so that an interrupted run asks only what is missing.

        Args:
            answers: a folder that may be shared with other jobs. writer: the name of this job's own file there.
        """
        return CachedBackend(self.backend, AnswerStore(answers, writer))

    def part(self, queries: slice) -> Part:
        """Similarities of some of the queries; no image's visual tokens are kept from an earlier call."""
        self.backend.forget_images()
        return Part(self.embeddings.scores, np.arange(len(self.captions))[queries])

    def interact(self, queries: slice, backend: Backend, xi: float) -> THIResult:
        """THI on some of the queries."""
        raw, thi = self.part(queries), self.thi
        refine = partial(self.encode, raw)
        return run_thi(
            raw, self.captions[queries], self.images, refine, backend, self.mllm, thi.rounds, xi, thi.lambda_
        )

    def sweep_thresholds(self, backend: Backend) -> dict:
        """Rank-1 and mAP at every threshold, and the best one, as `select_xi` gives them."""
        found, thi = self.embeddings, self.thi
        return select_xi(
            found.scores,
            found.text_pids,
            found.image_pids,
            self.captions,
            self.images,
            partial(self.encode, found.scores),
            backend,
            self.mllm,
            thi.rounds,
            thi.lambda_,
            thi.xi_grid,
        )


def _encoder(embeddings: Embeddings | GivenScores, retriever: Path | None) -> Encode:
    """By the retriever; where only scores are given, a query's own row stands for its refined one."""
    if retriever is None:
        return lambda raw, texts, queries: Part(raw, np.asarray(queries, dtype=np.int64))
    from icl.retriever.encoding.embeddings import encode_texts
    from icl.retriever.weights.checkpoints import load_retriever

    model, tokenizer = load_retriever(retriever)

    def encode(raw: Scores, texts: list[str], queries: np.ndarray) -> Scores:
        if not texts:
            return MatrixScores(np.zeros((0, raw.shape[1])))
        return embeddings.scores_of(tuple(t.numpy() for t in encode_texts(model, tokenizer, texts)))

    return encode
