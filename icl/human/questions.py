"""The question whose answers split the first candidates best, from what T_vqa said of each gallery image.

T_vqa asks fixed topics (`TOPICS`), but an MLLM numbers, merges and leaves out as it likes, so that a sub-text is put under a
topic by its words. What it says there is a set of values: colours, garments, cuts, with synonyms folded together, or `no`
where the thing is denied. Images with the same set give the same answer. A topic's question is worth the entropy of its
answers over the first images: how much an answer is expected to tell which of them is meant. An image of which nothing is
said gives no answer of its own, so that silence never makes a question look good.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from icl.rda.attribute_words import attribute_words

DENIED = re.compile(
    r"\b(no|not|none|without|nothing|isn't|doesn't|don't|aren't|cannot|can't|plain|neither|nor|empty)\b", re.IGNORECASE
)
_CUTS = re.compile(
    r"\b(short|long|medium|shoulder-length|curly|straight|sleeveless|sleeves?|ankle-length|knee-length|full-length|three-quarter|"
    r"slim|loose|tight|floral|graphic|solid|denim|leather|high|low|dark|light|bright)\b",
    re.IGNORECASE,
)
_FOLDED = {"sleeve": "sleeves", "full-length": "long", "ankle-length": "long"}


@dataclass(frozen=True)
class Topic:
    """Attributes:
    name: in one word. question: what a person is asked. about: finds the sub-texts that speak of it.
    present: a thing that a person has or has not: a denial is an answer.
    """

    name: str
    question: str
    about: re.Pattern
    present: bool = False


def _topic(name: str, question: str, words: str, present: bool = False) -> Topic:
    return Topic(name, question, re.compile(rf"\b({words})\b", re.IGNORECASE), present)


TOPICS = (
    _topic(
        "hat",
        "Does the person wear a hat? If so, what kind and colour?",
        "hats?|caps?|beanies?|helmets?|headwear",
        True,
    ),
    _topic("scarf", "Does the person wear a scarf? If so, what colour is it?", "scarf|scarves|shawl", True),
    _topic("glasses", "Does the person wear glasses?", r"(?:eye|sun)?glasses|spectacles", True),
    _topic(
        "bag",
        "Does the person carry a backpack or bag? If so, what colour is it?",
        "backpacks?|rucksacks?|shoulder bag|bag on",
        True,
    ),
    _topic("belt", "Does the person wear a belt? If so, what colour is it?", "belts?|waistband", True),
    _topic(
        "shoes",
        "What are the shoes like: kind and colour?",
        "shoes?|sneakers?|boots?|sandals?|heels|trainers|footwear|slippers|booties",
    ),
    _topic("hair", "What is the hair like: length and colour?", "hair|hairstyle|ponytail|bald|bun|braids?"),
    _topic(
        "lower",
        "What does the person wear on the legs: kind, colour and length?",
        "trousers|pants|shorts|skirts?|jeans|leggings|slacks|bottoms|trouser",
    ),
    _topic("background", "What is behind the person?", "background|behind"),
    _topic(
        "hand",
        "Does the person hold something? If so, what, and of which colour?",
        "holding|holds?|hands?|handbag|purse|umbrella|phone|cup|book|anything",
        True,
    ),
    _topic(
        "pattern",
        "Are the clothes plain, or do they have a pattern or logo?",
        "patterns?|clothes|logo|stripe[sd]|prints?",
    ),
    _topic(
        "upper",
        "What does the person wear on the upper body: kind, colour and sleeves?",
        "t-shirt|shirt|jacket|coat|hoodie|tank top|top|sweater|blouse|dress|vest|suit|upper|sleeves|tee|sweatshirt|cardigan|"
        "singlet|blazer",
    ),
    _topic(
        "action",
        "What is the person doing: standing, walking, running?",
        "standing|walking|running|sitting|riding|doing",
    ),
    _topic("sex", "Is the person a man or a woman?", "male|female|man|woman|boy|girl|lady|gentleman|guy"),
)
"""In the order in which a sub-text is put under one of them: the first that it speaks of. Who else is in a picture says nothing
of the person and is left out."""
ELSE = "What else do you remember of the person?"
"""Where no topic splits the first images."""
AGAIN = 0.5
"""Chosen on SynthPEDES' val among 0 (0.43), 0.3 (0.42), 0.5 (0.41), 0.7 (0.39) and 1 (0.40): best log rank integral, the mean
of both simulated witnesses; 0.7 and above lose Rank-1 with the MLLM."""
_OTHERS = re.compile(r"\bother (?:people|persons?|pedestrians?)\b", re.IGNORECASE)
_BY_USE = ("upper", "lower", "shoes", "hair", "bag", "hat", "hand", "pattern", "scarf", "glasses", "belt", "sex")
"""Topics in the order in which they are asked where all split the images alike; lasting ones only."""


def topic_of(subtext: str) -> Topic | None:
    """What a sub-text speaks of."""
    if _OTHERS.search(subtext):
        return None
    return next((topic for topic in TOPICS if topic.about.search(subtext)), None)


def said(subtexts: Sequence[str]) -> dict[str, frozenset[str]]:
    """Values by topic of one image; the first sub-text of a topic counts."""
    found: dict[str, frozenset[str]] = {}
    for text in subtexts:
        topic = topic_of(text)
        if topic and topic.name not in found and (values := _values(topic, text)):
            found[topic.name] = values
    return found


def _values(topic: Topic, text: str) -> frozenset[str]:
    if DENIED.search(text) and (topic.present or topic.name == "pattern"):
        return frozenset({"no"})
    cuts = {_FOLDED.get(word.lower(), word.lower()) for word in _CUTS.findall(text)}
    words = attribute_words(text) | (cuts if topic.name in ("hair", "lower", "upper", "shoes", "pattern") else set())
    return frozenset(words) or frozenset({"yes"} if topic.present else ())


def worth(answers: Sequence[frozenset[str] | None]) -> float:
    """Entropy in bits of the answers over all images, silent ones (None) included as no gain.

    Args:
        answers: of one topic, one an image.
    """
    counts = Counter(answer for answer in answers if answer is not None)
    total = sum(counts.values())
    entropy = sum(n / total * math.log2(total / n) for n in counts.values()) if total else 0.0
    return entropy * total / len(answers) if answers else 0.0


def next_question(subtexts: Sequence[Sequence[str]], asked: Sequence[str], told: Sequence[str]) -> str:
    """The question of greatest worth among those that were not asked; `ELSE` where none splits the images.

    Args:
        subtexts: of the first images, best first. asked: questions so far. told: what the person said so far; the question of a
            topic that it spoke of is worth `AGAIN` of what it was: people leave out details, but seldom all of them.
    """
    each, known = [said(texts) for texts in subtexts], _known(told)
    lasting = sorted((topic for topic in TOPICS if topic.name in _BY_USE), key=lambda topic: _BY_USE.index(topic.name))
    worths = {
        topic.question: worth([one.get(topic.name) for one in each]) * (AGAIN if topic.name in known else 1)
        for topic in lasting
        if topic.question not in asked
    }
    best = max(worths, key=worths.__getitem__, default=ELSE)
    return best if worths.get(best, 0) > 0 else ELSE


def _known(told: Sequence[str]) -> set[str]:
    """Topics that a person spoke of: a description names several in one sentence, so that each of its clauses counts."""
    clauses = [clause for text in told for clause in re.split(r"[.,;!?]|\b(?:and|with|in|carrying|wearing)\b", text)]
    return {
        topic.name for clause in clauses for topic in TOPICS if topic.about.search(clause) and _values(topic, clause)
    }
