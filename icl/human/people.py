"""Simulated people: who takes a session without being anybody. They answer through the same `Session` as people do."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from icl.human.pack import Pack
from icl.human.protocols.base import WRITTEN
from icl.human.questions import TOPICS, topic_of
from icl.human.session import Session, View
from icl.rerank.split import Encoder
from icl.synthpedes.captions import BENCHMARK_STYLE, state, write_caption
from icl.synthpedes.dialogue import QUESTION_GROUPS, vqa_answers

FLIPPED = 0.1
"""Chance that the judge with flips says the opposite of the truth."""
FIRST_TOLD = ("sex", "upper", "lower")
"""Topics of the description that the MLLM gives: what T_vqa's first answers are about, hair left out."""
_GROUPS = {
    "sex": "gender",
    "bag": "backpack",
    "hand": "held",
}
"""SynthPEDES' attribute group of a topic, where its name is another one."""

Answer = tuple[str, str]
"""What is answered, and the text."""


@dataclass(frozen=True)
class Person:
    """A simulated person.

    Attributes:
        name: in file names and rows. protocol: judge or witness. knows: what no real person in that place would know; "" for
            nothing. answers: the answer to a view of a query, with a generator of the session's own.
        drawn: whether the benchmark's attributes are needed.
    """

    name: str
    protocol: str
    knows: str
    answers: Callable[[Pack, int, View, random.Random], Answer]
    drawn: bool = False


def is_right(pack: Pack, query: int, column: int) -> bool:
    """Whether a gallery image shows the wanted identity."""
    return bool(pack.embeddings.image_pids[column] == pack.embeddings.text_pids[query])


def _verdict(yes: bool) -> Answer:
    return "yes" if yes else "no", ""


def _perfect(pack: Pack, query: int, view: View, rng: random.Random) -> Answer:
    return _verdict(is_right(pack, query, view.image))


def _flips(pack: Pack, query: int, view: View, rng: random.Random) -> Answer:
    return _verdict(is_right(pack, query, view.image) != (rng.random() < FLIPPED))


def _coin(pack: Pack, query: int, view: View, rng: random.Random) -> Answer:
    return _verdict(rng.random() < 0.5)


def _mllm(pack: Pack, query: int, view: View, rng: random.Random) -> Answer:
    return _verdict(bool(pack.yes[query, view.round - 1]))


def _mllm_looking(pack: Pack, query: int, view: View, rng: random.Random) -> Answer:
    """T_vqa's sub-texts of the picture, never hidden from it, are all that it says."""
    subtexts = pack.subtexts[pack.looks[query]]
    if view.kind == "look":
        return "seen", ""
    if view.kind == "describe":
        first = [text for text in subtexts if (topic := topic_of(text)) and topic.name in FIRST_TOLD]
        return "described", " ".join(first) or "A person."
    return _said(next((text for text in subtexts if _asks(view.question, text)), ""))


def _attributes(pack: Pack, query: int, view: View, rng: random.Random) -> Answer:
    """A description as the benchmark's annotators write, and true answers, both from what the picture shows."""
    seen = pack.seen[pack.looks[query]]
    if view.kind == "look":
        return "seen", ""
    if view.kind == "describe":
        return "described", write_caption(state(seen, BENCHMARK_STYLE, rng), rng, BENCHMARK_STYLE.richness)
    topic = next((topic.name for topic in TOPICS if topic.question == view.question), "")
    group = _GROUPS.get(topic, topic)
    if group not in QUESTION_GROUPS:
        return "unsure", ""
    sentence = vqa_answers(seen)[QUESTION_GROUPS.index(group)]
    return _said(sentence.removeprefix("Yes, ").removeprefix("No, ").capitalize())


def _asks(question: str, subtext: str) -> bool:
    topic = topic_of(subtext)
    return topic is not None and topic.question == question


def _said(text: str) -> Answer:
    return ("told", text) if text else ("unsure", "")


PEOPLE = (
    Person("mllm", "judge", "", _mllm),
    Person("perfect", "judge", "knows the answer", _perfect),
    Person("flips", "judge", "knows the answer", _flips),
    Person("coin", "judge", "", _coin),
    Person("mllm-looking", "witness", "sees the target", _mllm_looking),
    Person("attributes", "witness", "sees the target's attributes", _attributes, drawn=True),
)
"""The MLLM's stored answers, a judge without mistakes, one that says the opposite of the truth 10% of the time, a coin; the
MLLM with the wanted picture before it, and somebody who reads the attributes that a generated benchmark was drawn from."""


def people_for(pack: Pack) -> list[Person]:
    """Those that can answer about a benchmark: without attributes nobody reads them, without second pictures nobody looks."""
    looks = bool((pack.looks[pack.pool] >= 0).all())
    return [one for one in PEOPLE if (looks or one.protocol == "judge") and (pack.seen is not None or not one.drawn)]


def simulate(person: Person, pack: Pack, folder: Path, code: str, encoder: Encoder) -> Session:
    """Answer a session to its end; its answers follow from the pack, the person and the code.

    Args:
        folder: for the journal. code: whose queries.
    """
    session = Session.start(pack, folder, person.protocol, encoder, code, person.name, synced=False)
    rng = random.Random(f"{pack.hash} {person.name} {code}")
    while (view := session.view()).kind != "done":
        answer, text = person.answers(pack, session.queries[view.number - 1], view, rng)
        session.take(view.step, answer, text if answer in WRITTEN else "")
    return session
