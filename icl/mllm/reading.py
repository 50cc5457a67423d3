"""Read what an MLLM wrote: Yes/No, numbered lists, T_vqa's answers. Nothing here raises on any text."""

from __future__ import annotations

import re

from icl.mllm.protocol import Answer

_NUMBERED = re.compile(r"^\W*(\d{1,2})\s*[.):]\W*(.*)$")
_VERDICT = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
_LEAD = re.compile(r"^(?:(?:yes|no)\s*,\s*)+(?=\S)", re.IGNORECASE)


def is_yes(answer: str) -> bool:
    """True where the first yes/no word of an answer is "yes" ("eyes" is no such word)."""
    found = _VERDICT.search(answer)
    return bool(found) and found[1].lower() == "yes"


def is_yes_published(answer: str) -> bool:
    """True where "yes" stands anywhere, in "eyes" too."""
    return "yes" in answer.lower()


def yes_share(answer: Answer) -> float:
    """Probability of Yes; 0 or 1 where the back-end gives none."""
    return answer.probabilities["Yes"] if answer.probabilities else float(is_yes(answer.text))


def says_yes_or_no(text: str) -> bool:
    """Whether a yes/no word is there at all."""
    return _VERDICT.search(text) is not None


def numbered_list(answer: str) -> list[str]:
    """Items of a numbered list, in order; text around the list is dropped, empty items too."""
    items = (_NUMBERED.match(line.strip()) for line in answer.splitlines())
    return [found[2].strip() for found in items if found and found[2].strip()]


def vqa_subtexts(answer: str) -> list[str]:
    """Sub-texts of T_vqa's answer: one a numbered line, without leading Yes/No, capitalised, ending in a period.

    Where nothing is numbered, the non-empty lines stand in, so that a valid answer is never lost.
    """
    lines = numbered_list(answer) or [line.strip() for line in answer.splitlines()]
    subtexts = []
    for line in lines:
        text = _LEAD.sub("", line.strip(" *-"))
        if re.search(r"\w", text):
            text = text[0].upper() + text[1:]
            subtexts.append(text if text[-1] in ".!?。" else f"{text}.")
    return subtexts


def vqa_subtexts_published(answer: str) -> list[str]:
    """Sub-texts as the published code takes them: of each line without a colon what stands between the first two ". "."""
    subtexts = []
    for line in answer.split("\n"):
        if ":" not in line:
            parts = line.replace("Yes, ", "").replace("No, ", "").split(". ")
            text = parts[1][:1].upper() + parts[1][1:] if len(parts) > 1 else ""
            subtexts.append(text if text.endswith(".") or len(parts) == 1 else f"{text}.")
    return subtexts


READINGS = {"careful": (is_yes, vqa_subtexts), "published": (is_yes_published, vqa_subtexts_published)}
"""By `mllm.reading`: what is a Yes, and T_vqa's sub-texts."""
