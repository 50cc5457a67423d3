"""A model behind Ollama's own API, such as `qwen2.5vl:7b` or `qwen3-vl:4b-instruct`."""

from __future__ import annotations

import os
import threading
from typing import Any

import httpx
import ollama

from icl.errors import InputError
from icl.mllm.backends.facts import get_json, identity_of, patiently
from icl.mllm.backends.failures import Transient, failure_of, shortened
from icl.mllm.backends.network import client_for, through
from icl.mllm.backends.pictures import encoded_image
from icl.mllm.backends.replies import Reply, ollama_reply, parsed
from icl.mllm.backends.served import FEWER_SHARES, NEUTRAL, NO_SHARES, SAMPLING_COSTS, TOPS, Served, with_room
from icl.mllm.backends.wishes import Wishes
from icl.mllm.prompts import system_text
from icl.mllm.protocol import Answer, Request
from icl.mllm.settings import MLLMSettings

COSTS = {
    "logprob": NO_SHARES,
    "format": "",  # the words are read, whatever they are
    "temperature": "answers are drawn at the model's own temperature, and another run may get others",
    "seed": "what is drawn at random cannot be drawn again",
    **SAMPLING_COSTS,
}
"""What is lost without a part of the request, by the word that a server's refusal of it names."""
HERE = "http://127.0.0.1:11434"
"""Where Ollama listens if nothing else is said."""


UNREADABLE = (
    ConnectionError,
    httpx.HTTPError,
    ollama.ResponseError,
    ValueError,
    TypeError,
    AttributeError,
    RecursionError,
)
"""What the client raises where a server is down, refuses, or sends a body of another form."""


class OllamaBackend(Served):
    """Questions as chats, seeded; the model stays loaded between them.

    A LoRA adapter is a model of its own there (Modelfile: FROM, ADAPTER): `mllm.adapter_model` names it.
    """

    def __init__(self, settings: MLLMSettings, adapter: str | None = None) -> None:
        super().__init__(settings, self._chat, adapter is not None)
        self.url = settings.url or os.environ.get("OLLAMA_HOST") or HERE
        self.url = f"127.0.0.1{self.url}" if self.url.startswith(":") else self.url
        hooks = {"response": [self._keep_body]}
        self.client = client_for(
            self.url,
            lambda options: ollama.Client(host=self.url, timeout=settings.timeout, event_hooks=hooks, **options),
        )
        self.wishes, self._last = Wishes(self.url, COSTS, {"logprob": FEWER_SHARES}), threading.local()
        self._digests: dict[str, str] = {}
        self._pages = ""
        """Address of Ollama's API, as its client has made it of `mllm.url`; known after the first reply."""

    def check(self) -> None:
        """Whether the server is there and has the models.

        Raises:
            InputError: it is not, or a model has not been pulled.
        """
        where, remedy = f"Ollama server {self.url}", "Start `ollama serve`, or correct mllm.url."
        try:
            self._list()
        except Transient as error:
            raise InputError(where, str(error), "a list of models", remedy) from error
        wanted, have = self.models(), self._digests
        for name in wanted:
            if name not in have and f"{name}:latest" not in have:
                raise InputError(where, f"models {', '.join(sorted(have)) or 'none'}", name, f"Run: ollama pull {name}")
        base, last = (self._digest(name) for name in (wanted[0], wanted[-1]))
        if self.adapted and base and base == last:
            found, remedy = f"one model under both names (digest {base[:12]})", "Make it from the merged GGUF files."
            raise InputError(where, found, f"{wanted[-1]}: {wanted[0]} with the adapter", remedy)

    def look_up(self, name: str) -> dict[str, str]:
        """The digest of a model, which is that of its content: where it runs is of no account then.

        Raises:
            InputError: the server does not answer.
        """
        if not self._digests:
            patiently(self.settings, self.url, self._list)
        digest, version = self._digest(name), get_json(self.settings, f"{self._pages}/version").get("version")
        server = {"version": version} if isinstance(version, str) else {}
        found = identity_of(self.settings, self.url, {"digest": digest}, server)
        if digest:
            found.pop("host", None)
        return found

    def _list(self) -> None:
        """Look up which models there are.

        Raises:
            Transient: another try may tell.
        """
        try:
            self._digests = {str(model.model): model.digest or "" for model in self.client.list().models}
        except UNREADABLE as error:
            raise Transient(f"{_reason(error)}{through(self.url)}") from error

    def _digest(self, name: str) -> str:
        return self._digests.get(name) or self._digests.get(f"{name}:latest", "")

    def _chat(self, request: Request) -> Answer:
        user: dict[str, Any] = {"role": "user", "content": request.text}
        if request.image is not None:
            user["images"] = [encoded_image(request.image, self.settings.max_pixels, self.grid)]
        return with_room(request, lambda limit: self._send(request, user, limit))

    def _send(self, request: Request, user: dict, limit: int) -> Reply:
        own = {"temperature": request.temperature, "seed": request.seed, **NEUTRAL, "top_k": 0, "repeat_penalty": 1.0}
        while True:
            wishes = {name: {name: value} for name, value in own.items()} | self._wanted(request)
            sent = self.wishes.granted(wishes)
            options = {name: value for name, value in own.items() if name in sent}
            options |= {"num_ctx": self.settings.num_ctx, "num_predict": limit}
            more = {name: value for word in ("logprob", "format") for name, value in sent.get(word, {}).items()}
            try:
                reply = self._put(request, user, options, more)
            except ollama.ResponseError as error:
                said = self._last.body.decode("utf-8", "replace")
                if self.wishes.learn(error.status_code, said, sent, wishes):
                    continue
                raise failure_of(error.status_code, said, request.task in self.answered) from error
            self.wishes.taken(sent)
            return reply

    def _put(self, request: Request, user: dict, options: dict, more: dict) -> Reply:
        self._last.body = b""
        try:
            self.client.chat(
                self.model_of(request.task),
                [{"role": "system", "content": system_text()}, user],
                options=options,
                keep_alive=self.settings.keep_alive,
                **more,
            )
        except httpx.TimeoutException as error:
            raise Transient(f"time-out: no answer within {self.settings.timeout:g} s") from error
        except (ConnectionError, httpx.HTTPError) as error:
            raise Transient(f"no connection: {_reason(error)}{through(self.url)}") from error
        except (ValueError, TypeError, AttributeError, RecursionError):
            pass  # of another form than the client knows: what can be read of it is read here
        return self.heard(self.model_of(request.task), ollama_reply(parsed(self._last.body)), "logprobs" in more)

    def _keep_body(self, response: httpx.Response) -> None:
        self._last.body = response.read()
        self._pages = str(response.url).rpartition("/")[0]

    def _wanted(self, request: Request) -> dict[str, dict | list[dict]]:
        """Yes/No by token probabilities, which servers from 0.12.11 on have; else as one of two words (JSON schema)."""
        if not request.choices:
            return {}
        if not self.bare and "logprob" not in self.wishes.refused:
            return {"logprob": [{"logprobs": True, "top_logprobs": top} for top in TOPS]}
        return {"format": {"format": {"type": "string", "enum": list(request.choices)}}}


def _reason(error: Exception) -> str:
    return shortened(str(error) or type(error).__name__)
