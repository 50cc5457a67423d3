"""What the MLLM is asked in a search, as jobs for its worker thread; each puts its findings into the search when it is done."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace

from icl.apps.web.gallery import Gallery
from icl.apps.web.mind import Mind
from icl.apps.web.searching import Refinement, Search
from icl.errors import InputError
from icl.ranking.scores import best_columns

SEEN = 12
"""First images of which is told what the MLLM saw."""
FAILED = "The MLLM gave no answer; the ranking is the retriever's, and yours."
log = logging.getLogger("icl.web")


def ask(search: Search, gallery: Gallery, mind: Mind) -> Future | None:
    """Have the MLLM answer the query in its manner; None where it has nothing to answer."""
    if search.who == "person" or not search.text:
        return None
    answer = _interact if search.manner == "thi" else _weigh
    return _job(search, mind, "answering questions about the first images", lambda: answer(search, gallery, mind))


def look(search: Search, gallery: Gallery, mind: Mind) -> None:
    """Have the MLLM tell what it sees in the first images: one image a job, so that other searches' questions come between."""

    def one() -> None:
        order = search.orders[search.step][:SEEN].tolist()
        column = next((k for k in order if k not in search.saw), None)
        if column is not None:
            _subtexts(search, column, gallery, mind)
            mind.submit(guarded)

    def guarded() -> None:
        with suppress(InputError):  # too many wait, or no answer: it is told on demand of nobody
            one()

    with suppress(InputError):
        mind.submit(guarded)


def refine_by(search: Search, column: int, gallery: Gallery, mind: Mind) -> Future | None:
    """Have the query refined by what the image shows that the person confirmed."""
    if not search.text:
        return None
    return _job(search, mind, "describing the confirmed image", lambda: _refine(search, column, gallery, mind))


def _job(search: Search, mind: Mind, words: str, work: Callable[[], None]) -> Future | None:
    def run() -> None:
        try:
            work()
        except InputError as error:
            search.failed = f"{FAILED} ({error})"
        except Exception:  # a back-end can raise anything; one search's trouble must not end the thread
            log.exception("the MLLM's worker")
            search.failed = FAILED
        finally:
            search.waiting.remove(words)

    search.failed = ""
    search.waiting.append(words)
    try:
        return mind.submit(run)
    except InputError as error:
        search.waiting.remove(words)
        search.failed = str(error)
        return None


def _weigh(search: Search, gallery: Gallery, mind: Mind) -> None:
    """T_loc about the first images; its log-odds re-rank (icl/rerank/ways/evidence.py)."""
    base = search.said.base
    columns = best_columns(-base, min(mind.evidence.rerank.evidence_top_k, len(base))).tolist()
    shares = mind.shares(search.text, [gallery.paths[k] for k in columns])
    found = dict(zip(columns, shares, strict=True))
    with search.lock:
        said = replace(search.said, shares=found)
        search.change(said, "T_loc", yes_probability={k: round(p, 4) for k, p in found.items()})


def _interact(search: Search, gallery: Gallery, mind: Mind) -> None:
    """THI."""
    record, refined_base = mind.interact(search.text, search.said.base, gallery.paths, gallery.similarities)
    shares = dict(zip(record["candidates"], record["yes_probability"], strict=False))
    with search.lock:
        said = replace(search.said, record=record, shares=shares)
        if record["anchor"] is not None:
            search.saw[record["anchor"]] = record["subtexts"]
            said = replace(said, by_mllm=Refinement(record["anchor"], record["refined"], refined_base))
        search.change(said, "THI", **{key: record[key] for key in ("candidates", "yes", "yes_probability", "anchor")})


def _refine(search: Search, column: int, gallery: Gallery, mind: Mind) -> None:
    subtexts = _subtexts(search, column, gallery, mind)
    refined = mind.refine(search.text, subtexts)
    found = Refinement(column, refined, gallery.similarities(refined))
    with search.lock:
        if search.said.confirmed() == column:  # not taken back since
            search.change(replace(search.said, by_person=found), "refined", column=column, refined=refined)


def _subtexts(search: Search, column: int, gallery: Gallery, mind: Mind) -> list[str]:
    if column not in search.saw:
        search.saw[column] = gallery.subtexts(column) or mind.describe(gallery.paths[column])
    return search.saw[column]
