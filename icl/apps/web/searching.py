"""One person's search: what was asked, who said what of which image, and the ranking that follows from it.

A ranking is a pure function of the query's similarities and of what the MLLM and the person said; a search only keeps these,
in memory, and forgets everything when it is ended. Every ranking that was shown keeps its number (`step`) and its order, so
that a click on a page means the picture that stood there, whatever the MLLM has said since.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from icl.apps.feedback import with_verdicts
from icl.apps.index.streamed import Vectors
from icl.apps.web.mind import Mind
from icl.errors import InputError
from icl.ranking.scores import MatrixScores, best_columns
from icl.rerank.judging import log_odds
from icl.rerank.thi.merging import Reranked

ANSWERERS = {"mllm": "the MLLM", "person": "I", "both": "both"}
"""Who says which images show the person."""
MANNERS = {"evidence": "weighed answers (Evidence)", "thi": "the paper's dialogue (THI)"}
VERDICTS = {"yes": "this is the person", "no": "not the person", "unsure": "cannot tell"}
LONGEST_TEXT = 2000
"""Characters of a query."""
SHOWN = 60
"""Images of a ranking that can be looked at."""
KEPT = 50
"""Rankings whose order is kept for pages that still show them."""


@dataclass(frozen=True)
class Refinement:
    """Attributes:
    anchor: confirmed gallery column. text: T_aggr's, of the query and what the anchor shows. base: (G,) its similarities.
    """

    anchor: int
    text: str
    base: np.ndarray


@dataclass(frozen=True)
class Said:
    """What a ranking follows from.

    Attributes:
        base: (G,) similarities of the query. shares: T_loc's Yes probabilities by gallery column.
        record: the MLLM's interaction (THI), or None. by_mllm, by_person: the query refined by what each confirmed, or None.
        verdicts: the person's, by column, the last one last.
    """

    base: np.ndarray
    shares: dict[int, float] = field(default_factory=dict)
    record: dict | None = None
    by_mllm: Refinement | None = None
    by_person: Refinement | None = None
    verdicts: dict[int, str] = field(default_factory=dict)

    def confirmed(self) -> int | None:
        """The image that the person confirmed last."""
        return next((column for column, verdict in reversed(self.verdicts.items()) if verdict == "yes"), None)

    def refinement(self) -> Refinement | None:
        """The one that counts: the person's, while the confirmation stands; else the MLLM's, unless the person refused it."""
        if self.by_person is not None and self.by_person.anchor == self.confirmed():
            return self.by_person
        refused = self.by_mllm is None or self.verdicts.get(self.by_mllm.anchor) == "no"
        return None if refused else self.by_mllm


def ranking(said: Said, mind: Mind | None, vectors: Vectors | None) -> np.ndarray:
    """Similarities (G,) after all that was said: THI's merge, then T_loc's evidence, then the person's feedback.

    Args:
        mind: for lambda and beta. vectors: of the gallery, for the feedback.
    """
    scores = said.base
    if mind is not None and (refinement := said.refinement()):
        anchor, second = np.array([refinement.anchor]), MatrixScores(refinement.base[None])
        scores = Reranked(MatrixScores(scores[None]), second, anchor, mind.thi.thi.lambda_).rows(slice(None))[0]
    if mind is not None and said.shares and said.record is None:
        chosen, columns = mind.evidence.chosen, np.array(list(said.shares))
        scores = np.array(scores)
        scores[columns] += chosen["beta"] * (log_odds(np.array(list(said.shares.values()))) - chosen["expected"][-1])
    return with_verdicts(scores, vectors, said.verdicts) if vectors is not None else scores


def combined(by_text: np.ndarray | None, by_photo: np.ndarray | None) -> np.ndarray:
    """Similarities (G,) to a text, a photo, or both.

    Two pictures are more alike than a picture and a text, so the photo's similarities first get the mean and spread of the
    text's; the thresholds that were chosen for texts then keep their meaning.
    """
    if by_text is None or by_photo is None:
        one = by_photo if by_text is None else by_text
        assert one is not None, "a search has a text or a photo"
        return one
    spread = by_photo.std()
    scaled = (by_photo - by_photo.mean()) / (spread if spread > 0 else 1)
    return (by_text + by_text.mean() + scaled * by_text.std()) / 2


def checked_text(text: str, photo: bool) -> str:
    """A query's text in one line.

    Raises:
        InputError: too long, or neither a text nor a photo.
    """
    if len(text) > LONGEST_TEXT:
        remedy = "Shorten it; the first 60 words or so are read."
        raise InputError("description", f"{len(text):,} characters", f"at most {LONGEST_TEXT:,}", remedy)
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if not words and not photo:
        raise InputError("query", "neither words nor a photo", "a description of a person, or a photo", "Give one.")
    return words


@dataclass
class Search:
    """Attributes:
    code: random key. who, manner: of `ANSWERERS`, `MANNERS`. said: the present state. scores: (G,) of the present ranking.
    orders: columns of the rankings that pages may still show, by step. saw: T_vqa's sub-texts by column.
    waiting: what the MLLM is still to do, in words. failed: why it said nothing. events: what happened, in order.
    lock: to be held by whoever changes it.
    """

    code: str
    text: str
    photo: Image.Image | None
    who: str
    manner: str
    said: Said
    vectors: Vectors | None = None
    mind: Mind | None = None
    step: int = 0
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0))
    orders: dict[int, np.ndarray] = field(default_factory=dict)
    saw: dict[int, list[str]] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    failed: str = ""
    events: list[dict] = field(default_factory=list)
    used: float = field(default_factory=time.monotonic)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def __post_init__(self) -> None:
        self._start = time.monotonic()
        self._past: deque[int] = deque(maxlen=KEPT)
        asked = {"text": self.text, "photo": self.photo is not None, "who": self.who, "manner": self.manner}
        self.change(self.said, "query", **asked)

    def change(self, said: Said, event: str, **details: object) -> None:
        """Take over a new state, rank anew, and note what happened."""
        with self.lock:
            self.said, self.scores = said, ranking(said, self.mind, self.vectors)
            self.step += 1
            if len(self._past) == KEPT:
                self.orders.pop(self._past[0], None)
            self._past.append(self.step)
            self.orders[self.step] = best_columns(-self.scores, min(SHOWN, len(self.scores)))
            after = round(time.monotonic() - self._start, 3)
            self.events.append({"seconds": after, "step": self.step, "event": event, **details})

    def column(self, step: int, place: int) -> int | None:
        """The gallery column that stood at a place (from 0) of a ranking; None where neither is known."""
        order = self.orders.get(step)
        return int(order[place]) if order is not None and 0 <= place < len(order) else None

    def tell(self, column: int, verdict: str) -> bool:
        """Take what the person says of an image: one of `VERDICTS`, or "" to take it back; says whether that is new."""
        with self.lock:
            if self.said.verdicts.get(column, "") == verdict:
                return False  # a double click
            verdicts = {k: v for k, v in self.said.verdicts.items() if k != column}
            if verdict:
                verdicts[column] = verdict
            self.change(
                replace(self.said, verdicts=verdicts), "verdict", column=column, verdict=verdict or "taken back"
            )
            return True

    def asked(self) -> int | None:
        """Place in the present ranking of the image that the person is asked about next: the first without a verdict."""
        if self.who == "mllm":
            return None
        order = self.orders[self.step]
        return next((place for place, k in enumerate(order.tolist()) if k not in self.said.verdicts), None)
