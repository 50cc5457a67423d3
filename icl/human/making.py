"""Make a pack: ask the MLLM all that a session can need, once."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd

from icl.data.pairs import captions_of, images_of
from icl.errors import InputError
from icl.human.pack import in_turns, write_pack
from icl.human.settings import HumanSettings
from icl.mllm import prompts, reading
from icl.mllm.backends.registry import open_backend
from icl.mllm.protocol import YES_NO, Backend, Request, require_answers
from icl.mllm.settings import MLLMSettings
from icl.progress import stage
from icl.ranking.scores import top_candidates
from icl.rerank.settings import RerankSettings, THISettings
from icl.rerank.split import Split
from icl.rerank.thi.session import Session as Asking
from icl.retriever.encoding.embeddings import embed, encode_texts, open_store
from icl.retriever.weights.checkpoints import load_retriever


def make_pack(
    folder: Path,
    name: str,
    split: Split,
    rows: pd.DataFrame,
    retriever: Path,
    backend: Backend,
    xi: float,
    human: HumanSettings,
    text_length: int,
    models: str,
    truth: Path | None = None,
) -> None:
    """Ask T_loc about the first images of the pool's queries, T_vqa about all images, and T_aggr for every anchor that THI can
    come to; write the pack.

    Args:
        name: the benchmark. split: the test split, with the text encoder. rows: its pairs table. retriever: its weights.
        backend: with stored answers, so that an interrupted run asks only what is missing. xi: THI's threshold.
        text_length: tokens that the text encoder reads.
        models: who answered, in words. truth: attributes of a generated benchmark's images; None for a real one.

    Raises:
        InputError: the retriever gives no embeddings, or has no text encoder.
    """
    if split.encoder is None or not hasattr(split.embeddings, "image_bge"):
        found = "a retriever without a text encoder"
        raise InputError("human_pack", found, "one that encodes what a witness says", "Give a checkpoint.")
    candidates, top1 = top_candidates(split.embeddings.scores, split.thi.rounds)
    own = own_columns(rows)
    looks = other_pictures(own, split.embeddings.image_pids)
    pool = chosen_pool(looks, split.embeddings.text_pids, human.pool, name)
    asking = Asking(backend, split.images, split.mllm)
    with stage("T_loc"):
        yes, share = verdicts(asking, split.captions, candidates, pool)
    with stage("T_vqa"):
        seen = asking.describe(list(range(len(split.images))))
    pairs = possible_anchors(candidates, top1 > xi, pool)
    with stage("T_aggr"):
        texts = asking.refine([split.captions[q] for q, _ in pairs], [seen[c] for _, c in pairs])
    bge, tse = split.encoder(texts)
    facts = {
        "models": models,
        "captions": split.captions,
        "drawn": truth is not None,
        "subtexts": [seen[c] for c in range(len(split.images))],
        "seen": None if truth is None else attributes(truth, rows),
        "refined_texts": texts,
        "xi": float(xi),
        "rounds": split.thi.rounds,
        "weight": split.thi.lambda_,
        "shared": human.shared,
        "own_queries": human.own,
        "shown": human.shown,
        "text_length": text_length,
    }
    arrays = {
        "candidates": candidates,
        "top1": top1,
        "yes": yes,
        "yes_share": share,
        "own": own,
        "looks": looks,
        "pool": pool,
    }
    arrays |= {"pairs": np.array(pairs, dtype=np.int64).reshape(-1, 2), "refined_bge": bge, "refined_tse": tse}
    write_pack(folder, name, facts, split.images, retriever, split.embeddings, arrays)


def open_split(
    rows: pd.DataFrame, root: Path, retriever: Path, mllm: MLLMSettings, thi: THISettings, adapter: str | None
) -> tuple[Split, int]:
    """A split with its embeddings computed here, the text encoder and the MLLM; and the tokens that the encoder reads.

    Args:
        rows: its pairs table. root: image root. retriever: its weights' folder. adapter: as in `open_backend`.
    """
    model, tokenizer = load_retriever(retriever)
    found = embed(model, tokenizer, rows, open_store(rows, root, model))
    images = [root / name for name in images_of(rows).image]

    def encoder(texts: list[str]) -> tuple[np.ndarray, ...]:
        return tuple(part.numpy() for part in encode_texts(model, tokenizer, texts))

    captions, backend = captions_of(rows).caption.tolist(), open_backend(mllm, adapter)
    return Split(found, captions, images, encoder, None, backend, mllm, thi, RerankSettings()), tokenizer.length


def own_columns(rows: pd.DataFrame) -> np.ndarray:
    """(Q,) gallery column of the image that each caption was written of."""
    columns = {image: n for n, image in enumerate(images_of(rows).image_id.tolist())}
    return np.array([columns[image] for image in captions_of(rows).image_id.tolist()], dtype=np.int64)


def other_pictures(own: np.ndarray, pids: np.ndarray) -> np.ndarray:
    """(Q,) the next picture (column) of each query's identity after its own, in turns; -1 where there is none.

    Args:
        own: (Q,) columns. pids: (G,) identities of the gallery.
    """
    found = np.full(len(own), -1, dtype=np.int64)
    for q, column in enumerate(own.tolist()):
        others = np.flatnonzero(pids == pids[column])
        if len(others) > 1:
            found[q] = others[(np.searchsorted(others, column) + 1) % len(others)]
    return found


def chosen_pool(looks: np.ndarray, pids: np.ndarray, size: int, name: str) -> np.ndarray:
    """Queries that sessions draw from, ascending: those with another picture where there are any, `size` of them at most.

    Args:
        looks: (Q,) as `other_pictures`. pids: (Q,) identities, which are taken in turns. name: seeds the draw.
    """
    known = np.flatnonzero(looks >= 0).tolist() or list(range(len(looks)))
    if size:
        known = sorted(in_turns(known, pids, random.Random(name))[:size])
    return np.array(known, dtype=np.int64)


def verdicts(
    asking: Asking, captions: list[str], candidates: np.ndarray, pool: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """T_loc's Yes and its probability of all candidates (Q, K) of the pool's queries; No and 0 of the others."""
    is_yes = reading.READINGS[asking.settings.reading][0]
    requests = [
        Request("localise", prompts.localise_text(captions[q]), asking.images[c], 4, YES_NO)
        for q in pool.tolist()
        for c in candidates[q].tolist()
    ]
    answers = asking.backend.answer(requests) if requests else []
    require_answers(requests, answers, asking.backend)
    yes, share = np.zeros(candidates.shape, dtype=bool), np.zeros(candidates.shape)
    shape = (len(pool), candidates.shape[1])
    yes[pool] = np.array([is_yes(answer.text) for answer in answers], dtype=bool).reshape(shape)
    share[pool] = np.array([round(reading.yes_share(answer), 4) for answer in answers]).reshape(shape)
    return yes, share


def possible_anchors(candidates: np.ndarray, high: np.ndarray, pool: np.ndarray) -> list[tuple[int, int]]:
    """(query, column) of every image that Algorithm 1 can make an anchor: the first above xi, a later one below.

    Args:
        candidates: (Q, K). high: (Q,) whether the first image's similarity is above xi.
    """
    return [(q, c) for q in pool.tolist() for c in (candidates[q, :1] if high[q] else candidates[q, 1:]).tolist()]


def attributes(truth: Path, rows: pd.DataFrame) -> list[dict]:
    """What each gallery image shows, from a generated benchmark's truth."""
    table = pd.read_parquet(truth)
    seen = dict(zip(table.file_path, table.seen, strict=True))
    return [json.loads(seen[name]) for name in images_of(rows).image]
