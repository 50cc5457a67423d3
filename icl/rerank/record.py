"""The interaction record."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from icl.ranking.metrics import ranks_of, right_columns
from icl.ranking.scores import BLOCK, Scores, best_columns
from icl.rerank.thi.merging import Reranked
from icl.retriever.encoding.given import GivenScores
from icl.retriever.encoding.vectors import Embeddings

#: First images that a record names (Figure 7 shows them).
SHOWN = 10


def with_ranks(records: list[dict], emb: Embeddings | GivenScores, before: Scores, after: Scores) -> list[dict]:
    """Interaction records with ids, and both times the first images and the rank of the first right one.

    Args:
        emb: embeddings of the split. before, after: similarities before and after the re-ranking.

    Raises:
        InputError: a query's identity is not in the gallery.
    """
    right, out = right_columns(emb.text_pids, emb.image_pids), []
    for q, (record, (raw, merged)) in enumerate(zip(records, _rows(before, after), strict=True)):
        first = _ranked(raw, right[q])
        last = first if np.array_equal(raw, merged) else _ranked(merged, right[q])
        ids = {
            "caption_id": int(emb.caption_ids[q]),
            "pid": int(emb.text_pids[q]),
            "candidate_image_ids": emb.image_ids[record["candidates"]].tolist(),
            "candidate_pids": emb.image_pids[record["candidates"]].tolist(),
            "rank_before": first[0],
            "rank_after": last[0],
            "best_before": emb.image_ids[first[1]].tolist(),
            "best_after": emb.image_ids[last[1]].tolist(),
        }
        out.append({**record, **ids})
    return out


def _rows(before: Scores, after: Scores) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """A query's similarities without and with THI. Those without are computed once, although THI's rest on them."""
    for start in range(0, before.shape[0], BLOCK):
        numbers = np.arange(start, min(start + BLOCK, before.shape[0]))
        raw = before.rows(numbers)
        merged = after.merged(numbers, raw) if isinstance(after, Reranked) else after.rows(numbers)
        yield from zip(raw, merged, strict=True)


def _ranked(scores: np.ndarray, right: np.ndarray) -> tuple[int, np.ndarray]:
    """Rank of the first right image, and the columns of the first images; ties go to the lower column.

    Args:
        scores: (G,). right: (R,) ascending columns.
    """
    first = right[[scores[right].argmax()]]
    return int(ranks_of(scores, first)[0]), best_columns(-scores, min(SHOWN, len(scores)))
