"""Read the attributes that a text states: for measuring answers, never for producing them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from icl.synthpedes.attributes import BACKGROUNDS, COLOURS, HAIR_COLOURS, HELD, PATTERNS, SHOES, UPPERS
from icl.synthpedes.words import CANONICAL

_SYNONYM = re.compile(r"\b(" + "|".join(sorted(map(re.escape, CANONICAL), key=len, reverse=True)) + r")\b")


def _one_of(values: Iterable[str], name: str) -> str:
    return rf"(?P<{name}>" + "|".join(sorted(map(re.escape, values), key=len, reverse=True)) + ")"


_COLOUR = rf"(?:{_one_of(COLOURS, 'colour')}(?: |-))?"
_PATTERN = rf"(?:{_one_of([p for p in PATTERNS if p != 'logo'], 'pattern')} )?"
_UPPER = re.compile(
    rf"(?:(?P<cut>long-sleeved|short-sleeved|sleeveless) )?{_COLOUR}{_PATTERN}{_one_of((*UPPERS, 'top'), 'noun')}\b"
    r"(?P<after>(?: with (?:a logo|stripes|checks|dots|(?:short|long|no) sleeves))?(?: and (?:short|long|no) sleeves)?)"
)
_LOWER = re.compile(rf"(?:(?P<length>long|short) )?{_COLOUR}(?P<noun>trousers|shorts|skirt|bottoms)\b")
_SHOES = re.compile(rf"{_COLOUR}{_one_of((*SHOES, 'shoes'), 'noun')}\b")
_HAT = re.compile(rf"{_COLOUR}(?P<noun>cap|beanie)\b")
_HELD = re.compile(rf"{_COLOUR}{_one_of(HELD, 'noun')}\b")
_HAIR = re.compile(rf"(?:(?P<style>short|long) )?(?:{_one_of(HAIR_COLOURS, 'colour')} )?(?P<noun>hair|ponytail)\b")
_MALE = re.compile(r"\b(man|guy|gentleman|male|he)\b")
_FEMALE = re.compile(r"\b(woman|lady|girl|female|she)\b")


def read_facts(text: str) -> dict[str, str]:
    """Flat attributes stated by a text (the first mention counts), in canonical words; negated items are skipped."""
    sentences = [s for s in re.split(r"(?<=[.!?])\s+|\n", text.lower()) if not re.search(r"\b(not|no other)\b", s)]
    text = _SYNONYM.sub(lambda m: CANONICAL[m.group(1)], " ".join(sentences))
    facts: dict[str, str] = {}
    female, male = _FEMALE.search(text), _MALE.search(text)
    if female or male:
        facts["gender"] = "female" if female else "male"
    _read_hair(text, facts)
    _read_upper(text, facts)
    if found := _LOWER.search(text):
        noun = "long skirt" if found["noun"] == "skirt" and found["length"] == "long" else found["noun"]
        _note(facts, lower=noun if noun != "bottoms" else "", lower_colour=found["colour"])
    if found := _SHOES.search(text):
        _note(facts, shoes=found["noun"] if found["noun"] != "shoes" else "", shoes_colour=found["colour"])
    for item in ("glasses", "scarf", "backpack", "belt"):
        if found := re.search(rf"{_COLOUR}{item}\b", text):
            facts[item] = found["colour"] or "yes"
    if found := _HAT.search(text):
        _note(facts, hat=found["noun"], hat_colour=found["colour"])
    if found := _HELD.search(text):
        _note(facts, held=found["noun"], held_colour=found["colour"])
    if found := re.search(r"\b(standing|walking|running)\b", text):
        facts["action"] = found[1]
    if found := re.search(rf"\b({'|'.join(BACKGROUNDS)})\b", text):
        facts["background"] = found[1]
    if re.search(r"\bother people\b", text):
        facts["others"] = "yes"
    return facts


def _note(facts: dict[str, str], **found: str | None) -> None:
    facts.update({key: value for key, value in found.items() if value})


def _read_hair(text: str, facts: dict[str, str]) -> None:
    if re.search(r"\bbald\b", text):
        facts["hair_style"] = "bald"
    elif found := _HAIR.search(text):
        style = "ponytail" if found["noun"] == "ponytail" else found["style"]
        _note(facts, hair_style=style, hair_colour=found["colour"])
    if found := re.search(rf"hair is (?:({'|'.join(HAIR_COLOURS)}))?(?: and )?(short|long)?", text):
        _note(facts, hair_style=found[2], hair_colour=found[1])


def _read_upper(text: str, facts: dict[str, str]) -> None:
    found = _UPPER.search(text)
    if found:
        after = found["after"] or ""
        written = {"a logo": "logo", "stripes": "striped", "checks": "checked", "dots": "dotted"}
        pattern = found["pattern"] or next((value for key, value in written.items() if f"with {key}" in after), "")
        cut = {"long-sleeved": "long", "short-sleeved": "short", "sleeveless": "no"}.get(found["cut"] or "", "")
        sleeves = cut or next((s for s in ("short", "long", "no") if f"{s} sleeves" in after), "")
        noun = found["noun"] if found["noun"] != "top" else ""
        _note(facts, upper=noun, upper_colour=found["colour"], pattern=pattern, sleeves=sleeves)
    if clothes := re.search(r"clothes (?:are|have a) (\w+)", text):
        facts["pattern"] = clothes[1]
