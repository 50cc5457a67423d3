"""What a synthetic pedestrian looks like: identities in look-alike families, and the shots taken of them.

An `Identity` keeps its clothes for life; a `Shot` is one photograph: view, action, held item, background, camera.
`visible()` states what a viewer of that photograph can see; captions, VQA truth and the renderer all start there.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from typing import cast

COLOURS = ("black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
HAIR_COLOURS = ("black", "brown", "blond", "grey", "red")
HAIR_STYLES = ("short", "long", "ponytail", "bald")
UPPERS = ("t-shirt", "shirt", "jacket", "coat", "hoodie", "tank top")
SLEEVES = {
    "t-shirt": "short",
    "shirt": "long",
    "jacket": "long",
    "coat": "long",
    "hoodie": "long",
    "tank top": "no",
}
PATTERNS = ("plain", "striped", "checked", "logo", "dotted")
LOWERS = ("trousers", "shorts", "skirt", "long skirt")
SHOES = ("sneakers", "boots")
SHOE_COLOURS = ("black", "white", "brown", "red", "blue")
HATS = ("cap", "beanie")
HELD = ("phone", "handbag", "umbrella", "cup", "book")
ACTIONS = ("standing", "walking", "running")
BACKGROUNDS = ("street", "park", "building", "beach", "shop")
VIEWS = ("front", "back", "side")


@dataclass(frozen=True)
class Identity:
    """Appearance of one person; an empty string means "none"."""

    gender: str
    hair_style: str
    hair_colour: str
    upper: str
    upper_colour: str
    pattern: str
    lower: str
    lower_colour: str
    shoes: str
    shoes_colour: str
    glasses: str
    scarf: str
    hat: str
    hat_colour: str
    backpack: str
    belt: str


Tint = tuple[float, float, float]
"""Factors of red, green and blue."""


@dataclass(frozen=True)
class Shot:
    """One photograph of a person. Light and geometry are relative to a neutral camera."""

    view: str
    action: str
    held: str
    held_colour: str
    background: str
    others: int
    flip: bool
    scale: float
    shift_x: float
    shift_y: float
    gain: float
    tint: Tint
    blur: float
    noise: float
    occlusion: float
    seed: int


@dataclass(frozen=True)
class Camera:
    """Ranges of a domain's cameras: the wider, the harder the photographs."""

    gain: tuple[float, float] = (0.7, 1.2)
    tint: float = 0.08
    blur: float = 0.8
    noise: float = 7.0
    occlusion: float = 0.12
    scale: tuple[float, float] = (0.86, 1.05)
    shift: float = 0.05
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Wardrobe:
    """What people of a season wear: weights in the order of `UPPERS` and `COLOURS` (None: all alike), and chances."""

    uppers: tuple[float, ...] | None = None
    colours: tuple[float, ...] | None = None
    scarf: float = 0.2
    hat: float = 0.25


CITY = Camera()
"""Surveillance cameras of the benchmark."""
WEB = Camera(gain=(0.9, 1.15), tint=0.03, blur=0.4, noise=2.0, occlusion=0.03, scale=(0.92, 1.02), shift=0.03)
"""The tidy photographs of the retriever's pre-training."""


def fingerprint(person: Identity) -> int:
    """A stable 32-bit number of an appearance."""
    return zlib.crc32("|".join(astuple(person)).encode())


def in_benchmark(person: Identity) -> bool:
    """One quarter of all appearances is kept for benchmarks; pre-training draws from the others only."""
    return fingerprint(person) % 4 == 0


def in_pretraining(person: Identity) -> bool:
    """Complement of `in_benchmark`."""
    return not in_benchmark(person)


def _maybe(rng: random.Random, p: float, values: Sequence[str]) -> str:
    return rng.choice(values) if rng.random() < p else ""


def _pick(rng: random.Random, values: Sequence[str], weights: Sequence[float] | None) -> str:
    return rng.choices(values, weights)[0] if weights else rng.choice(values)


def sample_identity(rng: random.Random, wardrobe: Wardrobe = Wardrobe()) -> Identity:
    """Draw one appearance."""
    gender = rng.choice(("male", "female"))
    styles = (8, 1, 0, 2) if gender == "male" else (2, 5, 4, 0)
    lowers = (7, 4, 0, 0) if gender == "male" else (4, 2, 3, 2)
    hat = _maybe(rng, wardrobe.hat, HATS)
    return Identity(
        gender=gender,
        hair_style=rng.choices(HAIR_STYLES, styles)[0],
        hair_colour=rng.choice(HAIR_COLOURS),
        upper=_pick(rng, UPPERS, wardrobe.uppers),
        upper_colour=_pick(rng, COLOURS, wardrobe.colours),
        pattern=rng.choices(PATTERNS, (5, 2, 2, 2, 1))[0],
        lower=rng.choices(LOWERS, lowers)[0],
        lower_colour=_pick(rng, COLOURS, wardrobe.colours),
        shoes=rng.choice(SHOES),
        shoes_colour=rng.choice(SHOE_COLOURS),
        glasses=_maybe(rng, 0.25, ("black",)),
        scarf=_maybe(rng, wardrobe.scarf, COLOURS),
        hat=hat,
        hat_colour=rng.choice(COLOURS) if hat else "",
        backpack=_maybe(rng, 0.3, COLOURS),
        belt=_maybe(rng, 0.25, ("black", "brown", "white")),
    )


def _other(rng: random.Random, values: Sequence[str], current: str) -> str:
    return rng.choice([value for value in values if value != current])


def _changes(rng: random.Random, one: Identity) -> dict:
    """One visible difference between look-alikes, often of a kind that captions mention."""
    kind = rng.choices(
        (
            "upper_colour",
            "lower_colour",
            "upper",
            "pattern",
            "lower",
            "hair",
            "shoes",
            "backpack",
            "hat",
            "scarf",
        ),
        (4, 4, 3, 3, 2, 2, 2, 2, 1, 1),
    )[0]
    if kind in ("upper_colour", "lower_colour"):
        return {kind: _other(rng, COLOURS, getattr(one, kind))}
    if kind == "upper":
        return {"upper": _other(rng, UPPERS, one.upper)}
    if kind == "pattern":
        return {"pattern": _other(rng, PATTERNS, one.pattern)}
    if kind == "lower":
        allowed = LOWERS if one.gender == "female" else LOWERS[:2]
        return {"lower": _other(rng, allowed, one.lower)}
    if kind == "hair":
        return {"hair_colour": _other(rng, HAIR_COLOURS, one.hair_colour)}
    if kind == "shoes":
        return {"shoes_colour": _other(rng, SHOE_COLOURS, one.shoes_colour)}
    if kind == "hat":
        return {"hat": "", "hat_colour": ""} if one.hat else {"hat": "cap", "hat_colour": rng.choice(COLOURS)}
    return {kind: "" if getattr(one, kind) else rng.choice(COLOURS)}


def sample_family(
    rng: random.Random, accept: Callable[[Identity], bool], wardrobe: Wardrobe = Wardrobe(), size: int = 4
) -> list[Identity]:
    """Look-alikes: each differs from the first in one or two attributes, and all differ from each other.

    `accept` says which appearances may be drawn (a split's or a benchmark's share of them).
    """
    family: list[Identity] = []
    while not family:
        first = sample_identity(rng, wardrobe)
        family = [first] if accept(first) else []
    while len(family) < size:
        member = family[0]
        for _ in range(rng.choice((1, 2, 2))):
            member = replace(member, **_changes(rng, member))
        if member not in family and accept(member):
            family.append(member)
    return family


def sample_shot(rng: random.Random, camera: Camera, view: str | None = None) -> Shot:
    """Draw the circumstances of one photograph under a domain's cameras."""
    action = rng.choices(ACTIONS, (4, 5, 1))[0]
    held = _maybe(rng, 0.35, HELD)
    return Shot(
        view=view or rng.choices(VIEWS, (5, 3, 3))[0],
        action=action,
        held=held,
        held_colour=rng.choice(COLOURS) if held in ("handbag", "umbrella", "book") else "",
        background=rng.choice(BACKGROUNDS),
        others=rng.choice((0, 0, 1)),
        flip=rng.random() < 0.5,
        scale=rng.uniform(*camera.scale),
        shift_x=rng.uniform(-camera.shift, camera.shift),
        shift_y=rng.uniform(-camera.shift, camera.shift) / 2,
        gain=rng.uniform(*camera.gain),
        tint=cast(Tint, tuple(own * (1 + rng.uniform(-camera.tint, camera.tint)) for own in camera.cast)),
        blur=rng.uniform(0, camera.blur),
        noise=rng.uniform(0, camera.noise),
        occlusion=rng.uniform(0.3, 0.6) if rng.random() < camera.occlusion else 0.0,
        seed=rng.randrange(2**31),
    )


def visible(person: Identity, shot: Shot) -> dict[str, str]:
    """What the photograph shows, as flat attributes; "" means none (or hidden from this side)."""
    seen = asdict(person)
    if shot.view == "back":
        seen["glasses"] = ""
        if person.pattern == "logo":
            seen["pattern"] = "plain"
    if shot.view == "back" or person.upper == "coat":
        seen["belt"] = ""
    if person.hair_style == "bald":
        seen["hair_colour"] = ""
    seen.update(
        sleeves=SLEEVES[person.upper],
        view=shot.view,
        action=shot.action,
        held=shot.held,
        held_colour=shot.held_colour,
        background=shot.background,
        others="yes" if shot.others else "",
    )
    return seen
