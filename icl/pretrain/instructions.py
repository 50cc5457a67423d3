"""Instruction data for SynthVL: the project's prompts with the answers of an assistant.

Localisation pairs are easy by construction: a text is paired with its own photograph or with one drawn at random.
No look-alikes are sought out; telling those apart is what LoRA is for.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

from icl.mllm import prompts, reading
from icl.pretrain.packing import Block
from icl.pretrain.vision import CLASSES
from icl.synthpedes.attributes import SLEEVES
from icl.synthpedes.captions import CaptionStyle, state, write_caption, write_caption_with_spans
from icl.synthpedes.dialogue import describe, merge, numbered, rewrites, sub_sentences, vqa_answers
from icl.synthpedes.words import GROUPS, canonical_sentence, groups_of

VARIANTS = 5
SOMETIMES = {"glasses", "scarf", "held", "backpack", "hat", "belt", "others"}
"""Attributes that a person may be without."""


@dataclass(frozen=True)
class Dialogue:
    """A user's text and the assistant's answer.

    Attributes:
        caption: a true caption inside the text, if any.
        focus: weight of the answer's first token (T_loc's whole verdict is one token).
        marks: (end of a phrase in the text, 1 if it contradicts the image else 0).
    """

    text: str
    answer: str
    caption: str = ""
    focus: float = 1.0
    marks: tuple[tuple[int, int], ...] = ()


def any_style(rng: random.Random, wrong: float = 0.0) -> CaptionStyle:
    """Annotators of every kind: terse or thorough, plain or rich in synonyms."""
    mention = {"default": rng.uniform(0.1, 0.9), "gender": 0.9}
    for group in ("upper", "lower"):
        mention[group] = rng.uniform(0.4, 1.0)
    return CaptionStyle(mention, detail=rng.uniform(0.6, 1.0), wrong=wrong, richness=rng.uniform(0.0, 0.6))


def some_caption(seen: dict[str, str], rng: random.Random, wrong: float = 0.0) -> tuple[dict[str, str], str]:
    """A statement about a photograph and its words; never empty."""
    while True:
        style = any_style(rng, wrong)
        said = state(seen, style, rng)
        if len(groups_of(said)) > 1:
            return said, write_caption(said, rng, style.richness)


def localise(seen: dict[str, str], others: list[dict[str, str]] | None, rng: random.Random) -> Dialogue:
    """T_loc with a caption of this photograph, or of one of `others` (answered Yes where it happens to be true here)."""
    said, wrong, richness = _statement(rng.choice(others) if others else seen, seen, rng)
    return _question(said, wrong, richness, "No" if wrong else "Yes", rng)


def localise_leniently(seen: dict[str, str], others: list[dict[str, str]] | None, rng: random.Random) -> Dialogue:
    """T_loc as a general assistant takes it: Yes to a caption of this photograph, a few mistakes and all; No only to one
    of another that is mistaken in most of what it names. What lies between is not taught: that is left to fine-tuning.
    """
    if others is None:
        said, wrong, richness = _statement(seen, seen, rng, mistaken=0.06)
        return _question(said, wrong, richness, "Yes", rng)
    while True:
        said, wrong, richness = _statement(rng.choice(others), seen, rng)
        groups = groups_of(said)
        if 2 * sum(any(key in wrong for key in GROUPS[group]) for group in groups) > len(groups):
            return _question(said, wrong, richness, "No", rng)


def _statement(
    told: dict[str, str], seen: dict[str, str], rng: random.Random, mistaken: float = 0.0
) -> tuple[dict[str, str], set[str], float]:
    """A statement about the photograph `told`, what of it is wrong for the photograph `seen`, and its richness of words."""
    said: dict[str, str] = {}
    while len(groups_of(said)) < 2:
        style = any_style(rng, mistaken)
        said = state(told, style, rng)
    return said, {key for key, value in said.items() if seen[key] != value}, style.richness


def _question(said: dict[str, str], wrong: set[str], richness: float, answer: str, rng: random.Random) -> Dialogue:
    caption, ends = write_caption_with_spans(said, rng, richness)
    text = prompts.localise_text(caption)
    start = text.index(caption)
    marks = tuple((start + end, int(any(key in wrong for key in GROUPS[group]))) for group, end in ends.items())
    return Dialogue(text, answer, "" if wrong else caption, focus=4.0, marks=marks)


def describe_image(seen: dict[str, str]) -> Dialogue:
    """T_vqa: the numbered list of 15 answers."""
    return Dialogue(prompts.vqa_text(), numbered(vqa_answers(seen)))


def aggregate_with(seen: dict[str, str], caption: str, merged: dict[str, str]) -> Dialogue:
    """T_aggr on a given caption and the answers about its photograph."""
    answers = reading.vqa_subtexts(numbered(vqa_answers(seen)))
    return Dialogue(prompts.aggregate_text(caption, answers), describe(merged))


def misread(seen: dict[str, str], rng: random.Random, chance: float = 0.12) -> dict[str, str]:
    """What somebody makes of a photograph who is mistaken in each attribute with a chance, as T_vqa's answers are."""
    taken = dict(seen)
    for key, values in CLASSES.items():
        if rng.random() < chance and (seen[key] or key in SOMETIMES):
            taken[key] = rng.choice(values if key in SOMETIMES else [value for value in values if value])
    for thing in ("hat", "held"):
        taken[f"{thing}_colour"] *= bool(taken[thing])
    return taken | {"sleeves": SLEEVES[taken["upper"]]}


def aggregate(seen: dict[str, str], rng: random.Random) -> Dialogue:
    """T_aggr on a caption and the answers, both with a few mistakes: where they differ, the caption's word stands."""
    said, caption = some_caption(seen, rng, wrong=0.05)
    answered = misread(seen, rng)
    return aggregate_with(answered, caption, merge(said, answered))


def decompose_of(statement: dict[str, str]) -> Dialogue:
    """T_dec on the aggregated description of a statement."""
    return Dialogue(prompts.decompose_text(describe(statement)), numbered(sub_sentences(statement)))


def decompose(seen: dict[str, str], rng: random.Random) -> Dialogue:
    """T_dec on a complete or a partial description."""
    said = some_caption(seen, rng)[0]
    return decompose_of(merge(said, seen if rng.random() < 0.7 else {}))


def rewrite_of(statement: dict[str, str], group: str, rng: random.Random) -> Dialogue:
    """T_rwt on the canonical sentence of one group."""
    text = prompts.rewrite_text(canonical_sentence(group, statement), VARIANTS)
    return Dialogue(text, numbered(rewrites(group, statement, VARIANTS, rng)))


def rewrite(seen: dict[str, str], rng: random.Random) -> Dialogue:
    """T_rwt on one single-attribute sentence."""
    merged = merge(some_caption(seen, rng)[0], seen if rng.random() < 0.7 else {})
    return rewrite_of(merged, rng.choice(groups_of(merged)), rng)


def facts_of(statement: dict[str, str], group: str) -> dict[str, str]:
    """The part of a statement that belongs to one group."""
    return {key: statement[key] for key in GROUPS[group] if statement.get(key)}


TEXT_TASKS = (aggregate, decompose, rewrite)


class Encoder:
    """Turns dialogues into token blocks in the model's chat form."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        opening = f"<|im_start|>system\n{prompts.system_text()}<|im_end|>\n<|im_start|>user\n"
        self.text_prefix = tokenizer(opening)["input_ids"]
        self.before = len(self.text_prefix) + 1
        self.image_token = tokenizer.convert_tokens_to_ids("<|image_pad|>")

    def image_prefix(self, count: int) -> list[int]:
        """Prefix with room for `count` visual tokens."""
        ends = self.tokenizer.convert_tokens_to_ids(["<|vision_start|>", "<|vision_end|>"])
        return [*self.text_prefix, ends[0], *[self.image_token] * count, ends[1]]

    def blocks(self, dialogues: list[Dialogue], caption_weight: float = 0.0) -> list[Block]:
        """Blocks in which the answer is learned, and a true caption with `caption_weight`."""
        users = self.tokenizer([d.text for d in dialogues], return_offsets_mapping=True)
        answers = self.tokenizer([f"<|im_end|>\n<|im_start|>assistant\n{d.answer}<|im_end|>" for d in dialogues])
        head = len(self.tokenizer("<|im_end|>\n<|im_start|>assistant\n")["input_ids"])
        out = []
        rows = zip(dialogues, users["input_ids"], users["offset_mapping"], answers["input_ids"], strict=True)
        for dialogue, user, offsets, answer in rows:
            learn = caption_weight if dialogue.caption else 0.0
            weights = [learn] * len(user) + [0.0] * head + [dialogue.focus] + [1.0] * (len(answer) - head - 1)
            ends = [end for _, end in offsets]
            marks = tuple((bisect_left(ends, end), label) for end, label in dialogue.marks)
            out.append(Block(user + answer, weights, marks))
        return out
