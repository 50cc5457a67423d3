"""A model behind Ollama's own API, such as `qwen2.5vl:7b` or `qwen3-vl:4b-instruct`."""

from __future__ import annotations

import math

import httpx
import ollama

from icl.errors import InputError
from icl.mllm.backends.served import Refused, Served, Transient, encoded_image, shares_of
from icl.mllm.prompts import system_text
from icl.mllm.protocol import Answer, Request
from icl.mllm.settings import MLLMSettings

TOP = 20
"""Most likely first tokens asked for (servers from 0.12.11 on have them)."""
BARE = 3
"""Replies without probabilities after which a server is taken for an older one: a fault alone is no proof."""


class OllamaBackend(Served):
    """Questions as chats, seeded; the model stays loaded between them.

    A LoRA adapter is a model of its own there (Modelfile: FROM, ADAPTER): `mllm.adapter_model` names it.
    """

    def __init__(self, settings: MLLMSettings, adapter: str | None = None) -> None:
        super().__init__(settings, self._chat)
        self.adapted = adapter is not None
        if self.adapted and not settings.adapter_model:
            remedy = "Name the model made with the adapter in mllm.adapter_model, or leave out the rows that use LoRA."
            raise InputError("mllm.adapter_model", "no name", "the adapter's model on the server", remedy)
        self.client = ollama.Client(host=settings.url or None, timeout=settings.timeout)
        self._digests: dict[str, str] = {}
        self._bare: float = 0
        """Replies without probabilities, as long as there were none with them."""

    def check(self) -> None:
        """Whether the server is there and has the models.

        Raises:
            InputError: it is not, or a model has not been pulled.
        """
        where = f"Ollama server {self.settings.url or 'on this machine'}"
        try:
            have = {model.model: model.digest or "" for model in self.client.list().models}
        except (ConnectionError, httpx.HTTPError, ollama.ResponseError) as error:
            raise InputError(
                where, str(error), "a list of models", "Start `ollama serve`, or correct mllm.url."
            ) from error
        self._digests = have
        wanted = [self.settings.model] + [self.settings.adapter_model] * self.adapted
        for name in wanted:
            if name not in have and f"{name}:latest" not in have:
                raise InputError(where, f"models {', '.join(sorted(have)) or 'none'}", name, f"Run: ollama pull {name}")

    def identity(self, task: str) -> dict[str, str]:
        """The digest of the model that answers this task, and the pixel budget."""
        if not self._digests:
            self.check()
        name = self._model(task)
        digest = self._digests.get(name) or self._digests.get(f"{name}:latest", "")
        return {"backend": "ollama", "model": name, "digest": digest, "max_pixels": str(self.settings.max_pixels)}

    def forget_images(self) -> None:
        """Nothing is kept between questions."""

    def _model(self, task: str) -> str:
        adapted = self.adapted and task in self.settings.adapter_tasks
        return self.settings.adapter_model if adapted else self.settings.model

    def _chat(self, request: Request) -> Answer:
        user = {"role": "user", "content": request.text}
        if request.image is not None:
            user["images"] = [encoded_image(request.image, self.settings.max_pixels)]
        found = self._send(request, user, request.max_new_tokens)
        if found.done_reason == "length" and not request.choices:
            found = self._send(request, user, 2 * request.max_new_tokens)  # once more, with room
        return self._read(found, request)

    def _send(self, request: Request, user: dict, limit: int) -> ollama.ChatResponse:
        options = {"temperature": request.temperature, "seed": request.seed}
        options |= {"num_ctx": self.settings.num_ctx, "num_predict": limit}
        try:
            return self.client.chat(
                self._model(request.task),
                [{"role": "system", "content": system_text()}, user],
                options=options,
                keep_alive=self.settings.keep_alive,
                **self._wanted(request),
            )
        except ollama.ResponseError as error:
            if error.status_code in (400, 401, 403, 404):
                raise Refused(f"HTTP {error.status_code}: {error.error}") from error
            raise Transient(f"HTTP {error.status_code}: {error.error}") from error
        except httpx.TimeoutException as error:
            raise Transient(f"time-out: no answer within {self.settings.timeout:g} s") from error
        except (ConnectionError, httpx.HTTPError) as error:
            raise Transient(f"no connection: {error}") from error
        except ValueError as error:  # a body that is no chat
            raise Transient(f"unreadable reply: {str(error).splitlines()[0]}") from error

    def _wanted(self, request: Request) -> dict:
        """Yes/No by token probabilities; from an older server, which has none, as one of two words (JSON schema)."""
        if not request.choices:
            return {}
        if self._bare < BARE:
            return {"logprobs": True, "top_logprobs": TOP}
        return {"format": {"type": "string", "enum": list(request.choices)}}

    def _read(self, found, request: Request) -> Answer:
        text, shares = found.message.content or "", None
        if request.choices and found.logprobs:
            top = found.logprobs[0].top_logprobs or [found.logprobs[0]]
            shares = shares_of([(t.token, math.exp(t.logprob)) for t in top], request.choices)
            self._bare = -math.inf
        elif request.choices:
            self._bare += 1
        if shares:
            text = max(shares, key=shares.get)
        return Answer(text, shares, found.prompt_eval_count or 0, found.eval_count or 0)
