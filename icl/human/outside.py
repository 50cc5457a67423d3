"""What may come from outside into a session: codes, answers, texts, a stopwatch's seconds, lines of a journal."""

from __future__ import annotations

import math
import re

from icl.errors import InputError
from icl.human.protocols.base import TAKES, WRITTEN, Dialogue, Turn

LONGEST = 2000
"""Characters of a text at most."""
LONGEST_SECONDS = 86_400.0
"""What a browser's stopwatch may say."""
_CODE = re.compile(r"[a-z0-9][a-z0-9-]{3,63}")


def checked_code(code: str) -> str:
    """A session's code, which names a file.

    Raises:
        InputError: it cannot be one.
    """
    if not _CODE.fullmatch(code):
        raise InputError("session", "a code that is not known", "the code of a session", "Check it, or start anew.")
    return code


def check_answer(turn: Turn, answer: str, text: str) -> None:
    """That a turn takes an answer.

    Raises:
        InputError: it does not, or the text is empty, too long, or where none belongs.
    """
    if answer not in TAKES[turn.kind]:
        raise InputError("answer", f"{answer[:40]!r}", " or ".join(TAKES[turn.kind]), "Choose one of these.")
    if len(text) > LONGEST:
        raise InputError("text", f"{len(text)} characters", f"at most {LONGEST}", "Shorten it.")
    if answer in WRITTEN and not re.search(r"\w", text):
        raise InputError("text", "an empty text", "a few words", "Write what you remember.")
    if answer not in WRITTEN and text:
        raise InputError("text", "a text", f"none with the answer {answer}", "Leave it empty.")


def fits(line: dict, dialogue: Dialogue) -> bool:
    """Whether a journal's line answers a dialogue's present turn; what a witness was shown is as the line says."""
    kind, texts = line.get("kind"), (line.get("text"), line.get("question"))
    if line.get("query") != dialogue.query or line.get("answer") not in TAKES[kind] or kind != dialogue.kind:
        return False
    if kind == "judge" and line.get("images") != dialogue.turn().shown:
        return False
    return all(isinstance(text, str) for text in texts)


def plain(text: str) -> str:
    """One line, without halves of characters and what cannot be printed."""
    whole = text.encode("utf-8", "replace").decode()
    return " ".join("".join(c if c.isprintable() else " " for c in whole).split())


def sensible(seconds: float | None) -> float | None:
    """What a stopwatch says, or None where it cannot be right."""
    if not isinstance(seconds, (int, float)) or not math.isfinite(seconds) or not 0 <= seconds <= LONGEST_SECONDS:
        return None
    return round(float(seconds), 3)
