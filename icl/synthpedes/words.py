"""The words of SynthPEDES: synonyms, noun phrases and the canonical sentence of every attribute.

A *statement* is a flat dict {attribute: value} of what a text says (keys as in `attributes.visible`).
Canonical words are the dict's own values; `say()` may replace them with a synonym.
"""

from __future__ import annotations

import random

from icl.synthpedes.attributes import COLOURS, HAIR_COLOURS

SYNONYMS = {
    "black": ("jet-black",),
    "white": ("snow-white",),
    "grey": ("gray", "charcoal"),
    "red": ("crimson", "scarlet"),
    "orange": ("tangerine",),
    "yellow": ("lemon",),
    "green": ("emerald", "olive"),
    "blue": ("navy", "cobalt"),
    "purple": ("violet", "plum"),
    "pink": ("rose",),
    "brown": ("chestnut", "chocolate"),
    "blond": ("blonde", "fair"),
    "t-shirt": ("tee",),
    "shirt": ("blouse", "button-up"),
    "jacket": ("blazer",),
    "coat": ("overcoat",),
    "hoodie": ("sweatshirt",),
    "tank top": ("singlet",),
    "striped": ("stripy",),
    "checked": ("plaid", "checkered"),
    "dotted": ("spotted",),
    "trousers": ("pants", "slacks"),
    "shorts": ("bermudas",),
    "sneakers": ("trainers",),
    "boots": ("booties",),
    "glasses": ("spectacles", "sunglasses"),
    "scarf": ("shawl",),
    "beanie": ("knit hat",),
    "cap": ("baseball cap",),
    "phone": ("cellphone",),
    "handbag": ("purse",),
    "cup": ("mug",),
    "backpack": ("rucksack",),
    "walking": ("strolling",),
    "running": ("jogging",),
    "park": ("garden",),
    "street": ("road",),
    "beach": ("seaside",),
    "shop": ("store",),
}
PERSON = {
    "male": ("man", "guy", "gentleman"),
    "female": ("woman", "lady", "girl"),
    "": ("person", "pedestrian"),
}
PRONOUN = {"male": ("He", "His"), "female": ("She", "Her"), "": ("The person", "The person's")}
PLURAL = {
    "trousers",
    "shorts",
    "sneakers",
    "boots",
    "glasses",
    "pants",
    "slacks",
    "bermudas",
    "trainers",
    "booties",
}
PLURAL |= {"spectacles", "sunglasses", "shoes", "bottoms"}

GROUPS: dict[str, tuple[str, ...]] = {
    "gender": ("gender",),
    "hair": ("hair_style", "hair_colour"),
    "upper": ("upper", "upper_colour", "sleeves", "pattern"),
    "lower": ("lower", "lower_colour"),
    "shoes": ("shoes", "shoes_colour"),
    "glasses": ("glasses",),
    "scarf": ("scarf",),
    "hat": ("hat", "hat_colour"),
    "belt": ("belt",),
    "backpack": ("backpack",),
    "held": ("held", "held_colour"),
    "action": ("action",),
    "background": ("background",),
    "others": ("others",),
}
"""Attribute groups in the canonical order, each with its flat attributes; the first one decides presence."""

CANONICAL = {synonym: word for word, group in SYNONYMS.items() for synonym in group}
COLOUR_WORDS = frozenset(COLOURS) | frozenset(HAIR_COLOURS)


def article(phrase: str) -> str:
    """`phrase` with its indefinite article, none before a plural."""
    if phrase.split()[-1] in PLURAL:
        return phrase
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


class Speaker:
    """Turns attributes into noun phrases; `richness` is the chance of a synonym for each word."""

    def __init__(self, rng: random.Random | None = None, richness: float = 0.0) -> None:
        self.rng, self.richness = rng, richness
        self.spoken: list[tuple[str, str]] = []  # (group, phrase) in the order of speaking

    def note(self, group: str, phrase: str) -> str:
        """Remember that a phrase speaks of a group."""
        self.spoken.append((group, phrase))
        return phrase

    def say(self, word: str) -> str:
        if self.rng and word in SYNONYMS and self.rng.random() < self.richness:
            return self.rng.choice(SYNONYMS[word])
        return word

    def chance(self, p: float) -> bool:
        return self.rng is not None and self.richness > 0 and self.rng.random() < p

    def hair(self, s: dict) -> str:
        style, colour = s.get("hair_style", ""), self.say(s.get("hair_colour", ""))
        if style == "bald":
            return "a bald head"
        if style == "ponytail":
            return article(" ".join(filter(None, (colour, "ponytail"))))
        return " ".join(filter(None, (style, colour, "hair")))

    def upper(self, s: dict) -> str:
        pattern, sleeves = s.get("pattern", ""), s.get("sleeves", "")
        before = [self.say(s.get("upper_colour", ""))]
        after = ""
        if pattern == "logo":
            after = " with a logo"
        elif pattern in ("striped", "checked") and self.chance(0.3):
            after = {"striped": " with stripes", "checked": " with checks"}[pattern]
        elif pattern == "dotted" and self.chance(0.3):
            after = " with dots"
        elif pattern:
            before.append(self.say(pattern))
        if sleeves and self.chance(0.5):
            before.insert(0, "sleeveless" if sleeves == "no" else f"{sleeves}-sleeved")
        elif sleeves:
            after = f"{after} and {sleeves} sleeves" if after else f" with {sleeves} sleeves"
        noun = self.say(s["upper"]) if s.get("upper") else "top"
        return article(" ".join(filter(None, (*before, noun)))) + after

    def lower(self, s: dict) -> str:
        kind, colour = s.get("lower", ""), self.say(s.get("lower_colour", ""))
        noun = {"long skirt": "skirt", "": "bottoms"}.get(kind) or self.say(kind)
        length = {"trousers": "long", "long skirt": "long", "skirt": "short"}.get(kind, "")
        if kind == "trousers" and self.chance(0.7):
            length = ""
        return article(" ".join(filter(None, (length, colour, noun))))

    def item(self, noun: str, colour: str = "") -> str:
        return article(" ".join(filter(None, (self.say(colour), self.say(noun)))))

    def worn(self, group: str, s: dict) -> str:
        """Noun phrase of one thing worn or carried."""
        return self.note(group, self._worn(group, s))

    def _worn(self, group: str, s: dict) -> str:
        if group in ("hair", "upper", "lower"):
            return getattr(self, group)(s)
        if group == "shoes":
            return self.item(s.get("shoes") or "shoes", s.get("shoes_colour", ""))
        if group == "hat":
            return self.item(s["hat"], s.get("hat_colour", ""))
        if group == "held":
            return self.item(s["held"], s.get("held_colour", ""))
        return self.item(group, s[group])


def join(phrases: list[str]) -> str:
    """ "a, b and c"."""
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def groups_of(statement: dict) -> list[str]:
    """Groups of which the statement says something, in canonical order."""
    return [group for group, keys in GROUPS.items() if any(statement.get(key) for key in keys)]


def canonical_sentence(group: str, s: dict) -> str:
    """The canonical single-attribute sentence: what T_vqa's answers and T_dec's sub-sentences say."""
    speak = Speaker()
    if group == "gender":
        return f"The person is {s['gender']}."
    if group == "hair":
        return "The person is bald." if s.get("hair_style") == "bald" else f"The person has {speak.hair(s)}."
    if group == "held":
        return f"The person is holding {speak.worn(group, s)}."
    if group == "backpack":
        return f"The person is carrying {speak.worn(group, s)}."
    if group == "action":
        return f"The person is {s['action']}."
    if group == "background":
        return f"The background is a {s['background']}."
    if group == "others":
        return "There are other people in the background."
    return f"The person is wearing {speak.worn(group, s)}."


def canonical_text(s: dict) -> str:
    """The aggregated description of a statement: T_aggr's answer."""
    speak, present = Speaker(), groups_of(s)
    subject = {"male": "The man", "female": "The woman"}.get(s.get("gender", ""), "The person")
    pronoun = {"male": "He", "female": "She"}.get(s.get("gender", ""), "The person")
    clothes = [speak.worn(g, s) for g in ("upper", "lower", "shoes", "glasses", "scarf", "hat", "belt") if g in present]
    parts = []
    if "hair" in present:
        parts.append("is bald" if s.get("hair_style") == "bald" else f"has {speak.hair(s)}")
    if clothes:
        parts.append(f"is wearing {join(clothes)}")
    sentences = (
        [f"{subject} {' and '.join(parts)}."]
        if parts
        else ([f"This is a {PERSON[s['gender']][0]}."] if s.get("gender") else [])
    )
    carried = []
    if "backpack" in present:
        carried.append(f"carrying {speak.worn('backpack', s)}")
    if "held" in present:
        carried.append(f"holding {speak.worn('held', s)}")
    if "action" in present:
        carried.append(s["action"])
    if carried:
        sentences.append(f"{pronoun} is {join(carried)}.")
    sentences += [canonical_sentence(g, s) for g in ("background", "others") if g in present]
    return " ".join(sentences)
