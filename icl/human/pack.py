"""The pack: all that decides a session, in one folder whose hash every answer names.

It holds a benchmark's test split as the retriever and the MLLM see it: similarities, what T_loc says of each query's first
images, what T_vqa says of each gallery image, and the refined query of each image that can become an anchor. With it, a session
needs the retriever's text encoder and no MLLM. Identities are in it: it stays on the server.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from icl.errors import InputError
from icl.files import CHECKSUMS, file_digest, folder_digest, read_arrays, write_checksums, write_json
from icl.ranking.scores import EmbeddingScores, MatrixScores, Part
from icl.rerank.split import Encoder
from icl.rerank.thi.merging import Reranked
from icl.rerank.thi.rounds import Interaction
from icl.retriever.encoding.vectors import Embeddings

FACTS, VECTORS, ANSWERS = "pack.json", "embeddings.npz", "answers.npz"
REMEDY = "Make it again: snakemake --cores all human_pack"
COMMON = "queries of all sessions"
NUMBERS = ("xi", "rounds", "weight", "shared", "own_queries", "shown", "text_length")
TEXTS = ("name", "models", "captions", "drawn", "subtexts", "seen", "refined_texts", *NUMBERS)
ARRAYS = ("candidates", "top1", "yes", "yes_share", "own", "looks", "pool", "pairs", "refined_bge", "refined_tse")


@dataclass(frozen=True)
class Pack:
    """Q queries, G gallery images, K rounds.

    Attributes:
        folder: where it is. name: the benchmark. hash: sha256 over all that decides a session. models: who answered, in words.
        captions: Q queries. images: G gallery files. drawn: a generated benchmark. retriever: folder of the text encoder.
        embeddings: similarities and identities. subtexts: what T_vqa said of each gallery image. seen: attributes of each
            gallery image, of a generated benchmark; else None.
        xi, rounds, weight: THI's. shared, own_queries: queries of a session. shown: first images of a witness's question.
        text_length: tokens that the text encoder reads.
        candidates: (Q, K) columns of the first images. top1: (Q,) similarity of the first. yes, yes_share: (Q, K) whether the
            MLLM says Yes of each, and how probable that is. own: (Q,) column of the image that a query was written of.
            looks: (Q,) column of another picture of its identity, -1 for none. pool: (P,) queries that sessions draw from.
        pairs: (R, 2) query and column of each possible anchor. refined_texts: R refined queries; refined_bge, refined_tse:
            their embeddings.
    """

    folder: Path
    name: str
    hash: str
    models: str
    captions: list[str]
    images: list[Path]
    drawn: bool
    retriever: Path
    embeddings: Embeddings
    subtexts: list[list[str]]
    seen: list[dict] | None
    xi: float
    rounds: int
    weight: float
    shared: int
    own_queries: int
    shown: int
    text_length: int
    candidates: np.ndarray
    top1: np.ndarray
    yes: np.ndarray
    yes_share: np.ndarray
    own: np.ndarray
    looks: np.ndarray
    pool: np.ndarray
    pairs: np.ndarray
    refined_texts: list[str]
    refined_bge: np.ndarray
    refined_tse: np.ndarray

    @classmethod
    def open(cls, folder: str | Path, encoder: Encoder | None = None) -> Pack:
        """Read a pack and compare all hashes: its files', its images', and the retriever's, unless an encoder is brought.

        Raises:
            InputError: a file or image is missing or differs; names it.
        """
        folder = Path(folder)
        total = _verified(folder)
        facts = json.loads((folder / FACTS).read_text())
        found = read_arrays(folder / ANSWERS, "a pack's answers", REMEDY)
        wanted = (*TEXTS, "images", "image_digests", "retriever", "retriever_digest")
        if absent := [*(n for n in wanted if n not in facts), *(n for n in ARRAYS if n not in found)]:
            raise InputError(str(folder), f"no {absent[0]}", "a pack of this version", REMEDY)
        images = [folder / name for name in facts["images"]]
        for path, digest in zip(images, facts["image_digests"], strict=True):
            if not path.is_file() or file_digest(path) != digest:
                raise InputError(str(path), "no or another image", "the one that the pack was made from", REMEDY)
        retriever = folder / facts["retriever"]
        if encoder is None and (not retriever.is_dir() or folder_digest(str(retriever)) != facts["retriever_digest"]):
            raise InputError(str(retriever), "no or another retriever", "the one that the pack was made with", REMEDY)
        return cls(
            folder=folder,
            hash=total,
            images=images,
            retriever=retriever,
            embeddings=Embeddings.load(folder / VECTORS),
            **{name: facts[name] for name in TEXTS},
            **{name: found[name] for name in ARRAYS},  # type: ignore[arg-type]  # `found` holds exactly these
        )

    def encoder(self) -> Encoder:
        """The retriever's text encoder.

        Raises:
            InputError: the retriever cannot be read.
        """
        from icl.retriever.encoding.embeddings import encode_texts
        from icl.retriever.weights.checkpoints import load_retriever

        model, tokenizer = load_retriever(self.retriever)
        return lambda texts: tuple(part.numpy() for part in encode_texts(model, tokenizer, texts))

    def queries(self, code: str) -> list[int]:
        """The queries of a session: the same `shared` ones for all, then `own_queries` that its code draws, in an order that
        it draws as well.

        They depend on the benchmark and the pool alone, so that they are the same on every machine and with every model.
        Identities take turns: none has a second query while another one in the pool has none.
        """
        pids, pool = self.embeddings.text_pids, self.pool.tolist()
        common = in_turns(pool, pids, random.Random(f"{self.name} {COMMON}"))[: self.shared]
        rng, rest = random.Random(f"{self.name} {code}"), sorted({*pool} - {*common})
        chosen = common + in_turns(rest, pids, rng, common)[: self.own_queries]
        rng.shuffle(chosen)
        return chosen

    def interaction(self, query: int) -> Interaction:
        """THI's state machine of a query, before any answer."""
        return Interaction(self.candidates[query].tolist(), float(self.top1[query]), self.xi)

    @cached_property
    def scores(self) -> EmbeddingScores:
        """Similarities of all queries."""
        return self.embeddings.scores

    @cached_property
    def _places(self) -> dict[tuple[int, int], int]:
        return {(q, c): n for n, (q, c) in enumerate(self.pairs.tolist())}

    def merged(self, queries: list[int], anchors: list[int | None]) -> Reranked:
        """THI's similarities (n, G) of queries with these anchors, refined as the MLLM refines them."""
        raw = Part(self.scores, np.array(queries, dtype=np.int64))
        rows = [self._places[q, c] for q, c in zip(queries, anchors, strict=True) if c is not None]
        texts = self.refined_bge[rows], self.refined_tse[rows]
        refined = self.embeddings.scores_of(texts) if rows else MatrixScores(np.zeros((0, raw.shape[1])))
        columns = np.array([-1 if c is None else c for c in anchors], dtype=np.int64)
        return Reranked(raw, refined, columns, self.weight)


def in_turns(queries: list[int], pids: np.ndarray, rng: random.Random, taken: Sequence[int] = ()) -> list[int]:
    """Queries in a random order in which identities take turns.

    Args:
        pids: (Q,) identities of all queries. taken: queries whose identities have had a turn for each.
    """
    order, had = rng.sample(queries, len(queries)), Counter(pids[list(taken)].tolist())
    turns = []
    for pid in pids[order].tolist():
        turns.append(had[pid])
        had[pid] += 1
    return [q for _, q in sorted(zip(turns, order, strict=True), key=lambda pair: pair[0])]


def write_pack(
    folder: Path, name: str, facts: dict, images: list[Path], retriever: Path, embeddings: Embeddings, arrays: dict
) -> None:
    """Write a pack; paths are kept relative to its folder.

    Args:
        facts: `models`, `captions`, `drawn`, `subtexts`, `seen`, `refined_texts` and `NUMBERS` (see `Pack`).
        arrays: `ARRAYS`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    home = folder.resolve()
    told = {
        "name": name,
        "images": [os.path.relpath(path.resolve(), home) for path in images],
        "image_digests": [file_digest(path) for path in images],
        "retriever": os.path.relpath(retriever.resolve(), home),
        "retriever_digest": folder_digest(str(retriever)),
    }
    write_json(folder / FACTS, told | facts)
    embeddings.save(folder / VECTORS)
    np.savez(folder / ANSWERS, **{key: arrays[key] for key in ARRAYS})
    write_checksums(folder, "*.*")


def _verified(folder: Path) -> str:
    """The pack's hash, once its files are as their checksums say."""
    try:
        lines = (folder / CHECKSUMS).read_text().splitlines()
    except OSError as error:
        raise InputError(f"pack {folder}", "no pack there", f"{CHECKSUMS}, {FACTS} and more", REMEDY) from error
    for line in lines:
        digest, name = line.split(maxsplit=1)
        if not (folder / name).is_file() or file_digest(folder / name) != digest:
            raise InputError(str(folder / name), "no or another file", "what was written with the pack", REMEDY)
    if {FACTS, VECTORS, ANSWERS} - {line.split(maxsplit=1)[1] for line in lines}:
        raise InputError(f"pack {folder}", "checksums of something else", f"{FACTS}, {VECTORS}, {ANSWERS}", REMEDY)
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
