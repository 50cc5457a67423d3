"""Any server that speaks OpenAI's chat completions: vLLM, `transformers serve`, llama.cpp, and others."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

import openai

from icl.errors import InputError
from icl.mllm.backends.facts import BUSY, get_json, get_text, identity_of, of_llama_cpp, of_vllm, patiently, vllm_caches
from icl.mllm.backends.failures import Transient, failure_of, reason_of, shortened
from icl.mllm.backends.network import client_for, host_of, through
from icl.mllm.backends.pictures import data_uri
from icl.mllm.backends.replies import Reply, name_of, openai_reply, parsed
from icl.mllm.backends.served import (
    FEWER_SHARES,
    NEUTRAL,
    NO_SHARES,
    NO_TOP_K,
    SAMPLING_COSTS,
    TOPS,
    Served,
    with_room,
)
from icl.mllm.backends.wishes import LIMITS, Wanted, Wishes
from icl.mllm.prompts import system_text
from icl.mllm.protocol import Answer, Request
from icl.mllm.settings import MLLMSettings

COSTS = {
    "logprob": NO_SHARES,
    "structured": "",  # the words are read, whatever they are
    "max_tokens": "",  # max_completion_tokens says the same
    "max_completion_tokens": "answers have no limit",
    "temperature": "answers are drawn at the server's own temperature, and another run may get others",
    "seed": "what is drawn at random cannot be drawn again",
    **SAMPLING_COSTS,
}
"""What is lost without a part of the request, by the word that a server's refusal of it names."""


class OpenAIBackend(Served):
    """Questions as chat completions; Yes/No by structured choice and from token probabilities, where there are any.

    A LoRA adapter is served under a name of its own (vLLM's `--enable-lora`): `mllm.adapter_model` names it.
    """

    def __init__(self, settings: MLLMSettings, adapter: str | None = None) -> None:
        super().__init__(settings, self._complete, adapter is not None)
        if not settings.url.startswith(("http://", "https://")) or not host_of(settings.url):
            expected = "the server's address, such as http://host:8000/v1"
            raise InputError("mllm.url", repr(settings.url), expected, "Give it with http:// or https://.")
        key = os.environ.get("OPENAI_API_KEY", "none")
        self.client = client_for(
            settings.url,
            lambda options: openai.OpenAI(
                base_url=settings.url,
                api_key=key,
                timeout=settings.timeout,
                max_retries=0,
                http_client=openai.DefaultHttpxClient(**options),
            ),
        )
        self._metrics = ""
        """Where the server counts what it does, once it is known to be a vLLM."""
        self.wishes = Wishes(settings.url, COSTS, {"logprob": FEWER_SHARES})

    def check(self) -> None:
        """Whether the server is there and knows the models.

        A list of models that leaves ours out proves nothing (`transformers serve` lists what its cache holds, or fails
        without one): a word is asked for then.

        Raises:
            InputError: it is not, or it does not.
        """
        try:
            listed = [model.model_dump() for model in self.client.models.list()]
            names = {name for entry in listed for name in (entry.get("id"), *_aliases(entry)) if isinstance(name, str)}
        except openai.APIStatusError as error:
            names = {f"no list ({_reason(error)})"}
        except openai.APIConnectionError as error:
            remedy = "Start it, or correct mllm.url (it ends in /v1)."
            found = f"{_reason(error)}{through(self.settings.url)}"
            raise InputError(f"MLLM server {self.settings.url}", found, "a list of models", remedy) from error
        except (openai.OpenAIError, ValueError, TypeError, AttributeError, RecursionError) as error:
            names = {f"no list ({_reason(error)})"}
        for name in self.models():
            if name not in names:
                self._ask_a_word(name, names)

    def look_up(self, name: str) -> dict[str, str]:
        """Of vLLM and llama.cpp, which say that they are: what their own pages tell; of others, the address.

        Raises:
            InputError: the server does not answer.
        """
        entries = patiently(self.settings, self.url, self._entries)
        entry, root = entries.get(name, {}), self.url.rstrip("/").removesuffix("/v1")
        if entry.get("owned_by") == "vllm":
            self._metrics = f"{root}/metrics"
            fingerprint = patiently(self.settings, self.url, lambda: self._fingerprint(name))
            found = of_vllm(entry, entries, get_json(self.settings, f"{root}/version"), fingerprint)
        elif entry.get("owned_by") == "llamacpp":
            found = of_llama_cpp(get_json(self.settings, f"{root}/props?model={quote(name, safe='')}"))
        else:
            found = {}, {}
        return identity_of(self.settings, self.url, *found)

    def cache_use(self) -> dict[str, tuple[int, int]]:
        """As vLLM counts it, of prompts and of images, by whomever it is asked; of others, as their replies tell."""
        counted = vllm_caches(get_text(self.settings, self._metrics)) if self._metrics else {}
        return super().cache_use() | counted

    def _entries(self) -> dict[str, dict]:
        """Listed models by name and alias; none where the server has no list.

        Raises:
            Transient: another try may give it.
        """
        try:
            listed = [model.model_dump() for model in self.client.models.list()]
        except openai.APIConnectionError as error:
            raise Transient(f"no connection: {_reason(error)}{through(self.url)}") from error
        except openai.APIStatusError as error:
            if error.status_code in BUSY:
                raise Transient(_reason(error)) from error
            return {}
        except (openai.OpenAIError, ValueError, TypeError, AttributeError, RecursionError):
            return {}
        found = {}
        for entry in listed:
            for name in [entry.get("id"), *_aliases(entry)]:
                if isinstance(name, str):
                    found[name] = entry
        return found

    def _fingerprint(self, name: str) -> str:
        try:
            found = parsed(self._say(name)).get("system_fingerprint")
        except (openai.OpenAIError, AttributeError, ValueError, TypeError) as error:
            raise Transient(f"no fingerprint: {_reason(error)}") from error
        return found if isinstance(found, str) else ""

    def _say(self, name: str) -> bytes:
        """A reply of one word."""
        word = [{"role": "user", "content": [{"type": "text", "text": "Say yes."}]}]
        return self._create(name, word, 1, {})

    def _ask_a_word(self, name: str, names: set[str]) -> None:
        try:
            who = name_of(parsed(self._say(name)))
        except openai.RateLimitError:
            return  # it is there, and busy
        except Transient:
            return  # it said something
        except (openai.OpenAIError, ValueError, TypeError) as error:
            found = (
                f"models {', '.join(sorted(names)[:8])}; asked for a word: {_reason(error)}{through(self.settings.url)}"
            )
            remedy = "Correct mllm.model or mllm.adapter_model, or start the server with it."
            raise InputError(f"MLLM server {self.settings.url}", found, name, remedy) from error
        if who != name and who in names:
            found = f"models {', '.join(sorted(names)[:8])}; {name} was asked for a word, and {who} answered"
            remedy = "Correct mllm.model or mllm.adapter_model: this server answers to any name, with the model it has."
            raise InputError(f"MLLM server {self.settings.url}", found, name, remedy)

    def _complete(self, request: Request) -> Answer:
        content: list[Any] = [{"type": "text", "text": request.text}]
        if request.image is not None:
            uri = data_uri(request.image, self.settings.max_pixels, self.grid)
            content.insert(0, {"type": "image_url", "image_url": {"url": uri}})
        messages: list[Any] = [{"role": "system", "content": system_text()}, {"role": "user", "content": content}]
        return with_room(request, lambda limit: self._send(request, messages, limit))

    def _send(self, request: Request, messages: list[Any], limit: int) -> Reply:
        wishes: Wanted = {"temperature": {"temperature": request.temperature}, "seed": {"seed": request.seed}}
        wishes |= {name: {name: value} for name, value in NEUTRAL.items()}
        wishes["top_k"] = [{"top_k": value} for value in NO_TOP_K]
        wishes["repetition_penalty"] = {"repetition_penalty": 1.0}
        if request.choices:
            wishes["logprob"] = [{"logprobs": True, "top_logprobs": top} for top in TOPS]
            wishes["structured"] = {"structured_outputs": {"choice": list(request.choices)}}  # vLLM
        try:
            name = self.model_of(request.task)
            reply = openai_reply(parsed(self._create(name, messages, limit, wishes)))
            return self.heard(name, reply, "logprob" in self.wishes.granted(wishes))
        except openai.APITimeoutError as error:
            raise Transient(f"time-out: no answer within {self.settings.timeout:g} s") from error
        except openai.APIConnectionError as error:
            raise Transient(f"no connection: {_reason(error)}{through(self.settings.url)}") from error
        except openai.APIStatusError as error:
            raise failure_of(error.status_code, error.response.text, request.task in self.answered) from error
        except (openai.OpenAIError, ValueError, TypeError) as error:
            raise Transient(f"unreadable reply: {_reason(error)}") from error

    def _create(self, model: str, messages: list[Any], limit: int, wishes: Wanted) -> bytes:
        """The body of a completion; what the server refuses to know is left out from then on."""
        wishes = wishes | {name: {name: limit} for name in LIMITS}
        while True:
            sent = self.wishes.granted(wishes)
            if "max_tokens" in sent:
                del sent["max_completion_tokens"]
            more = {name: value for wish in sent.values() for name, value in wish.items()}
            try:
                raw = self.client.chat.completions.with_raw_response
                body = raw.create(model=model, messages=messages, extra_body=more).http_response.content
                self.wishes.taken(sent)
                return body
            except openai.APIStatusError as error:
                if not self.wishes.learn(error.status_code, error.response.text, sent, wishes):
                    raise


def _aliases(entry: dict) -> list:
    """Other names of a listed model (llama.cpp)."""
    found = entry.get("aliases")
    return found if isinstance(found, list) else []


def _reason(error: Exception) -> str:
    if isinstance(error, openai.APIStatusError):
        return f"HTTP {error.status_code}: {reason_of(error.response.text)}"
    cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else None
    return shortened(str(cause or error) or type(cause or error).__name__)
