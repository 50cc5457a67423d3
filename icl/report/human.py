"""Rows of people: what their sessions give beside the retriever alone, the MLLM in their place, and simulated people.

All rows stand on the same queries: those that every row has answered in sessions that went to their end. A query's value is the
mean over a row's sessions that had it, so that it counts once, whoever had it how often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import pandas as pd

from icl.errors import InputError
from icl.human.journal import SUFFIX, Journal
from icl.human.measures import HITS, Played, agreement, best_log_rank_integral, counted, plain, played, seconds
from icl.human.pack import Pack
from icl.human.people import PEOPLE
from icl.human.ranking import Ranking
from icl.human.session import Session
from icl.progress import announce
from icl.ranking.measure import BOOTSTRAP_SEED
from icl.ranking.significance import bootstrap_interval
from icl.report.words import NOTHING, words

ROWS = {
    ("mllm", "judge"): "ICL+THI",
    ("person", "judge"): "ICL+THI (person)",
    ("person", "witness"): "ICL+witness",
    ("perfect", "judge"): "ICL+THI (perfect)",
    ("flips", "judge"): "ICL+THI (10% flips)",
    ("coin", "judge"): "ICL+THI (coin)",
    ("mllm-looking", "witness"): "ICL+witness (MLLM)",
    ("attributes", "witness"): "ICL+witness (attributes)",
}
"""Names of rows by who answered and in which protocol, in their order; below ICL, which nobody answers."""
ANSWERING = (
    "answers",
    "answers_per_query",
    "abstentions",
    "seconds_median",
    "seconds_p90",
    "anchors",
    "anchor_precision",
)
ANSWERING += ("kappa_mllm", "kappa_truth")
"""Columns of the answers, as they stand in the table."""
KNOWS = {one.name: one.knows for one in PEOPLE}


@dataclass(frozen=True)
class Taken:
    """The sessions of one row that have ended: what they did, their answers, how many there are, and how many were answered
    to their last query, which alone count for accuracy."""

    played: Played | None
    answers: list[dict]
    sessions: int
    whole: int


def human_table(pack: Pack, folders: Sequence[Path], samples: int) -> pd.DataFrame:
    """One line a row of `ROWS`, and ICL above them; rows without sessions have no numbers.

    Columns:
        method, knows (what no real person in that place would know), protocol, sessions, whole (sessions answered to their last
        query), queries, identities. Of those queries: rank1, map, each with the 95% interval by identity (_low, _high), after
        all rounds; rank1_r, map_r, hits1_r, hits5_r, hits10_r by round r (Hits@k: among the first k after that round or an
        earlier one); best_log_rank_integral. Of whole sessions: anchors, anchor_precision (percent). Of all ended ones:
        answers, answers_per_query, abstentions, seconds_median, seconds_p90 (people's alone), kappa_mllm, kappa_truth.

    Args:
        folders: of journals. samples: bootstrap samples.

    Raises:
        InputError: a damaged journal; names it.
    """
    ranking = Ranking(pack, pack.encoder())
    rows = {key: _taken(pack, ranking, sessions) for key, sessions in _sessions(pack, folders).items()}
    common = _common([one.played for one in rows.values() if one.played is not None])
    lines = [_line(pack, "ICL", None, Taken(plain(pack, common), [], 0, 0), common, samples)]
    for key, name in ROWS.items():
        lines.append(_line(pack, name, key, rows.get(key, Taken(None, [], 0, 0)), common, samples))
    return pd.DataFrame(lines, columns=list(dict.fromkeys(name for line in lines for name in line)))


def _sessions(pack: Pack, folders: Sequence[Path]) -> dict[tuple[str, str], list[Session]]:
    """Ended sessions by who and protocol; those of another pack and those that go on are left out, with a line that says so."""
    found: dict[tuple[str, str], list[Session]] = {}
    others = ongoing = 0
    for path in sorted(path for folder in folders for path in folder.rglob(f"*{SUFFIX}")):
        if _pack_of(path) != pack.hash:
            others += 1
            continue
        session = Session.open(pack, path.parent, path.name.removesuffix(SUFFIX))
        ongoing += not session.done
        if session.done:
            found.setdefault((session.who, session.protocol), []).append(session)
    if others or ongoing:
        announce(f"left out: {others} sessions on another pack, {ongoing} that have not ended")
    return found


def _pack_of(path: Path) -> str:
    journal = Journal(path)
    journal.refresh()
    return journal.lines[0].get("pack", "") if journal.lines else ""


def _taken(pack: Pack, ranking: Ranking, sessions: list[Session]) -> Taken:
    each = [(played(pack, ranking, session.protocol, session.answers), session) for session in sessions]
    whole = [found for found, session in each if len(found.queries) == len(session.queries)]
    answers = [line for session in sessions for line in counted(session.answers)]
    return Taken(reduce(add, whole) if whole else None, answers, len(sessions), len(whole))


def _common(rows: list[Played]) -> np.ndarray:
    """The queries (n,) that all rows have, ascending.

    Raises:
        InputError: there are none, or no row.
    """
    sets = [set(row.queries.tolist()) for row in rows]
    common = set.intersection(*sets) if sets else set()
    if not common:
        found = "no query that all rows have answered" if sets else "no session that has ended"
        raise InputError(
            "sessions", found, "the shared queries in each", "Set human.shared above 0, or answer sessions."
        )
    return np.array(sorted(common), dtype=np.int64)


def _line(pack: Pack, name: str, key: tuple[str, str] | None, taken: Taken, common: np.ndarray, samples: int) -> dict:
    who, protocol = key or ("", "")
    line = {"method": name, "knows": KNOWS.get(who, ""), "protocol": protocol}
    line |= {"sessions": taken.sessions, "whole": taken.whole}
    identities = pack.embeddings.text_pids[common]
    line |= _accuracy(taken.played, common, identities, pack.rounds, samples)
    return line | _answering(pack, who, protocol, taken)


def _accuracy(found: Played | None, common: np.ndarray, identities: np.ndarray, rounds: int, samples: int) -> dict:
    if found is None:
        return {"queries": 0, "identities": 0}
    place = np.searchsorted(common, found.queries)
    kept = (place < len(common)) & (common[np.minimum(place, len(common) - 1)] == found.queries)
    place, count = place[kept], np.bincount(place[kept], minlength=len(common))

    def each(values: np.ndarray) -> np.ndarray:
        """Means (n,) of a query's values over the sessions that had it."""
        return np.bincount(place, values[kept].astype(float), len(common)) / count

    line = {"queries": len(common), "identities": len(np.unique(identities))}
    for metric, values in (("rank1", found.first[-1] == 1), ("map", found.precision[-1])):
        mean = each(values)
        low, high = bootstrap_interval(mean, identities, samples, BOOTSTRAP_SEED)
        line |= {metric: 100 * mean.mean(), f"{metric}_low": 100 * float(low), f"{metric}_high": 100 * float(high)}
    best = np.minimum.accumulate(found.first, axis=0)
    by_round = {"rank1": found.first == 1, "map": found.precision} | {f"hits{k}": best <= k for k in HITS}
    for metric, values in by_round.items():
        line |= {f"{metric}_{r}": 100 * each(values[r]).mean() for r in range(rounds + 1)}
    integrals = np.array([best_log_rank_integral(column[:, None]) for column in found.first.T])
    return line | {"best_log_rank_integral": each(integrals).mean()}


def _answering(pack: Pack, who: str, protocol: str, taken: Taken) -> dict:
    if not taken.sessions:
        return dict.fromkeys(ANSWERING)
    line = dict.fromkeys(ANSWERING)
    queries = len({(one["session"], one["number"]) for one in taken.answers})
    middle, late = seconds(taken.answers)
    line |= {"answers": len(taken.answers), "answers_per_query": len(taken.answers) / queries if queries else None}
    line |= {"abstentions": sum(one["answer"] == "unsure" for one in taken.answers)}
    line |= {"seconds_median": middle, "seconds_p90": late} if who == "person" else {}
    if protocol == "judge" and taken.played is not None:
        anchors = int((taken.played.anchors >= 0).sum())
        line |= {"anchors": anchors, "anchor_precision": 100 * taken.played.right.sum() / anchors if anchors else None}
    return line | (agreement(pack, taken.answers) if protocol == "judge" else {})


SHEET_NOTES = (
    "All rows stand on the same queries; intervals are 95% by identity. Hits@k: the person was among the first k images after "
    "the last round or an earlier one. BRI: best log rank integral, lower is better. A row that knows something stands for "
    "nobody: it shows what the form of the protocol allows. Seconds are of people's answers.",
)


def human_sheet(table: pd.DataFrame) -> pd.DataFrame:
    """The same for readers."""
    rows = []
    for line in table.astype(object).where(table.notna(), None).to_dict("records"):
        row = {"Method": line["method"], "knows": line["knows"] or NOTHING, "sessions": line["sessions"] or NOTHING}
        row |= {"queries": line["queries"] or NOTHING}
        row["Rank-1"] = _with_interval(line, "rank1")
        row["mAP"] = _with_interval(line, "map")
        last = max((int(name.split("_")[1]) for name in line if name.startswith("hits1_")), default=0)
        row |= {f"Hits@{k}": _told(line.get(f"hits{k}_{last}")) for k in HITS}
        row["BRI"] = _told(line["best_log_rank_integral"], 3)
        row["answers/query"] = _told(line["answers_per_query"])
        row["s/answer (p90)"] = _times(line)
        row["right anchors (%)"] = _told(line["anchor_precision"])
        row |= {f"kappa {name}": _told(line[f"kappa_{key}"], 2) for key, name in (("mllm", "MLLM"), ("truth", "truth"))}
        row["cannot tell"] = NOTHING if line["abstentions"] is None else int(line["abstentions"])
        rows.append(row)
    return pd.DataFrame(rows)


def _told(value: float | None, digits: int = 1) -> str:
    return words(None if value is None else float(value), digits)


def _with_interval(line: dict, metric: str) -> str:
    if line[metric] is None:
        return NOTHING
    return f"{line[metric]:.1f} ({line[f'{metric}_low']:.1f} to {line[f'{metric}_high']:.1f})"


def _times(line: dict) -> str:
    return NOTHING if line["seconds_median"] is None else f"{line['seconds_median']:.1f} ({line['seconds_p90']:.1f})"
