"""What a server sent, whatever it sent: JSON of OpenAI's or Ollama's form, or of hardly any. Only its failures are raised."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from icl.mllm.backends.failures import Declined, Transient, failure_of, shortened
from icl.mllm.cleaning import spoken
from icl.mllm.reading import VERDICT

LEAST_MASS = 0.5
"""Probability on all choices together below which they were not what the model wanted to say: its text decides."""


@dataclass(frozen=True)
class Position:
    """One token of a reply, and the (token, probability) that were likeliest in its place, itself among them."""

    token: str
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Reply:
    """Attributes:
    text: content, thinking included where the server does not set it apart. positions: of the first tokens, where given.
    cut: whether the limit ended it. prompt_tokens, answer_tokens: 0 where not told. model: who answered, as the server says.
    cached: prompt tokens that it took from its prefix cache; None where not told.
    """

    text: str
    positions: tuple[Position, ...] = ()
    cut: bool = False
    prompt_tokens: int = 0
    answer_tokens: int = 0
    model: str = ""
    cached: int | None = None

    def says(self, choices: tuple[str, ...] | None) -> bool:
        """Whether there is an answer in it: a verdict where there are choices, any words otherwise."""
        said = spoken(self.text)
        return bool(VERDICT.search(said) if choices else said)


def parsed(body: bytes | str) -> Any:
    """JSON of a body.

    Raises:
        Transient: it is none (a proxy's page, a body that was cut).
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        said = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
        raise Transient(f"unreadable reply: no JSON, but {shortened(said)!r}") from error


def openai_reply(body: Any) -> Reply:
    """From a chat completion.

    Raises:
        Transient: no choice or no message in it, or an error. Declined: a content filter took the answer away.
    """
    choices = _get(body, "choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = _get(choice, "message")
    if not isinstance(message, dict):
        raise _no_answer(body, "no choice" if choice is None else "no message")
    text, refusal = _text(message.get("content")), message.get("refusal")
    if _get(choice, "finish_reason") == "content_filter":
        raise Declined("content filter: it took the answer away")
    if not text and isinstance(refusal, str) and refusal.strip():
        raise Declined(f"refusal: {shortened(refusal)}")
    usage = _get(body, "usage")
    counts = (_count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))
    positions = _positions(_get(_get(choice, "logprobs"), "content"))
    return Reply(text, positions, _get(choice, "finish_reason") == "length", *counts, name_of(body), _cached(usage))


def ollama_reply(body: Any) -> Reply:
    """From Ollama's chat.

    Raises:
        Transient: no message in it, or an error. Declined: a content filter took the answer away.
    """
    message = _get(body, "message")
    if not isinstance(message, dict):
        raise _no_answer(body, "no message")
    counts = (_count(body, "prompt_eval_count"), _count(body, "eval_count"))
    cut = _get(body, "done_reason") == "length"
    return Reply(_text(message.get("content")), _positions(_get(body, "logprobs")), cut, *counts, name_of(body))


def _no_answer(body: Any, what: str) -> Exception:
    """Of a reply of HTTP 200 without an answer; it may name an error."""
    try:
        said = json.dumps(body)
    except RecursionError:
        said = "a deep one"
    return failure_of(200, said) if _get(body, "error") else Transient(f"unreadable reply: {what} in {shortened(said)}")


def _get(of: Any, name: str) -> Any:
    return of.get(name) if isinstance(of, dict) else None


def name_of(body: Any) -> str:
    """The model that answered, as the server says; empty where it does not."""
    found = _get(body, "model")
    return found if isinstance(found, str) else ""


def _cached(usage: Any) -> int | None:
    details = _get(usage, "prompt_tokens_details")
    return None if _get(details, "cached_tokens") is None else _count(details, "cached_tokens")


def _count(of: Any, name: str) -> int:
    value = _get(of, name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62 else 0


def _text(content: Any) -> str:
    """Of content that is a text, or a list of parts, some of which are texts."""
    parts = content if isinstance(content, list) else [content]
    texts = [
        part if isinstance(part, str) else _get(part, "text")
        for part in parts
        if _get(part, "type") in (None, "text", "output_text")
    ]
    return "".join(text for text in texts if isinstance(text, str))


def _positions(given: Any) -> tuple[Position, ...]:
    """Those that can be read, up to the first that cannot."""
    found = []
    for one in given if isinstance(given, list) else []:
        token = _get(one, "token")
        if not isinstance(token, str):
            break
        others = _get(one, "top_logprobs")
        others = others if isinstance(others, list) else []
        top: dict[str, float] = {}
        for other in [*others, one] if others else []:
            share, name = _probability(_get(other, "logprob")), _get(other, "token")
            if share is not None and isinstance(name, str):
                top.setdefault(name, share)
        found.append(Position(_plain(token), tuple(top.items())))
    return tuple(found)


def _probability(logprob: Any) -> float | None:
    if isinstance(logprob, bool) or not isinstance(logprob, int | float) or not logprob <= 1e6:
        return None
    return math.exp(min(max(logprob, -1e6), 0.0))


def _plain(token: str) -> str:
    """A token without the marks that some tokenizers write for blanks and line ends."""
    return token.replace("▁", " ").replace("Ġ", " ").replace("Ċ", "\n")


def shares_of(
    tokens: Iterable[tuple[str, float]], choices: tuple[str, ...], least: float = 0.0
) -> dict[str, float] | None:
    """Probabilities of the choices from the likeliest tokens of one place; None where they have less than `least` together.

    Args:
        tokens: (token, probability). Tokens of any case that begin a choice (" yes", "Y", `**Yes`) count for it.
    """
    found = dict.fromkeys(choices, 0.0)
    for token, share in tokens:
        word = re.sub(r"[\W_]+", "", _plain(token)).lower()
        for choice in choices:
            if word and choice.lower().startswith(word):
                found[choice] += share
    total = sum(found.values())
    return {choice: share / total for choice, share in found.items()} if total > 0 and total >= least else None


def verdict(reply: Reply, choices: tuple[str, ...]) -> tuple[str, dict[str, float] | None]:
    """The answer to a question with choices, and their probabilities.

    They are those of the place where the reply's words say one of them first, after any thinking. Where the server gives
    none for that place, or less than one half of it is on the choices, the words decide and there are no probabilities.
    """
    said = spoken(reply.text)
    shares = shares_of(_deciding(said, reply.positions), choices, LEAST_MASS)
    return (max(shares, key=shares.__getitem__), shares) if shares else (said, None)


def _deciding(said: str, positions: tuple[Position, ...]) -> tuple[tuple[str, float], ...]:
    """The likeliest tokens in the place of the first verdict of what was said; none where it cannot be found."""
    word, whole = VERDICT.search(said), "".join(position.token for position in positions)
    if word is None:
        return ()
    start = whole.rfind(said)
    if start < 0:  # the first tokens alone
        start = len(whole) - len(whole.lstrip())
        if not whole.strip() or not said.startswith(whole.strip()):
            return ()
    at, end = start + word.start(), 0
    for position in positions:
        end += len(position.token)
        if at < end:
            return position.top
    return ()
