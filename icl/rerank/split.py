"""A split that re-rankings work on: its similarities and texts, the retriever's text encoder, the MLLM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from icl.data.pairs import captions_of, images_of
from icl.errors import InputError
from icl.mllm.backends.registry import SERVED, open_backend
from icl.mllm.protocol import Backend, is_replay
from icl.mllm.settings import MLLMSettings
from icl.mllm.store import AnswerStore, CachedBackend
from icl.ranking.scores import EmbeddingScores, MatrixScores, Part, Scores
from icl.rerank.settings import RerankSettings, THISettings
from icl.rerank.timing import Run, cache_words, time_of, untimed
from icl.retriever.encoding.given import GivenScores, open_scores
from icl.retriever.encoding.vectors import Embeddings

Encoder = Callable[[list[str]], tuple[np.ndarray, ...]]
"""n texts to their embeddings, BGE (n, D) and TSE (n, E), of length 1."""


@dataclass(frozen=True)
class Split:
    """Attributes:
    embeddings: similarities and identities. captions: Q queries. images: G gallery files.
    encoder: the retriever's; None where only scores are given, or nothing is encoded. described: captions of the images, or
    None. backend, mllm: who is asked, and how (None: nobody). thi, rerank: settings. told: BGE and TSE of those captions,
    where they are at hand.
    """

    embeddings: Embeddings | GivenScores
    captions: list[str]
    images: list[Path]
    encoder: Encoder | None
    described: list[str] | None
    backend: Backend | None
    mllm: MLLMSettings
    thi: THISettings
    rerank: RerankSettings
    told: tuple[np.ndarray, ...] | None = None

    @classmethod
    def open(
        cls,
        rows: pd.DataFrame,
        root: Path,
        embeddings: Path,
        retriever: Path | None,
        mllm: MLLMSettings,
        thi: THISettings,
        rerank: RerankSettings,
        adapter: str | None = None,
        described: list[str] | None = None,
        asks: bool = True,
    ) -> Split:
        """Open one split of a benchmark.

        Args:
            rows: its pairs table. root: image root. embeddings: folder of the retriever's embeddings or scores.
            retriever: its weights' folder; None where nothing is encoded. adapter: as in `open_backend`.
            asks: whether the MLLM is opened.
        """
        found = open_scores(embeddings, str(rows.split.iloc[0]), rows)
        images = [root / name for name in images_of(rows).image]
        encoder = _encoder(retriever) if retriever else None
        backend = open_backend(mllm, adapter) if asks else None
        return cls(found, captions_of(rows).caption.tolist(), images, encoder, described, backend, mllm, thi, rerank)

    def of_identities(self, identities: np.ndarray) -> Split:
        """The queries and images of some identities alone.

        Raises:
            InputError: the retriever is given by its scores, which have no parts.
        """
        own = self.embeddings
        if not isinstance(own, Embeddings):
            raise InputError("retriever's scores", "similarities only", "embeddings of texts and images", "Give those.")
        texts, images = np.isin(own.text_pids, identities), np.isin(own.image_pids, identities)
        kept = {f.name: texts if f.name.startswith(("text", "caption")) else images for f in fields(own)}
        part = Embeddings(**{name: getattr(own, name)[mask] for name, mask in kept.items()})
        chosen = np.flatnonzero(images)
        described = [self.described[k] for k in chosen] if self.described else None
        told = tuple(vectors[chosen] for vectors in self.told) if self.told else None
        captions = [self.captions[k] for k in np.flatnonzero(texts)]
        images = [self.images[k] for k in chosen]
        return replace(self, embeddings=part, captions=captions, images=images, described=described, told=told)

    def stored(self, answers: Path, writer: str) -> CachedBackend:
        """The back-end with its answers kept, so that an interrupted run asks only what is missing.

        Args:
            answers: a folder that may be shared with other jobs. writer: the name of this job's own file there.
        """
        return CachedBackend(self.backend, AnswerStore(answers, writer))

    def part(self, queries: list[int] | None = None) -> Part:
        """Similarities of all queries, or of some by number; no image's visual tokens are kept from an earlier call."""
        if self.backend is not None:
            self.backend.forget_images()
        return Part(self.embeddings.scores, self._numbers(queries))

    def texts(self, queries: list[int] | None = None) -> list[str]:
        """Captions of all queries, or of some by number."""
        return self.captions if queries is None else [self.captions[q] for q in queries]

    def encode(self, raw: Scores, texts: list[str], queries: np.ndarray) -> Scores:
        """Similarities of refined texts to the gallery; without an encoder, a query's own row stands for its refined one.

        Args:
            raw: similarities of the queries before. queries: rows of `raw` that the texts belong to.
        """
        if self.encoder is None:
            return Part(raw, np.asarray(queries, dtype=np.int64))
        if not texts:
            return MatrixScores(np.zeros((0, raw.shape[1])))
        return self.embeddings.scores_of(self.encoder(texts))

    def caption_part(self, queries: list[int] | None = None) -> Part:
        """Similarities of queries to the captions of the gallery's images.

        Raises:
            InputError: there is nothing to compare: the retriever is given by its scores alone.
        """
        return Part(self._caption_scores, self._numbers(queries))

    @cached_property
    def _caption_scores(self) -> EmbeddingScores:
        if self.encoder is None or self.described is None or not isinstance(self.embeddings, Embeddings):
            remedy = "Leave the rows with captions out, or give a checkpoint."
            raise InputError("retriever's scores", "no text encoder", "one that encodes the gallery's captions", remedy)
        own = self.embeddings
        return own.scores_of((own.text_bge, own.text_tse), self.told or self.encoder(self.described))

    def _numbers(self, queries: list[int] | None) -> np.ndarray:
        rows = np.arange(len(self.captions))
        return rows if queries is None else rows[queries]

    def timed(self, run: Run, calls: dict[str, int], count: int | None, passes: int) -> dict:
        """`time_of` a re-ranking of this split; without seconds where answers are only replayed.

        Through a server it says how much of the prompts came from the server's cache, which this process cannot empty.
        """
        if is_replay(self.backend):
            return untimed(calls, len(self.captions))
        if self.backend is None or self.mllm.backend not in SERVED:
            return time_of(run, calls, len(self.captions), count, passes)
        before = self.backend.cache_use()
        found = time_of(run, calls, len(self.captions), count, passes, local=False)
        return found | {"server_cache": cache_words(before, self.backend.cache_use())}


def _encoder(retriever: Path) -> Encoder:
    from icl.retriever.encoding.embeddings import encode_texts
    from icl.retriever.weights.checkpoints import load_retriever

    model, tokenizer = load_retriever(retriever)
    return lambda texts: tuple(part.numpy() for part in encode_texts(model, tokenizer, texts))
