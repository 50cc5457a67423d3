"""How the ways to re-rank do on smaller galleries: a split's identities are dealt into parts, each a gallery of its own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from icl.mllm.protocol import Backend
from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import blocks
from icl.rerank.meter import Meter
from icl.rerank.split import Split
from icl.rerank.ways import WAYS

PARTS = (6, 3, 2, 1)
"""Numbers of parts; every query is asked in each case, against the gallery of its own part."""


def by_size(split: Split, backend: Backend, chosen: dict[str, dict], seed: int = 0) -> list[dict]:
    """Metrics in percent and tokens a query by gallery size.

    Args:
        backend: with stored answers. seed: of the dealing.
        chosen: parameters of each way that is compared, as they are for the whole split.

    Returns:
        One {"gallery", "way", "rank1", "map", "minp", "tokens"} a (number of parts, way); gallery is the mean number of
        images, and the way "" is the retriever alone.
    """
    out = []
    for count in PARTS:
        parts = list(_dealt(split, count, seed))
        for way in ("", *chosen):
            meter, found = Meter(backend), []
            for part in parts:
                scores = part.part() if not way else WAYS[way].rerank(part, meter, chosen[way]).scores
                found.append(retrieval_metrics(blocks(scores), part.embeddings.text_pids, part.embeddings.image_pids))
            first, precision, inp = (
                np.concatenate([getattr(one, name) for one in found]) for name in ("first", "average_precision", "inp")
            )
            tokens = sum(kind["prompt_tokens"] + kind["answer_tokens"] for kind in meter.spent.values())
            row = {"gallery": len(split.images) / len(parts), "way": way, "rank1": 100 * float((first == 1).mean())}
            row |= {"map": 100 * float(precision.mean()), "minp": 100 * float(inp.mean())}
            out.append(row | {"tokens": tokens / len(first)})
    return out


def _dealt(split: Split, count: int, seed: int) -> Iterator[Split]:
    """The split in so many parts, or in one an identity where there are fewer."""
    identities = np.random.default_rng(seed).permutation(np.unique(split.embeddings.text_pids))
    for chunk in np.array_split(identities, min(count, len(identities))):
        yield split.of_identities(chunk)
