"""Read what an MLLM wrote: Yes/No, lists, T_vqa's answers, a merged text. Nothing here raises on any text.

What stands around an answer is taken off first (`cleaning`), except in the published reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from icl.mllm.cleaning import is_no_description, is_refusal, list_literal, only_value, spoken, unquoted, unwrapped
from icl.mllm.protocol import Answer

VERDICT = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
_NUMBERED = re.compile(r"^\W*(\d{1,2})\s*[.):](?!\d)[\s*_`#:–—•-]*(.*)$")
_BULLET = re.compile(r"^\s*[-*•–]\s+(.*)$")
_MARKER = re.compile(r"(?:(?<!\S)|(?<=[.!?;。]))[(*_]*(\d{1,2})[.)][*_]*(?:\s+|$|(?=[^\W\d]))")
_LEAD = re.compile(r"^(?:(?:yes|no)\s*,\s*)+(?=\S)", re.IGNORECASE)
_NO_END = re.compile(
    r"\w\W+(?:the|a|an|on|in|at|of|to|from|with|and|or|for|by|near|his|her|their|its|is|are|size|number|no|nr|line|platform|room|"
    r"gate|level|floor)$",
    re.IGNORECASE,
)
"""Words that no item of several ends with: a number with a dot after them is an ordinal, or a size."""


def is_yes(answer: str) -> bool:
    """True where the first yes/no word of an answer is "yes" ("eyes" is no such word); thinking does not count."""
    found = VERDICT.search(spoken(answer))
    return found is not None and found[1].lower() == "yes"


def is_yes_published(answer: str) -> bool:
    """True where "yes" stands anywhere, in "eyes" too."""
    return "yes" in answer.lower()


def yes_share(answer: Answer) -> float:
    """Probability of Yes; 0 or 1 where there is none: the back-end gives none, or too little of it was on Yes and No."""
    return answer.probabilities["Yes"] if answer.probabilities else float(is_yes(answer.text))


def says_yes_or_no(text: str) -> bool:
    """Whether a yes/no word is there at all, outside of thinking."""
    return VERDICT.search(spoken(text)) is not None


def unscored(answers: Sequence[Answer]) -> int:
    """Yes/No answers that have no probabilities, so that `yes_share` takes them for 0 or 1."""
    return sum(not answer.probabilities for answer in answers)


def numbered_list(answer: str) -> list[str]:
    """Items of a numbered list, in order, also where several stand on one line; text around the list is dropped.

    Empty items are dropped, and those that refuse ("I'm sorry, but I can't ...").
    """
    lines = unwrapped(answer).splitlines()
    starts = {int(found[1]) for line in lines if (found := _NUMBERED.match(line.strip()))}
    items = (_NUMBERED.match(part) for line in lines for part in _unmerged(line.strip(), starts))
    return _kept(found[2] for found in items if found)


def _kept(items: Iterable[str]) -> list[str]:
    found = (unquoted(item.replace("**", "")) for item in items)
    return [item for item in found if re.search(r"\w", item) and not is_refusal(item)]


def _unmerged(line: str, starts: set[int]) -> list[str]:
    """The items of a line that holds several ("1. a 2. b 3. c"), each with its number; the line alone where it holds one.

    A number goes on with the list where it is the next one, has no line of its own in `starts`, and does not stand after a
    word that no item ends with ("on the 2. floor").
    """
    cuts: list[int] = []
    last = body = 0
    for found in _MARKER.finditer(line):
        number, before = int(found[1]), line[body : found.start()].rstrip(" *_(")
        if not cuts:
            goes_on = not before or (number == 1 and before[-1] in ":.!")
        else:
            goes_on = number == last + 1 and number not in starts and not _NO_END.search(before)
        if goes_on:
            cuts.append(found.start())
            last, body = number, found.end()
    if len(cuts) < 2:
        return [line]
    return [line[a:b].strip() for a, b in zip(cuts, [*cuts[1:], len(line)], strict=True)]


def listed(answer: str) -> list[str]:
    """Items of a list in whatever form: numbered, with bullets, or as a Python or JSON list."""
    if items := numbered_list(answer):
        return items
    text = unwrapped(answer)
    if (found := list_literal(text)) is not None:
        return _kept(found[0])
    bullets = [m[1] for line in text.splitlines() if (m := _BULLET.match(line))]
    return _kept(bullets) if len(bullets) > 1 else []


def vqa_subtexts(answer: str) -> list[str]:
    """Sub-texts of T_vqa's answer: one a numbered line, without leading Yes/No, capitalised, ending in a period.

    Where nothing is numbered, the non-empty lines stand in, so that a valid answer is never lost; a refusal has none.
    """
    text = unwrapped(answer)
    lines = listed(answer) or ([] if is_refusal(text) else [line.strip() for line in text.splitlines()])
    subtexts = []
    for line in lines:
        text = _LEAD.sub("", line.strip(" *-"))
        if re.search(r"[^\W\d_]", text):
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


def merged_text(answer: str, subtexts: Sequence[str] = ()) -> str:
    """T_aggr's text without what stands around it; "" where there is none: nothing, a refusal, or the sub-texts as they were.

    Args:
        subtexts: what T_aggr was to merge: the caption and T_vqa's sub-texts. An answer that begins with their list goes on
            after it; any other list is a text in pieces.
    """
    text, known = only_value(unwrapped(answer)), {item.strip() for item in subtexts}
    while (found := list_literal(text)) is not None:
        items, rest = found
        text = only_value(unwrapped(rest)) or ("" if len(items) != 1 and set(items) <= known else " ".join(items))
    text = text.replace("**", "")
    return "" if is_no_description(text) or not re.search(r"\w", text) else text


def merged_text_published(answer: str, subtexts: Sequence[str] = ()) -> str:
    """T_aggr's answer, whatever it is."""
    return answer


READINGS = {
    "careful": (is_yes, vqa_subtexts, merged_text),
    "published": (is_yes_published, vqa_subtexts_published, merged_text_published),
}
"""By `mllm.reading`: what is a Yes, T_vqa's sub-texts, and T_aggr's text."""
