"""A split that re-rankings work on: its similarities and texts, the retriever's text encoder, the MLLM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from icl.data.pairs import captions_of, images_of
from icl.mllm.backends.registry import SERVED, open_backend
from icl.mllm.protocol import Backend, is_replay
from icl.mllm.settings import MLLMSettings
from icl.mllm.store import AnswerStore, CachedBackend
from icl.ranking.scores import MatrixScores, Part, Scores
from icl.rerank.settings import THISettings
from icl.rerank.thi.session import THIResult, run_thi
from icl.rerank.thi.threshold import select_xi
from icl.rerank.timing import Run, cache_words, time_of, untimed
from icl.rerank.yes import YesResult, by_yes
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

    def part(self, queries: list[int] | None = None) -> Part:
        """Similarities of all queries, or of some by number; no image's visual tokens are kept from an earlier call."""
        self.backend.forget_images()
        rows = np.arange(len(self.captions))
        return Part(self.embeddings.scores, rows if queries is None else rows[queries])

    def texts(self, queries: list[int] | None = None) -> list[str]:
        """Captions of all queries, or of some by number."""
        return self.captions if queries is None else [self.captions[q] for q in queries]

    def interact(self, backend: Backend, xi: float, queries: list[int] | None = None) -> THIResult:
        """THI on all queries, or on some by number."""
        raw, thi = self.part(queries), self.thi
        refine, captions = partial(self.encode, raw), self.texts(queries)
        return run_thi(raw, captions, self.images, refine, backend, self.mllm, thi.rounds, xi, thi.lambda_)

    def promote(self, backend: Backend, k: int, queries: list[int] | None = None) -> YesResult:
        """The first k images of all queries, or of some by number, re-ranked by their Yes probability."""
        return by_yes(self.part(queries), self.texts(queries), self.images, backend, k)

    def timed(self, run: Run, calls: dict[str, int], count: int, passes: int) -> dict:
        """`time_of` a re-ranking of this split; without seconds where answers are only replayed.

        Through a server it says how much of the prompts came from the server's cache, which this process cannot empty.
        """
        if is_replay(self.backend):
            return untimed(calls, len(self.captions))
        if self.mllm.backend not in SERVED:
            return time_of(run, calls, len(self.captions), count, passes)
        before = self.backend.cache_use()
        found = time_of(run, calls, len(self.captions), count, passes, local=False)
        return found | {"server_cache": cache_words(before, self.backend.cache_use())}

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
