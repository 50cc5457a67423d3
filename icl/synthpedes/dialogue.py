"""What a careful assistant would answer: truth for SynthVL's instruction data, and for measuring its answers."""

from __future__ import annotations

import random

from icl.synthpedes.words import GROUPS, PERSON, Speaker, canonical_sentence, canonical_text, groups_of

QUESTION_GROUPS = (
    "gender", "hair", "upper", "lower", "pattern", "shoes", "glasses", "scarf", "held", "backpack", "hat", "belt",
    "action", "background", "others",
)  # fmt: skip
"""The group that each of T_vqa's 15 questions asks about, in order."""
_ABSENT = {
    "glasses": "The person is not wearing glasses.",
    "scarf": "The person is not wearing a scarf.",
    "held": "The person is not holding anything.",
    "backpack": "The person is not carrying a backpack.",
    "hat": "The person is not wearing a hat.",
    "belt": "The person is not wearing a belt.",
    "others": "There are no other people in the background.",
}
_PATTERN = {
    "plain": "The clothes are plain.",
    "logo": "The clothes have a logo.",
    "striped": "The clothes are striped.",
    "checked": "The clothes are checked.",
    "dotted": "The clothes are dotted.",
}
_YES_NO = set(_ABSENT) | {"pattern"}


def vqa_answers(seen: dict[str, str]) -> list[str]:
    """The 15 answers to T_vqa on a photograph that shows `seen`, with leading Yes/No where it was asked."""
    answers = []
    for group in QUESTION_GROUPS:
        if group == "pattern":
            sentence, yes = _PATTERN[seen["pattern"]], seen["pattern"] != "plain"
        elif seen[GROUPS[group][0]]:
            facts = {key: seen[key] for key in GROUPS[group] if key != "pattern"}
            sentence, yes = canonical_sentence(group, facts), True
        else:
            sentence, yes = _ABSENT[group], False
        if group in _YES_NO:
            sentence = f"{'Yes' if yes else 'No'}, {sentence[0].lower()}{sentence[1:]}"
        answers.append(sentence)
    return answers


def numbered(lines: list[str]) -> str:
    """ "1. a\\n2. b"."""
    return "\n".join(f"{k}. {line}" for k, line in enumerate(lines, 1))


def merge(said: dict[str, str], seen: dict[str, str]) -> dict[str, str]:
    """The facts of a caption completed by those of the answers; the caption's own word stands where both speak."""
    keys = [key for group in GROUPS.values() for key in group]
    merged = {key: said.get(key) or seen.get(key, "") for key in keys}
    if merged["pattern"] == "plain":
        merged["pattern"] = ""
    if said.get("upper") and said["upper"] != seen.get("upper", said["upper"]):
        merged["sleeves"] = said.get("sleeves", "")
    if merged["hair_style"] == "bald":
        merged["hair_colour"] = ""
    return {key: value for key, value in merged.items() if value}


def sub_sentences(statement: dict[str, str]) -> list[str]:
    """Single-attribute sentences of a statement: T_dec's answer."""
    return [canonical_sentence(group, statement) for group in groups_of(statement)]


def rewrites(group: str, s: dict[str, str], m: int, rng: random.Random, richness: float = 0.3) -> list[str]:
    """`m` different sentences with the meaning of a canonical one: T_rwt's answer."""
    found: list[str] = []
    for _ in range(60):
        sentence = _rewrite(group, s, rng, Speaker(rng, richness))
        if sentence not in found:
            found.append(sentence)
        if len(found) == m:
            break
    return (found * m)[:m]


def _rewrite(group: str, s: dict, rng: random.Random, speak: Speaker) -> str:
    who = rng.choice(("The person", "This person", "The pedestrian"))
    if group == "gender":
        noun = rng.choice(PERSON[s["gender"]][:1])
        plans = (
            f"This is a {s['gender']} person.",
            f"It is a {noun}.",
            f"{who} is a {noun}.",
            f"A {noun} is shown.",
        )
        return rng.choice((*plans, f"The picture shows a {noun}.", f"{who} is {s['gender']}."))
    if group == "hair":
        hair = speak.hair(s)
        if s.get("hair_style") == "bald":
            return rng.choice(
                (
                    f"{who} is bald.",
                    f"{who} has a bald head.",
                    f"{who} appears bald.",
                    "A bald person.",
                    f"{who} looks bald.",
                )
            )
        return rng.choice(
            (
                f"{who} has {hair}.",
                f"A person with {hair}.",
                f"{who} wears {hair}.",
                f"There is {hair} on the head.",
                f"{who} shows {hair}.",
            )
        )
    if group == "action":
        act = speak.say(s["action"])
        return rng.choice(
            (
                f"{who} is {act}.",
                f"A person {act}.",
                f"{who} seems to be {act}.",
                f"{who} appears to be {act}.",
            )
        )
    if group == "background":
        place = speak.say(s["background"])
        return rng.choice(
            (
                f"The background is a {place}.",
                f"There is a {place} behind.",
                f"A {place} is in the background.",
                f"It is at a {place}.",
                f"Behind is a {place}.",
            )
        )
    if group == "others":
        return rng.choice(
            (
                "There are other people in the background.",
                "Other people are in the background.",
                "Other people stand behind.",
                "Some other people are behind.",
                "There are other people behind.",
            )
        )
    thing = speak.worn(group, s)
    if group == "held":
        return rng.choice(
            (
                f"{who} is holding {thing}.",
                f"{who} holds {thing}.",
                f"There is {thing} in the hand.",
                f"{who} has {thing} in the hand.",
            )
        )
    if group == "backpack":
        return rng.choice(
            (
                f"{who} is carrying {thing}.",
                f"{who} carries {thing}.",
                f"{who} has {thing} on the back.",
                f"There is {thing} on the back.",
            )
        )
    return rng.choice(
        (
            f"{who} is wearing {thing}.",
            f"{who} wears {thing}.",
            f"{who} has {thing} on.",
            f"{who} is dressed in {thing}.",
            f"{who} is in {thing}.",
        )
    )


def describe(statement: dict[str, str]) -> str:
    """The canonical aggregated description."""
    return canonical_text(statement)
