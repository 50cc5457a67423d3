"""What a table says of one retriever's similarities."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from icl.errors import InputError
from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import Scores, blocks
from icl.ranking.significance import bootstrap_interval

#: The draws of the confidence intervals; not a run's seed, so that equal results have equal intervals.
BOOTSTRAP_SEED = 0
PER_QUERY = ("identity", "first", "average_precision", "inp")
"""What is kept of each query, in the order of the split's captions."""


def measure(scores: Scores, query_pids: np.ndarray, gallery_pids: np.ndarray) -> dict:
    """Metrics in percent, the sizes, and each query's identity and values (`PER_QUERY`).

    Args:
        scores: similarities of Q queries to G images.
    """
    found = retrieval_metrics(blocks(scores), query_pids, gallery_pids)
    sizes = {"queries": len(query_pids), "gallery": len(gallery_pids)}
    values = (np.asarray(query_pids), found.first, np.round(found.average_precision, 6), np.round(found.inp, 6))
    each = {name: column.tolist() for name, column in zip(PER_QUERY, values, strict=True)}
    return {**found.summary(), **sizes, "per_query": each}


def read_measured(path: Path) -> dict:
    """What `measure` gave, as a stage wrote it.

    Raises:
        InputError: a query's identity or one of its values is missing, as in files of earlier versions.
    """
    measured = json.loads(path.read_text())
    each, count = measured.get("per_query", {}), measured.get("queries")
    if missing := [name for name in PER_QUERY if len(each.get(name, ())) != count]:
        found, expected = f"no {' and no '.join(missing)} of every query", f"{', '.join(PER_QUERY)} of each"
        remedy = "An earlier version wrote it: delete it and run the same command again."
        raise InputError(str(path), found, expected, remedy)
    return measured


def values_of(measured: dict) -> dict[str, np.ndarray]:
    """Each query's share (Q,) in three metrics, in [0, 1]: their means are Rank-1, mAP and mINP.

    Args:
        measured: what `measure` gave.
    """
    first, precision, inp = (np.array(measured["per_query"][name]) for name in PER_QUERY[1:])
    return {"rank1": (first == 1).astype(float), "map": precision, "minp": inp}


def rank1_interval(measured: dict, samples: int) -> tuple[float, float]:
    """The 95% interval of Rank-1 in percent (bootstrap over identities).

    Args:
        measured: what `measure` gave. samples: bootstrap samples.
    """
    identities = np.array(measured["per_query"]["identity"])
    low, high = bootstrap_interval(values_of(measured)["rank1"], identities, samples, BOOTSTRAP_SEED)
    return 100 * float(low), 100 * float(high)
