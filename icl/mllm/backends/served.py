"""What back-ends behind a server share: small images, bounded concurrency, and several tries at every question."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

import tenacity

from icl.errors import InputError
from icl.mllm.backends.failures import BadRequest, Declined, Refused, Transient
from icl.mllm.backends.network import through
from icl.mllm.backends.pictures import grid_of
from icl.mllm.backends.replies import Reply, verdict
from icl.mllm.backends.wishes import Wishes
from icl.mllm.cleaning import spoken
from icl.mllm.protocol import Answer, Request
from icl.mllm.reading import says_yes_or_no
from icl.mllm.settings import MLLMSettings
from icl.progress import announce, progress

TOPS = (20, 10, 5, 2)
"""Most likely tokens asked for in each place; fewer where a server refuses so many."""
NO_SHARES = "Yes and No have no probabilities; a row that ranks by them knows 0 and 1 only"
FEWER_SHARES = (
    "it gives the {} likeliest tokens at most: other spellings of Yes and No do not count in their probabilities"
)
BARE = 3
"""Replies without probabilities after which a server is taken for one that has none: a fault alone is no proof."""
NEUTRAL = {"top_p": 1.0, "min_p": 0.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
"""Sampling that changes no probability. It is asked for by name: a server's own values come from the model's files (Qwen's
top_k 1 and repetition_penalty 1.05, which leave one answer to every seed, and change the likeliest words too)."""
NO_TOP_K = (-1, 0)
"""All words, as vLLM, SGLang and llama.cpp have it; as servers that know no negative number do."""
_OWN = "answers are drawn with the server's own value, where it has one"
SAMPLING_COSTS = dict.fromkeys((*NEUTRAL, "top_k", "repetition_penalty", "repeat_penalty"), _OWN)


PROMPTS = "prompt tokens"
THINKING = 1024
"""Tokens of room for a reply that was cut before it said anything: it thinks first."""


def with_room(request: Request, send: Callable[[int], Reply]) -> Answer:
    """A reply, read; one that was cut at its limit is asked for once more: with twice the room, or with some to think.

    The cut one stays where a server refuses so much room (it may be more than the model's context), if it says anything.

    Args:
        send: a limit in tokens to a reply.

    Raises:
        Transient, Declined, Refused: there is none.
    """
    reply, limit = send(request.max_new_tokens), request.max_new_tokens
    said = reply.says(request.choices)
    if reply.cut and not (said and request.choices):
        try:
            reply = send(2 * limit if said else limit + THINKING)
        except (Declined, Refused):
            if not said:
                raise
    text, shares = verdict(reply, request.choices) if request.choices else (reply.text, None)
    return Answer(text, shares, reply.prompt_tokens, reply.answer_tokens)


class Served:
    """Asks many questions side by side; a failed one is tried again, later and later, and in the end marked.

    Args:
        ask: one question to one answer; raises Transient, Declined or Refused.
        adapted: whether `mllm.adapter_model` answers the tasks of `mllm.adapter_tasks`.

    Raises:
        InputError: it does, and has no name.
    """

    served = True  # `icl.mllm.backends.is_served`

    def __init__(self, settings: MLLMSettings, ask: Callable[[Request], Answer], adapted: bool = False) -> None:
        self.settings, self.url, self._ask = settings, settings.url, ask
        self.tolerant = settings.on_failure == "fallback"
        self.adapted = adapted
        if adapted and not settings.adapter_model:
            remedy = "Name what the server calls it in mllm.adapter_model, or leave out the rows that use LoRA."
            raise InputError("mllm.adapter_model", "no name", "the name of the model with the adapter", remedy)
        self._told_tokens = self._cached_tokens = 0
        self.facts: dict[str, dict[str, str]] = {}
        """What the server tells of a model and of itself, by the model's name there, once it was looked up."""
        self.wishes = Wishes(self.url, {})
        self._bare: float = 0
        self._lock = threading.Lock()
        """Replies without probabilities, as long as there were none with them."""
        self.told: dict[str, str] = {}
        """Who answered by the server's own word, by the name that was asked for."""
        self.answered: set[str] = set()
        """Tasks of which this server has answered a question."""

    def identity(self, task: str) -> dict[str, str]:
        """What an answer depends on besides the request: who answers this task, and how it is asked and read.

        What was asked or read otherwise before is asked again: images off the model's grid, sampling of the server's own,
        verdicts that were read elsewhere than in the place that decides.
        """
        name = self.model_of(task)
        for model in {name, self.settings.model} - self.facts.keys():
            self.facts[model] = self.look_up(model)
        found = {"backend": self.settings.backend, "model": name} | self.facts[name]
        found |= {"max_pixels": str(self.settings.max_pixels), "grid": str(self.grid), "sampling": "neutral"}
        return found | ({"verdict": "in its place"} if task == "localise" else {})

    def check(self) -> None:
        """Whether the server is there and knows the models.

        Raises:
            InputError: it is not, or does not.
        """

    def look_up(self, name: str) -> dict[str, str]:
        """What the server tells of a model and of itself (`facts.identity_of`).

        Raises:
            InputError: it does not answer.
        """
        return {}

    @property
    def grid(self) -> int:
        """Pixels of one visual token's side, by what is known of the model."""
        told = [value for facts in self.facts.values() for name, value in facts.items() if name in ("path", "base")]
        return grid_of(self.settings.model, *told)

    def models(self) -> list[str]:
        """The names that are asked for."""
        return [self.settings.model] + [self.settings.adapter_model] * self.adapted

    def model_of(self, task: str) -> str:
        """The name that is asked for a task."""
        return self.models()[-1] if task in self.settings.adapter_tasks else self.settings.model

    def learn_from(self, other: Served) -> None:
        """Take over what another back-end of the same server has learnt of it, so that nothing is tried or told twice."""
        self.wishes, self._bare = other.wishes, other._bare

    def forget_images(self) -> None:
        """Nothing is kept here between questions; what the server keeps is its own, and `cache_use` counts it."""

    def cache_use(self) -> dict[str, tuple[int, int]]:
        """(all, those of them from the server's cache) so far, by what is cached: the prompt tokens of replies that tell it."""
        return {PROMPTS: (self._told_tokens, self._cached_tokens)}

    @property
    def bare(self) -> bool:
        """Whether the server gives no probabilities, though it takes the question for them."""
        return self._bare >= BARE

    def _count_bare(self, reply: Reply) -> None:
        with self._lock:
            self._bare = -math.inf if any(position.top for position in reply.positions) else self._bare + 1
            if self._bare == BARE:
                announce(f"WARNING MLLM server {self.url} gives no token probabilities: {NO_SHARES}")

    def heard(self, asked: str, reply: Reply, wanted: bool) -> Reply:
        """A reply of the model that was asked for; a line is told once where the server never gives probabilities.

        Args:
            wanted: probabilities were asked for.

        Raises:
            Refused: the adapter was asked for, and the server says that the model without it answered. A name of another
                kind proves nothing: services answer to a short name with a dated one.
        """
        if wanted:
            self._count_bare(reply)
        if reply.cached is not None:
            with self._lock:
                self._told_tokens += reply.prompt_tokens
                self._cached_tokens += reply.cached
        if reply.model:
            self.told[asked] = reply.model
        base = self.settings.model
        if asked != base and reply.model and reply.model in (base, self.told.get(base)):
            raise Refused(f"{asked} was asked for, and {reply.model} answered, the model without the adapter")
        return reply

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Answers in the order of the requests; `error` says why one is missing.

        Raises:
            InputError: the server refuses the question as such.
        """
        found = dict(progress(self.stream(requests), len(requests), "MLLM answers"))
        return [found[k] for k in range(len(requests))]

    def stream(self, requests: Iterable[Request]) -> Iterator[tuple[int, Answer]]:
        """(place among the requests, answer) as they come; the server always has as many questions as it is allowed.

        Raises:
            InputError: the server refuses a question as such; what it had already been asked is given out before.
        """
        over = threading.Event()
        with ThreadPoolExecutor(self.settings.concurrency) as pool:
            try:
                yield from self._as_they_come(requests, lambda request: pool.submit(self._patiently, request, over))
            finally:
                over.set()  # whoever stops here (Ctrl-C, a full disk) does not wait for more tries

    def _as_they_come(
        self, requests: Iterable[Request], submit: Callable[[Request], Future]
    ) -> Iterator[tuple[int, Answer]]:
        todo, refused = iter(enumerate(requests)), None
        asked = {submit(r): k for k, r in islice(todo, self.settings.concurrency)}
        while asked:
            done, _ = wait(asked, return_when=FIRST_COMPLETED)
            refused = refused or next((e for f in done if isinstance(e := f.exception(), InputError)), None)
            if refused is None:
                asked |= {submit(r): k for k, r in islice(todo, len(done))}
            for future in done:
                k = asked.pop(future)
                if not isinstance(future.exception(), InputError):
                    yield k, future.result()
        if refused is not None:
            raise refused

    def _patiently(self, request: Request, over: threading.Event) -> Answer:
        s = self.settings
        tries = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(s.tries) | tenacity.stop_when_event_set(over),
            sleep=tenacity.sleep_using_event(over),
            wait=tenacity.wait_random_exponential(multiplier=s.retry_seconds, max=60 * s.retry_seconds),
            retry=tenacity.retry_if_exception_type(Transient),
            reraise=True,
        )
        try:
            return tries(self._once, request)
        except (Transient, Declined) as error:
            return Answer("", error=str(error))
        except Refused as error:
            raise self._refusal(error) from error

    def once(self, request: Request) -> Answer | None:
        """What one try gives; None where it fails.

        Raises:
            InputError: the server refuses every such question.
        """
        try:
            return self._ask(request)
        except (Transient, Declined):
            return None
        except Refused as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Refused) -> InputError:
        remedy = "Correct mllm.model, mllm.adapter_model or mllm.url, or start the server with this model."
        if isinstance(error, BadRequest):
            remedy = "Mend what the server names: a setting under mllm, or a flag that the server is started with."
        return InputError(f"MLLM server {self.url}", f"{error}{through(self.url)}", "an answer", remedy)

    def _once(self, request: Request) -> Answer:
        start = time.perf_counter()
        answer = self._ask(request)
        if not spoken(answer.text):
            raise Transient("empty content: nothing but white space or thinking")
        if request.choices and answer.probabilities is None and not says_yes_or_no(answer.text):
            raise Transient(f"off format: {answer.text[:60]!r} where {' or '.join(request.choices)} was asked for")
        self.answered.add(request.task)
        seconds = time.perf_counter() - start
        return Answer(answer.text, answer.probabilities, answer.prompt_tokens, answer.answer_tokens, seconds)
