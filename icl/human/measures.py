"""What sessions are measured by: ranks by round, time, agreement, abstentions. Pure functions of the pack and of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from icl.human.pack import Pack
from icl.human.protocols.judge import JudgeDialogue
from icl.human.protocols.witness import WitnessDialogue
from icl.human.ranking import Ranking
from icl.ranking.metrics import retrieval_metrics

HITS = (1, 5, 10)
COUNTED = ("yes", "no", "unsure", "described", "told")
"""Answers that count: to have looked at a picture is none."""


@dataclass(frozen=True)
class Played:
    """What the answers of one or more sessions did, on n queries that were answered to their end (a query counts once a
    session), over rounds 0 (before the first question) to K.

    Attributes:
        queries: (n,) numbers in the pack. identities: (n,). first: (K + 1, n) rank of the first right image after each round.
        precision: (K + 1, n) average precision, in [0, 1]. anchors: (n,) gallery columns, -1 for none; of judges alone.
        right: (n,) whether the anchor shows the wanted identity.
    """

    queries: np.ndarray
    identities: np.ndarray
    first: np.ndarray
    precision: np.ndarray
    anchors: np.ndarray
    right: np.ndarray

    def __add__(self, other: Played) -> Played:
        parts = zip(self._parts, other._parts, strict=True)
        return Played(*(np.concatenate(pair, axis=-1) for pair in parts))

    @property
    def _parts(self) -> tuple[np.ndarray, ...]:
        return self.queries, self.identities, self.first, self.precision, self.anchors, self.right


def played(pack: Pack, ranking: Ranking, protocol: str, answers: Sequence[dict]) -> Played:
    """What a session's answers did.

    Args:
        answers: lines of the journal that were not taken back, in order.

    Raises:
        InputError: a witness's texts, and no text encoder.
    """
    by_number: dict[int, list[dict]] = {}
    for line in answers:
        by_number.setdefault(line["number"], []).append(line)
    return (_judged if protocol == "judge" else _witnessed)(pack, ranking, list(by_number.values()))


def _judged(pack: Pack, ranking: Ranking, groups: list[list[dict]]) -> Played:
    done = []
    for lines in groups:
        query = lines[0]["query"]
        dialogue = JudgeDialogue(query, pack.captions[query], pack.interaction(query))
        for line in lines:
            dialogue.take(line["answer"])
        done += [dialogue] if dialogue.done else []
    machines, queries = [one.interaction for one in done], np.array([one.query for one in done], dtype=np.int64)
    merged = pack.merged(queries.tolist(), [one.anchor for one in machines])
    raw, after = (_ranks(pack, queries, scores.rows(slice(None))) for scores in (merged.raw, merged))
    rounds = np.array([one.round or pack.rounds + 1 for one in machines], dtype=np.int64)
    acted = rounds[None] <= np.arange(pack.rounds + 1)[:, None]  # (K + 1, n)
    first, precision = (np.where(acted, late, early) for early, late in zip(raw, after, strict=True))
    return _of(pack, queries, first, precision, merged.anchors)


def _witnessed(pack: Pack, ranking: Ranking, groups: list[list[dict]]) -> Played:
    queries, told = [], []
    for lines in groups:
        dialogue = WitnessDialogue(lines[0]["query"], 0, pack.rounds, ranking.ask)
        stages = []
        for line in lines:
            dialogue.take(line["answer"], line["text"], line["question"])
            stages += [list(dialogue.told)] if dialogue.told else []
        if dialogue.done:
            queries.append(dialogue.query)
            told.append(stages)  # K + 1 of them
    numbers, each = np.array(queries, dtype=np.int64), range(pack.rounds + 1)
    rows = [ranking.rows([stages[r] for stages in told]) if told else np.zeros((0, len(pack.images))) for r in each]
    first, precision = (np.stack(part) for part in zip(*(_ranks(pack, numbers, row) for row in rows), strict=True))
    return _of(pack, numbers, first, precision)


def plain(pack: Pack, queries: np.ndarray) -> Played:
    """The retriever alone on some queries (n,): the same after every round."""
    found = _ranks(pack, queries, pack.scores.rows(queries))
    return _of(pack, queries, *(np.tile(row, (pack.rounds + 1, 1)) for row in found))


def _of(
    pack: Pack, queries: np.ndarray, first: np.ndarray, precision: np.ndarray, anchors: np.ndarray | None = None
) -> Played:
    columns, pids = np.full(len(queries), -1) if anchors is None else anchors, pack.embeddings.text_pids[queries]
    right = (columns >= 0) & (pack.embeddings.image_pids[columns] == pids)
    return Played(queries, pids, first, precision, columns, right)


def _ranks(pack: Pack, queries: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rank of the first right image and average precision (n,) of similarities (n, G)."""
    if not len(queries):
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    found = retrieval_metrics(rows, pack.embeddings.text_pids[queries], pack.embeddings.image_pids)
    return found.first, found.average_precision


def hits(first: np.ndarray, k: int) -> np.ndarray:
    """Hits@k by round (K + 1,), in percent: the wanted person was among the first k images after that round or an earlier one.

    Args:
        first: (K + 1, n) ranks.
    """
    return 100 * (np.minimum.accumulate(first, axis=0) <= k).mean(axis=1)


def best_log_rank_integral(first: np.ndarray) -> float:
    r"""How soon and how high the wanted person comes, over all rounds; 0 at best, lower is better.

    As LLaVA-ReID (ICML 2025, `utils/metrics.py` of its repository) computes it: with m_r the best rank of the first right image
    in rounds 0 to r, and natural logarithms,

        BRI = 1/(n K) * sum over n queries, sum over r = 0 .. K-1 of (log m_r + log m_{r+1}) / 2

    the trapezoidal area below the best log rank, divided by its width K.

    Args:
        first: (K + 1, n) ranks from 1 on, K >= 1.
    """
    best = np.log(np.minimum.accumulate(first, axis=0))
    return float(((best[:-1] + best[1:]) / 2).mean())


def kappa(one: Sequence[bool], other: Sequence[bool]) -> float:
    """Cohen's kappa of two who say yes or no of the same n things: agreement beyond chance, at most 1.

    NaN of nothing, and where both always say the same one thing, which leaves chance nothing to disagree on.
    """
    a, b = np.asarray(one, dtype=bool), np.asarray(other, dtype=bool)
    if not len(a):
        return float("nan")
    expected = a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean())
    return float(((a == b).mean() - expected) / (1 - expected)) if expected < 1 else float("nan")


def agreement(pack: Pack, answers: Sequence[dict]) -> dict[str, float]:
    """Of judges: kappa with the MLLM's answers to the same questions, and with the truth; abstentions are left out."""
    said = [line for line in answers if line["answer"] in ("yes", "no")]
    own = [line["answer"] == "yes" for line in said]
    mllm = [bool(pack.yes[line["query"], line["round"] - 1]) for line in said]
    pids, wanted = pack.embeddings.image_pids, pack.embeddings.text_pids
    truth = [bool(pids[line["images"][0]] == wanted[line["query"]]) for line in said]
    return {"kappa_mllm": kappa(own, mllm), "kappa_truth": kappa(own, truth)}


def seconds(answers: Sequence[dict]) -> tuple[float | None, float | None]:
    """Median and 90th percentile of the seconds an answer took: by the browser's stopwatch where it ran, else by the server,
    which counts from the answer before. None of no answers."""
    took = [line["server_seconds"] if line["browser_seconds"] is None else line["browser_seconds"] for line in answers]
    return tuple(map(float, np.percentile(took, (50, 90)))) if took else (None, None)


def counted(answers: Sequence[dict]) -> list[dict]:
    """Those that are answers to a question."""
    return [line for line in answers if line["answer"] in COUNTED]


def summary_of(pack: Pack, ranking: Ranking, protocol: str, answers: Sequence[dict]) -> dict:
    """What one session did, for its last page: it tells the truth.

    Returns:
        `queries` answered to the end, `answers`, `abstentions`, `seconds_median`, `seconds_p90` (None without answers). Where a
        query was answered to its end, also `rank1` and `map` in percent, each {"caption": the written caption alone, "before":
        the first question, "after": all}; `hits` {k: percent by round}; `best_log_rank_integral`; of a judge `anchors`,
        `right_anchors`, `kappa_mllm`, `kappa_truth`; and `each` query's {"query", "text", "rank_caption", "rank_before",
        "rank_after", "anchor", "right", "images": columns of the person}.
    """
    found, own = played(pack, ranking, protocol, answers), counted(answers)
    middle, late = seconds(own)
    out = {"protocol": protocol, "queries": len(found.queries), "answers": len(own)}
    out |= {
        "abstentions": sum(line["answer"] == "unsure" for line in own),
        "seconds_median": middle,
        "seconds_p90": late,
    }
    if not len(found.queries):
        return out | {"each": []}
    caption = plain(pack, found.queries)
    rows = {"caption": (caption, 0), "before": (found, 0), "after": (found, -1)}
    out["rank1"] = {name: 100 * float((one.first[r] == 1).mean()) for name, (one, r) in rows.items()}
    out["map"] = {name: 100 * float(one.precision[r].mean()) for name, (one, r) in rows.items()}
    out["hits"] = {k: hits(found.first, k).tolist() for k in HITS}
    out["best_log_rank_integral"] = best_log_rank_integral(found.first)
    if protocol == "judge":
        out |= {"anchors": int((found.anchors >= 0).sum()), "right_anchors": int(found.right.sum())}
        out |= agreement(pack, own)
    return out | {"each": _each(pack, found, caption)}


def _each(pack: Pack, found: Played, caption: Played) -> list[dict]:
    out = []
    for n, query in enumerate(found.queries.tolist()):
        anchor = int(found.anchors[n])
        right = np.flatnonzero(pack.embeddings.image_pids == found.identities[n])
        row = {"query": query, "text": pack.captions[query], "rank_caption": int(caption.first[0, n])}
        row |= {"rank_before": int(found.first[0, n]), "rank_after": int(found.first[-1, n])}
        out.append(
            row | {"anchor": None if anchor < 0 else anchor, "right": bool(found.right[n]), "images": right.tolist()}
        )
    return out
