"""Why a question found no answer: what another try may mend, what is this question's own, and what would be any question's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable


class Transient(Exception):
    """A failure that another try may mend; the message begins with its kind and a colon."""


class Declined(Exception):
    """This question, whatever the tries, gets no answer; others may. The message begins with its kind and a colon."""


class Refused(Exception):
    """A failure that no other try will mend, of this question or another (wrong request, unknown model, no access)."""


class BadRequest(Refused):
    """The server has understood who is asked, and takes no such question (HTTP 400 or 422); its reason says why."""


_FILTER = re.compile(
    r"content[ _-]?filter|content[ _-]?management[ _-]?polic|content[ _-]?polic|responsible[ _-]?ai|data_?inspection|"
    r"inappropriate[ _-]content|moderation|safety system|flagged|violat\w+ [^.]{0,40}polic|guardrail|prohibited[ _-]content",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"maximum context|context[ _-]?(?:length|window|size)|max_model_len|(?:prompt|input) is too (?:long|large)|too many tokens|"
    r"exceeds? the (?:available |maximum )?(?:context|number of tokens)|payload too large|image (?:is )?too large",
    re.IGNORECASE,
)
_ACCOUNT = re.compile(
    r"insufficient_quota|billing|credit balance|insufficient (?:balance|credits?)|api[ _]key", re.IGNORECASE
)


def failure_of(status: int, said: str, answered: bool = False) -> Exception:
    """What a server's error means.

    Args:
        status: of HTTP. said: the body. answered: whether this server has answered such a question before, so that
            a request it calls bad is bad for what is in it.
    """
    reason, clients = reason_of(said), status == 200 or 400 <= status < 500
    if clients and status not in (401, 404, 429) and _FILTER.search(said):
        return Declined(f"content filter: {reason}")
    account = "insufficient_quota" in said if status == 429 else clients and _ACCOUNT.search(said)
    if status in (401, 402, 403, 404, 405, 407) or account:
        return Refused(f"HTTP {status}: {reason}")
    if status == 413 or (status in (200, 400, 422) and _TOO_LONG.search(said)):
        return Declined(f"too long: {reason}")
    if status in (400, 422):
        return Declined(f"bad request: {reason}") if answered else BadRequest(f"HTTP {status}: {reason}")
    return Transient(f"error in a reply: {reason}" if status == 200 else f"HTTP {status}: {reason}")


def shortened(said: str, limit: int = 300) -> str:
    """On one line, and no longer than that."""
    said = " ".join(said.split())
    return said if len(said) <= limit else f"{said[: limit - 3]}..."


def reason_of(said: str) -> str:
    """The message in an error's body, of whatever form; the body itself where there is none."""
    words = [*named(said, ("message", "msg", "detail", "error", "code"))]
    return shortened("; ".join(dict.fromkeys(words)) or said or "nothing said")


def named(said: str, names: Iterable[str]) -> Iterable[str]:
    """Texts under these names in a JSON body, in its order; what a server quotes of the request has others."""
    try:
        todo = [json.loads(said)]
    except (ValueError, RecursionError):
        return
    while todo:
        found = todo.pop(0)
        if isinstance(found, list):
            todo = [*(item for item in found if isinstance(item, dict | list)), *todo]
        elif isinstance(found, dict):
            for name in names:
                if isinstance(value := found.get(name), str) and value.strip():
                    yield value
                elif isinstance(value, list) and name == "loc":
                    yield from (item for item in value if isinstance(item, str))
                elif isinstance(value, dict | list):
                    todo.append(value)
