"""The prompt templates: data files whose content hash enters every cached answer's key and every result's provenance.

T_loc, T_vqa and T_aggr stand as printed in the supplementary (Figures 1 to 3); T_dec and T_rwt are unpublished: ours.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from icl.errors import InputError

NAMES = ("system", "localise", "vqa", "aggregate", "decompose", "rewrite")


@dataclass(frozen=True)
class Prompt:
    """One template: its name, its text without the final line break, and the sha256 of that text."""

    name: str
    text: str
    sha256: str


@cache
def load_prompt(name: str) -> Prompt:
    """Read a template.

    Raises:
        InputError: unknown name.
    """
    if name not in NAMES:
        raise InputError("prompt", repr(name), f"one of {', '.join(NAMES)}", "Use a known prompt name.")
    text = (files("icl.mllm") / "prompts" / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")
    return Prompt(name, text, hashlib.sha256(text.encode()).hexdigest())


def _fill(name: str, **values: str) -> str:
    # Plain replacement, all at once: texts may hold braces.
    filled = {"{" + key + "}": _plain(value) for key, value in values.items()}
    return re.sub("|".join(map(re.escape, filled)), lambda found: filled[found[0]], load_prompt(name).text)


def _plain(text: str) -> str:
    """A text that is no markup of a chat (`<|im_end|>` ends nothing) and has no halves of characters."""
    return text.encode("utf-8", "replace").decode().replace("<|", "< |")


def system_text() -> str:
    """System instruction of all prompts."""
    return load_prompt("system").text


def localise_text(caption: str) -> str:
    """T_loc (Figure 1): does the caption describe the image?"""
    return _fill("localise", caption=caption)


def vqa_text() -> str:
    """T_vqa (Figure 2): the 15 questions; depends on no caption."""
    return load_prompt("vqa").text


def aggregate_text(caption: str, answers: list[str]) -> str:
    """T_aggr (Figure 3): the raw caption followed by the sub-texts of the answers, as a Python-style list."""
    return _fill("aggregate", subtexts=str([caption, *answers]))


def decompose_text(text: str) -> str:
    """T_dec: split a description into single-attribute sentences."""
    return _fill("decompose", text=text)


def rewrite_text(sentence: str, m: int) -> str:
    """T_rwt: `m` sentences of the same meaning."""
    return _fill("rewrite", m=str(m), sentence=sentence)


def prompt_hashes() -> dict[str, str]:
    """sha256 of every template, for the provenance."""
    return {name: load_prompt(name).sha256 for name in NAMES}
