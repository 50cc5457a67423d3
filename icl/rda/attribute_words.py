"""Attribute words of a sentence, synonyms folded together: what a rewrite must keep."""

from __future__ import annotations

import re

_COLOURS = (
    "black white grey red orange yellow green blue purple pink brown blond beige silver gold navy olive cream maroon khaki"
).split()


_GARMENTS = (
    "t-shirt shirt jacket coat hoodie trousers shorts skirt dress jeans leggings sweater suit vest sneakers boots sandals "
    "heels shoes glasses scarf hat cap beanie belt backpack bag handbag umbrella phone cup book tank striped checked dotted "
    "plain logo bald ponytail short long male female sleeveless walking standing running sitting riding park street building "
    "beach shop"
).split()


_SAME = {
    "gray": "grey", "charcoal": "grey", "blonde": "blond", "fair": "blond", "crimson": "red", "scarlet": "red",
    "tangerine": "orange", "lemon": "yellow", "emerald": "green", "olive": "green", "navy": "blue", "cobalt": "blue",
    "violet": "purple", "plum": "purple", "rose": "pink", "chestnut": "brown", "chocolate": "brown", "tee": "t-shirt",
    "blouse": "shirt", "button-up": "shirt", "blazer": "jacket", "overcoat": "coat", "sweatshirt": "hoodie",
    "singlet": "tank", "stripy": "striped", "stripes": "striped", "plaid": "checked", "checkered": "checked",
    "checks": "checked", "spotted": "dotted", "dots": "dotted", "pants": "trousers", "slacks": "trousers",
    "bermudas": "shorts", "trainers": "sneakers", "booties": "boots", "spectacles": "glasses", "sunglasses": "glasses",
    "shawl": "scarf", "cellphone": "phone", "purse": "handbag", "mug": "cup", "rucksack": "backpack",
    "strolling": "walking", "jogging": "running", "garden": "park", "road": "street", "seaside": "beach", "store": "shop",
    "man": "male", "woman": "female", "guy": "male", "lady": "female", "short-sleeved": "short", "long-sleeved": "long",
    "jet-black": "black", "snow-white": "white",
}  # fmt: skip


_FREE = {"short", "long", "top", "sleeveless"}
"""Length words come and go with a garment's name ("long trousers", "pants")."""


def attribute_words(sentence: str) -> frozenset[str]:
    """Colour, garment and other attribute words of a sentence, synonyms folded together."""
    words = re.findall(r"[a-z][a-z-]*", sentence.lower().replace("knit hat", "beanie").replace("baseball cap", "cap"))
    folded = {_SAME.get(word, word) for word in words}
    return frozenset(folded & {*_COLOURS, *_GARMENTS}) - _FREE


def same_attributes(rewrite: str, sentence: str) -> bool:
    """True where a rewrite neither loses nor adds an attribute word of its sentence."""
    return attribute_words(rewrite) == attribute_words(sentence)
