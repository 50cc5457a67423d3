"""What a search's page and its export tell of each image: why it stands where it stands."""

from __future__ import annotations

import difflib
import re
import time

import numpy as np

from icl.apps.web.searching import MANNERS, VERDICTS, Search
from icl.apps.web.site import Site

NEW, SAME = True, False


def results(site: Site, search: Search, count: int) -> dict:
    """What the page shows.

    Args:
        count: images of the ranking at most.
    """
    said, order = search.said, search.orders[search.step]
    refinement = said.refinement()
    return {
        "images": [_image(site, search, place, int(k)) for place, k in enumerate(order[:count])],
        "more": len(order) > count,
        "total": len(said.base),
        "asked": search.asked(),
        "dialogue": dialogue(site, search),
        "refined": marked(search.text, refinement.text) if refinement else [],
        "refined_by": None if refinement is None else "person" if refinement is said.by_person else "mllm",
        "anchor_subtexts": search.saw.get(refinement.anchor, []) if refinement else [],
    }


def _image(site: Site, search: Search, place: int, column: int) -> dict:
    """One image of the ranking."""
    said, base = search.said, search.said.base
    before = rank_of(base, column)
    share = said.shares.get(column)
    return {
        "place": place,
        "rank": place + 1,
        "before": before,
        "similarity": float(base[column]),
        "score": float(search.scores[column]),
        "name": site.gallery.name(column),
        "yes_probability": None if share is None else round(share, 4),
        "verdict": said.verdicts.get(column, ""),
        "saw": search.saw.get(column) or site.gallery.subtexts(column),
        "reasons": reasons(search, column),
    }


def rank_of(scores: np.ndarray, column: int) -> int:
    """Rank from 1 of an image; equal ones by column."""
    own = scores[column]
    return 1 + int((scores > own).sum() + (scores[:column] == own).sum())


def reasons(search: Search, column: int) -> list[str]:
    """Why an image stands elsewhere than its similarity to the query puts it."""
    said, found = search.said, []
    refinement = said.refinement()
    if verdict := said.verdicts.get(column):
        found.append(f"you said: {VERDICTS[verdict]}")
    if refinement is not None and refinement.anchor == column:
        found.append("it is the confirmed image, which refined the query")
    elif refinement is not None:
        found.append("compared with the refined query too")
    if (share := said.shares.get(column)) is not None and said.record is None:
        found.append(f"the MLLM's Yes probability of {share:.2f} was weighed in")
    if column not in said.verdicts and {"yes", "no"} & set(said.verdicts.values()):
        found.append("compared with the images that you spoke of")
    return found


def dialogue(site: Site, search: Search) -> list[dict]:
    """Questions and answers about images, in the order in which they were given."""
    said = search.said
    turns: list[dict] = []
    places = {int(k): place for place, k in enumerate(search.orders[search.step])}
    read = dict(zip(said.record["candidates"], said.record["yes"], strict=False)) if said.record else {}
    for column, share in said.shares.items():
        yes = read.get(column, share >= 0.5)  # THI's are read from the words
        turns.append({"who": "MLLM", "column": column, "answer": "Yes" if yes else "No", "share": round(share, 4)})
    for column, verdict in said.verdicts.items():
        turns.append({"who": "you", "column": column, "answer": VERDICTS[verdict], "share": None})
    for turn in turns:
        at = turn.pop("column")
        turn |= {"place": places.get(at), "name": site.gallery.name(at)}
    return turns


def marked(before: str, after: str) -> list[tuple[str, bool]]:
    """A refined text in pieces, each with whether its words are new beside the text before."""
    old, new = (re.findall(r"\S+", text) for text in (before, after))
    first, second = ([re.sub(r"\W", "", word).lower() for word in words] for words in (old, new))
    pieces: list[tuple[str, bool]] = []
    for kind, _, _, start, end in difflib.SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        if start < end:
            pieces.append((" ".join(new[start:end]), SAME if kind == "equal" else NEW))
    return pieces


def exported(site: Site, search: Search) -> dict:
    """A search as JSON: query, what was said, and the first images; no picture, and nothing of the person."""
    with search.lock:
        found = results(site, search, len(search.orders[search.step]))
        events = [_public(event, site) for event in search.events]
        refinement = search.said.refinement()
    return {
        "format": 1,
        "exported": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "models": site.mind.who if site.mind is not None else "the retriever alone",
        "query": {"text": search.text, "photo": search.photo is not None},
        "answers": {"who": search.who, "manner": MANNERS[search.manner]},
        "refined": refinement.text if refinement else "",
        "gallery": found["total"],
        "ranking": [{k: v for k, v in image.items() if k not in ("place", "reasons")} for image in found["images"]],
        "dialogue": [{k: v for k, v in turn.items() if k != "place"} for turn in found["dialogue"]],
        "events": events,
    }


def _public(event: dict, site: Site) -> dict:
    """An event with names of images in place of gallery columns, which follow the identities in a benchmark."""
    named: dict[str, object] = {
        key: site.gallery.name(value) if value is not None else None for key, value in event.items() if key in _ONE
    }
    if "candidates" in event:
        named["candidates"] = [site.gallery.name(k) for k in event["candidates"]]
    if event["event"] == "T_loc":
        named["yes_probability"] = {site.gallery.name(k): p for k, p in event["yes_probability"].items()}
    return {**event, **named}


_ONE = ("column", "anchor")
