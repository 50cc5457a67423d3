"""What LLMs put around an answer: thinking, code fences, lead-ins, quotes, echoes, refusals. Nothing here raises on any text.

An answer without any of these stays as it is, to the letter.
"""

from __future__ import annotations

import ast
import json
import re
import warnings

# --- thinking -----------------------------------------------------------------------------------------------------

_TAGS = "think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis"
_OPEN = re.compile(rf"<(?:{_TAGS})>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<seed:think>", re.IGNORECASE)
_CLOSE = re.compile(rf"</(?:{_TAGS})>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|</seed:think>", re.IGNORECASE)
_THOUGHT = re.compile(f"(?:{_OPEN.pattern}).*?(?:{_CLOSE.pattern})", re.IGNORECASE | re.DOTALL)
_FINAL = re.compile(r"<\|channel\|>\s*final\s*(?:<\|constrain\|>[^<]*)?<\|message\|>", re.IGNORECASE)
_CHANNEL = re.compile(r"<\|channel\|>\s*(?:analysis|commentary)\b", re.IGNORECASE)
_ANSWER = re.compile(r"<(answer|output|result|final_answer|final)>(.*?)(?:</\1>|$)", re.IGNORECASE | re.DOTALL)
_SPECIAL = re.compile(r"<\|[^|<>\s]{1,40}\|>|</s>|<(?:start|end)_of_turn>")


def spoken(text: str) -> str:
    """What an answer says: without thinking, also unclosed, and without the chat's special tokens; "" where nothing is left.

    A closing tag alone ends thinking that the chat template opened. Halves of characters (lone surrogates) become U+FFFD.
    """
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if final := list(_FINAL.finditer(text)):
        text = text[final[-1].end() :]
    elif channel := _CHANNEL.search(text):
        text = text[: channel.start()]
    text = _THOUGHT.sub("", text)
    if ends := list(_CLOSE.finditer(text)):
        text = text[ends[-1].end() :]
    if opened := _OPEN.search(text):
        text = text[: opened.start()]
    if found := _ANSWER.search(text):
        text = found[2]
    return _SPECIAL.sub("", text).strip()


# --- wrapping -----------------------------------------------------------------------------------------------------

_NOUN = (
    r"(?:texts?|sub-?texts?|sentences?|sub-?sentences?|descriptions?|captions?|answers?|outputs?|responses?|results?|"
    r"versions?|lists?|paragraphs?|summar(?:y|ies)|quer(?:y|ies)|statements?|variants?|variations?|paraphrases?|rewrites?|"
    r"rewording?s?|aggregations?|ways|options|alternatives)"
)
_ADJECTIVE = r"(?!(?:man|woman|person|boy|girl|lady|guy|pedestrian)\b)[\w'’,-]+\s+"
_YES_SIR = r"(?:sure(?:\s+thing)?|certainly|of\s+course|absolutely|ok(?:ay)?|alright|got\s+it|no\s+problem|understood)"
_POLITE = re.compile(rf"^{_YES_SIR}\s*[!,.:]+\s*", re.IGNORECASE)
_LEAD_IN = re.compile(
    rf"^(?:here(?:['’]s|\s+is|\s+are)|below\s+(?:is|are)|the\s+following\s+(?:is|are)|this\s+is)\s+(?:{_ADJECTIVE}){{0,5}}?"
    rf"{_NOUN}\b[^:\n]{{0,120}}?(?::|\.?[ \t]*(?=\n))",
    re.IGNORECASE,
)
_LABEL = re.compile(
    rf"^(?:#+[ \t]*|[*_]{{1,3}})?(?:(?:the|final|aggregated|merged|combined|refined|rewritten|enriched|complete|resulting|"
    rf"updated|full|sample)\s+){{0,3}}{_NOUN}(?:[*_]{{1,3}}[ \t]*:|[ \t]*:[*_]{{0,3}})|^assistant[ \t]*:",
    re.IGNORECASE,
)
_HEADING = re.compile(rf"^#{{1,6}}[ \t]*(?:[\w-]+[ \t]+){{0,3}}{_NOUN}[ \t]*(?=\n)", re.IGNORECASE)
_PARTING = re.compile(
    r"\n\s*\(?[*_]{0,2}(?:(?:note|explanation)s?\b[*_]{0,2}\s*:.*|(?:please\s+)?let\s+me\s+know\b.*|i\s+hope\s+this\b.*|"
    r"hope\s+this\b.*|feel\s+free\s+to\b.*|if\s+you\s+(?:need|have|would|want)\b.*|is\s+there\s+anything\b.*)$",
    re.IGNORECASE | re.DOTALL,
)
_ITEM = re.compile(r"\n\W*\d{1,2}\s*[.):]")
_FENCE = re.compile(r"^(```+|~~~+)[^\n`~]*\n(.*?)(?:\n\1[ \t]*(?:\n.*)?)?$", re.DOTALL)
_PAIRS = ('""', "“”", "‘’", "«»", "「」", "``", "''", "**", "__")


def unwrapped(text: str) -> str:
    """An answer without thinking and without what stands around it: lead-ins, labels, fences, bold, quotes, partings."""
    text = spoken(text)
    while (less := unquoted(_peeled(text))) != text:
        text = less
    return text


def _peeled(text: str) -> str:
    """One layer less, if there is one."""
    for pattern in (_LEAD_IN, _LABEL, _HEADING, _POLITE):
        if found := pattern.match(text):
            return text[found.end() :].strip()
    if found := _FENCE.match(text):
        return found[2].strip()
    if (found := _PARTING.search(text)) and not _ITEM.search(found[0]):
        return text[: found.start()].strip()
    return text


def unquoted(text: str) -> str:
    """A text without bold marks or quotes around the whole of it."""
    text = text.strip()
    while pair := next((pair for pair in _PAIRS if _encloses(pair, text)), None):
        text = text.strip(pair).strip()
    return text


def _encloses(pair: str, text: str) -> bool:
    """Whether two marks stand around a whole text, and not within; an apostrophe within a word is no mark."""
    inner = text.strip(pair)
    if not inner.strip() or not (text.startswith(pair[0]) and text.endswith(pair[1])):
        return False
    if pair[1] in "'’":
        inner = re.sub(r"(?<=\w)['’](?=\w)", "", inner)
    return pair[0] not in inner and pair[1] not in inner


# --- lists and objects --------------------------------------------------------------------------------------------


TRIED = 50
"""Closing brackets that may end a list: those within its texts come before its own."""


def list_literal(text: str) -> tuple[list[str], str] | None:
    """The texts of a Python or JSON list that an answer begins with, and what stands after it; None where there is none.

    A list that was cut short has no texts, and nothing after it.
    """
    if not re.match(r"\[\s*(?:[\"'“]|\]$)", text):
        return None
    for end in [k for k, character in enumerate(text, 1) if character == "]"][:TRIED]:
        if (found := _literal(text[:end])) is not None:
            return found, text[end:].strip()
    return [], ""


def _literal(text: str) -> list[str] | None:
    for read in (json.loads, ast.literal_eval):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an escape that Python does not know
                found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list) and all(isinstance(item, str) for item in found):
            return [spoken(item) for item in found if item.strip()]
    return None


def only_value(text: str) -> str:
    """The text of a JSON object that holds one text and nothing else; any other text as it is."""
    if text.startswith("{") and text.endswith("}"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return text
        if isinstance(found, dict) and len(found) == 1 and isinstance(value := next(iter(found.values())), str):
            return spoken(value)
    return text


# --- no answers ---------------------------------------------------------------------------------------------------

_CANNOT = (
    r"(?:can(?:'t|not|\s+not)|could(?:n't|\s+not)|won't|will\s+not|do(?:n't|\s+not)|"
    r"(?:am|are|'m|'re)\s+(?:unable|not\s+able))"
)
_REFUSAL = re.compile(
    rf"(?:i(?:'m|\s+am)\s+(?:\w+\s+)?sorry\b[,.]?\s+(?:but|i|as)\b"
    rf"|(?:(?:i(?:'m|\s+am)\s+)?(?:\w+\s+)?sorry|(?:my\s+)?apologies|(?:i\s+)?apologi[sz]e|unfortunately|regrettably)\b"
    rf"[^.!?\n]{{0,60}}[,.:]?\s*(?:but\s+)?\b(?:i|we)\s*{_CANNOT}\b"
    r"|as\s+an?\s+(?:ai|artificial\s+intelligence|(?:large\s+)?(?:multimodal\s+)?language\s+model|virtual\s+assistant)\b"
    rf"|(?:i|we)\s*{_CANNOT}\s+(?:to\s+)?(?:\w+\s+)?(?:assist|help(?!\s+but)|provide|comply|identify|recogni[sz]e|fulfil+|engage|"
    r"participate|process|access|have\s+(?:the|access|any|enough)|feel\s+comfortable)\b"
    r"|(?:i|we)\s+(?:must|have\s+to|need\s+to)\s+(?:\w+ly\s+)?(?:decline|refuse)\b|i\s+(?:refuse|decline)\b"
    r"|(?:please|could\s+you(?:\s+please)?|can\s+you(?:\s+please)?)\s+(?:provide|share|upload|send|give)\b"
    r"|(?:this|the|your)\s+(?:request|content|prompt|input)\b[^.\n]{0,60}\b(?:violat\w+|not\s+allowed|inappropriate|flagged|blocked)"
    r"|很?抱歉|对不起|我无法|我不能)",
    re.IGNORECASE,
)
_OF_ITSELF = re.compile(
    rf"(?:(?:ok(?:ay)?|alright|hmm+|well|so|now|first(?:ly)?|wait)\b[,.]?\s+)*(?:(?:i|we)\s*{_CANNOT}\b|let\s+me\b|let's\b|let\s+us\b|"
    r"i\s+(?:need|have|should|will|must|think)\b|i'(?:ll|m\s+going)\b|we\s+(?:need|have|should|are\s+given)\b|the\s+user\b)",
    re.IGNORECASE,
)


def is_refusal(text: str) -> bool:
    """Whether an answer, without its wrapping, begins as one that refuses or asks for something does."""
    return _REFUSAL.match(_begun(text)) is not None


def is_no_description(text: str) -> bool:
    """Whether a text that should describe a person refuses, or speaks of its writer and the task ("Okay, I need to ...")."""
    return is_refusal(text) or _OF_ITSELF.match(_begun(text)) is not None


def _begun(text: str) -> str:
    return text.replace("’", "'").lstrip(" \t\r\n\"'“*_>#-")
