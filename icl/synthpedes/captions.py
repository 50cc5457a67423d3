"""Human-like captions: partial, varied, sometimes vague or wrong."""

from __future__ import annotations

import random
from dataclasses import dataclass

from icl.synthpedes.attributes import (
    ACTIONS,
    BACKGROUNDS,
    COLOURS,
    HAIR_COLOURS,
    HATS,
    HELD,
    LOWERS,
    PATTERNS,
    SHOE_COLOURS,
    SHOES,
    UPPERS,
)
from icl.synthpedes.words import GROUPS, PERSON, PRONOUN, Speaker, join

VALUES = {
    "hair_colour": HAIR_COLOURS,
    "upper": UPPERS,
    "upper_colour": COLOURS,
    "pattern": PATTERNS,
    "lower": LOWERS,
    "lower_colour": COLOURS,
    "shoes": SHOES,
    "shoes_colour": SHOE_COLOURS,
    "scarf": COLOURS,
    "hat": HATS,
    "hat_colour": COLOURS,
    "backpack": COLOURS,
    "held": HELD,
    "held_colour": COLOURS,
    "action": ACTIONS,
    "background": BACKGROUNDS,
}


@dataclass(frozen=True)
class CaptionStyle:
    """How a crowd of annotators writes.

    Attributes:
        mention: chance that a visible group is named, by group (`default` otherwise).
        detail: chance that each detail within a named group is given.
        wrong: chance that a named attribute is mistaken.
        richness: chance of a synonym for each word.
    """

    mention: dict[str, float]
    detail: float = 0.85
    wrong: float = 0.03
    richness: float = 0.35


BENCHMARK_STYLE = CaptionStyle(
    {
        "gender": 0.95,
        "upper": 0.97,
        "lower": 0.93,
        "default": 0.62,
        "action": 0.25,
        "background": 0.12,
        "others": 0.08,
    },
    detail=0.9,
)
TERSE_STYLE = CaptionStyle(
    {"gender": 0.9, "upper": 0.95, "lower": 0.85, "default": 0.45, "action": 0.15, "background": 0.2, "others": 0.1},
    detail=0.85,
    wrong=0.04,
    richness=0.6,
)
FINE_STYLE = CaptionStyle(
    {"default": 0.97, "action": 0.8, "background": 0.7, "others": 0.6}, detail=0.97, wrong=0.02, richness=0.5
)
WEB_STYLE = CaptionStyle(
    {"gender": 0.9, "upper": 0.9, "lower": 0.85, "default": 0.6, "action": 0.3, "background": 0.3, "others": 0.1},
    wrong=0.05,
    richness=0.0,
)
"""The texts of SynthCLIP's pre-training: thorough, but with one word for a thing where annotators have several."""


def state(seen: dict[str, str], style: CaptionStyle, rng: random.Random) -> dict[str, str]:
    """Choose what a caption says of what is visible: {attribute: value}, values possibly mistaken."""
    said: dict[str, str] = {}
    for group, keys in GROUPS.items():
        if not seen[keys[0]] or rng.random() > style.mention.get(group, style.mention["default"]):
            continue
        for key in keys:
            value = seen[key]
            keep = 0.25 if key == "sleeves" else style.detail
            if key == "pattern" and value == "plain":
                keep = 0.1
            if not value or (len(keys) > 1 and rng.random() > keep):
                continue
            if key in VALUES and rng.random() < style.wrong:
                value = rng.choice(VALUES[key])
            said[key] = value
    _repair(said)
    return said


def _repair(said: dict[str, str]) -> None:
    """A detail without its noun cannot be spoken of."""
    for noun, detail in (("hat", "hat_colour"), ("held", "held_colour")):
        if detail in said and noun not in said:
            del said[detail]
    if "hair_colour" in said and "hair_style" not in said:
        said["hair_style"] = ""
    if said.get("hair_style") == "bald":
        said.pop("hair_colour", None)
    for key in [key for key, value in said.items() if not value]:
        del said[key]


def write_caption(said: dict[str, str], rng: random.Random, richness: float) -> str:
    """Put a statement into words, in one of many sentence plans."""
    return _write(said, rng, Speaker(rng, richness))


def write_caption_with_spans(said: dict[str, str], rng: random.Random, richness: float) -> tuple[str, dict[str, int]]:
    """A caption, and where in it the phrase about each group ends (in characters)."""
    speak = Speaker(rng, richness)
    text = _write(said, rng, speak)
    return text, {group: text.index(phrase) + len(phrase) for group, phrase in speak.spoken if phrase in text}


def _write(said: dict[str, str], rng: random.Random, speak: Speaker) -> str:
    gender = said.get("gender", "")
    noun = PERSON[gender][0] if rng.random() > 0.4 else rng.choice(PERSON[gender])
    pronoun, possessive = PRONOUN[gender]
    have = [g for g in GROUPS if any(said.get(k) for k in GROUPS[g])]
    clothes = [g for g in ("upper", "lower", "shoes", "glasses", "scarf", "hat", "belt") if g in have]
    later = []
    if len(clothes) > 2:
        if rng.random() < 0.5:
            rng.shuffle(clothes)
        cut = rng.randint(2, len(clothes))
        clothes, later = clothes[:cut], clothes[cut:]
    subject = f"{rng.choice(('A', 'A', 'The', 'This'))} {noun}"
    if gender:
        speak.note("gender", subject)
    hair_first = "hair" in have and rng.random() < 0.5
    if hair_first:
        subject += f" with {speak.worn('hair', said)}"
    worn = join([speak.worn(g, said) for g in clothes]) if clothes else ""
    sentences = [_opening(subject, worn, said, have, rng, speak)]
    if "hair" in have and not hair_first:
        sentences.append(_hair(said, pronoun, possessive, rng, speak))
    if later:
        sentences.append(
            f"{pronoun} {rng.choice(('also wears', 'is also wearing', 'has'))} {join([speak.worn(g, said) for g in later])}."
        )
    sentences += _carrying(said, have, pronoun, rng, speak)
    if "background" in have:
        place = speak.note("background", speak.say(said["background"]))
        sentences.append(
            rng.choice((f"The background is a {place}.", f"There is a {place} behind.", f"It is at a {place}."))
        )
    if "others" in have:
        sentences.append(rng.choice(("There are other people in the background.", "Other people stand behind.")))
    first, rest = sentences[0], sentences[1:]
    if rng.random() < 0.4:
        rng.shuffle(rest)
    return " ".join([first, *rest])


def _opening(subject: str, worn: str, said: dict[str, str], have: list[str], rng: random.Random, speak: Speaker) -> str:
    doing = speak.note("action", speak.say(said["action"])) if "action" in have else ""
    if worn and doing:
        return rng.choice(
            (
                f"{subject} wearing {worn} is {doing}.",
                f"{subject} in {worn} is {doing}.",
                f"{subject} is {doing}, wearing {worn}.",
            )
        )
    if worn:
        plans = (
            f"{subject} is wearing {worn}.",
            f"{subject} wears {worn}.",
            f"{subject} dressed in {worn}.",
            f"{subject} in {worn}.",
        )
        return rng.choice(plans)
    return f"{subject} is {doing}." if doing else f"{subject}."


def _hair(said: dict[str, str], pronoun: str, possessive: str, rng: random.Random, speak: Speaker) -> str:
    style, colour = said.get("hair_style", ""), said.get("hair_colour", "")
    if style == "bald":
        return f"{pronoun} is {speak.note('hair', 'bald')}."
    if style != "ponytail" and rng.random() < 0.35:
        look = " and ".join(filter(None, (speak.say(colour), style)))
        return f"{possessive} {speak.note('hair', f'hair is {look}')}."
    return f"{pronoun} has {speak.worn('hair', said)}."


def _carrying(said: dict[str, str], have: list[str], pronoun: str, rng: random.Random, speak: Speaker) -> list[str]:
    sentences = []
    if "backpack" in have:
        bag = speak.worn("backpack", said)
        sentences.append(
            rng.choice(
                (
                    f"{pronoun} is carrying {bag}.",
                    f"{pronoun} carries {bag}.",
                    f"{pronoun} has {bag} on the back.",
                )
            )
        )
    if "held" in have:
        thing = speak.worn("held", said)
        sentences.append(
            rng.choice(
                (
                    f"{pronoun} is holding {thing}.",
                    f"{pronoun} holds {thing}.",
                    f"There is {thing} in the hand.",
                )
            )
        )
    return sentences
