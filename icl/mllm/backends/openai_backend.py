"""Any server that speaks OpenAI's chat completions: vLLM, `transformers serve`, llama.cpp, and others."""

from __future__ import annotations

import math
import os

import openai

from icl.errors import InputError
from icl.mllm.backends.served import Refused, Served, Transient, data_uri, shares_of
from icl.mllm.prompts import system_text
from icl.mllm.protocol import Answer, Request
from icl.mllm.settings import MLLMSettings

TOP = 20
"""Most likely first tokens asked for."""
EXTRAS = {
    "logprob": lambda choices: {"logprobs": True, "top_logprobs": TOP},
    "structured": lambda choices: {"extra_body": {"structured_outputs": {"choice": list(choices)}}},  # vLLM
}
"""By the word that a server's refusal would name."""


class OpenAIBackend(Served):
    """Questions as chat completions; Yes/No by structured choice and from the first token's probabilities, where there are any.

    A LoRA adapter is served under a name of its own (vLLM's `--enable-lora`): `mllm.adapter_model` names it.
    """

    def __init__(self, settings: MLLMSettings, adapter: str | None = None) -> None:
        super().__init__(settings, self._complete)
        self.adapted = adapter is not None
        if self.adapted and not settings.adapter_model:
            remedy = "Name the served adapter in mllm.adapter_model, or leave out the rows that use LoRA."
            raise InputError("mllm.adapter_model", "no name", "the adapter's name on the server", remedy)
        key = os.environ.get("OPENAI_API_KEY", "none")
        self.client = openai.OpenAI(base_url=settings.url, api_key=key, timeout=settings.timeout, max_retries=0)
        self.extras = dict(EXTRAS)
        """What this server is asked for with a Yes/No question; what it refuses is left out from then on."""

    def check(self) -> None:
        """Whether the server is there and knows the models.

        A list of models that leaves ours out proves nothing (`transformers serve` lists what its cache holds, or fails
        without one): a word is asked for then.

        Raises:
            InputError: it is not, or it does not.
        """
        try:
            names = {model.id for model in self.client.models.list()}
        except openai.APIStatusError as error:
            names = {f"no list ({_reason(error)})"}
        except openai.OpenAIError as error:
            remedy = "Start it, or correct mllm.url (it ends in /v1)."
            raise InputError(f"MLLM server {self.settings.url}", _reason(error), "a list of models", remedy) from error
        wanted = [self.settings.model] + [self.settings.adapter_model] * self.adapted
        for name in wanted:
            if name not in names:
                self._ask_a_word(name, names)

    def _ask_a_word(self, name: str, names: set[str]) -> None:
        try:
            word = [{"role": "user", "content": [{"type": "text", "text": "Say yes."}]}]
            self.client.chat.completions.create(model=name, messages=word, max_tokens=1)
        except openai.RateLimitError:
            return  # it is there, and busy
        except openai.OpenAIError as error:
            found = f"models {', '.join(sorted(names)[:8])}; asked for a word: {_reason(error)}"
            remedy = "Correct mllm.model or mllm.adapter_model, or start the server with it."
            raise InputError(f"MLLM server {self.settings.url}", found, name, remedy) from error

    def identity(self, task: str) -> dict[str, str]:
        """The server's name for the model that answers this task, and the pixel budget."""
        return {"backend": "openai", "model": self._model(task), "max_pixels": str(self.settings.max_pixels)}

    def forget_images(self) -> None:
        """Nothing is kept between questions."""

    def _model(self, task: str) -> str:
        adapted = self.adapted and task in self.settings.adapter_tasks
        return self.settings.adapter_model if adapted else self.settings.model

    def _complete(self, request: Request) -> Answer:
        content = [{"type": "text", "text": request.text}]
        if request.image is not None:
            uri = data_uri(request.image, self.settings.max_pixels)
            content.insert(0, {"type": "image_url", "image_url": {"url": uri}})
        messages = [{"role": "system", "content": system_text()}, {"role": "user", "content": content}]
        found = self._send(request, messages, request.max_new_tokens)
        if found.choices[0].finish_reason == "length" and not request.choices:
            found = self._send(request, messages, 2 * request.max_new_tokens)  # once more, with room
        return self._read(found, request)

    def _send(self, request: Request, messages: list[dict], limit: int):
        sent = dict(self.extras) if request.choices else {}
        extra = {key: value for more in sent.values() for key, value in more(request.choices).items()}
        try:
            return self.client.chat.completions.create(
                model=self._model(request.task),
                messages=messages,
                temperature=request.temperature,
                seed=request.seed,
                max_tokens=limit,
                **extra,
            )
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            unknown = [name for name in sent if name in error.response.text.lower()]
            for name in unknown:
                self.extras.pop(name, None)
            if unknown:
                return self._send(request, messages, limit)
            raise Refused(_reason(error)) from error
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise Refused(_reason(error)) from error
        except openai.APITimeoutError as error:
            raise Transient(f"time-out: no answer within {self.settings.timeout:g} s") from error
        except openai.APIConnectionError as error:
            raise Transient(f"no connection: {error.__cause__ or error}") from error
        except openai.APIStatusError as error:
            raise Transient(f"HTTP {error.status_code}: {_reason(error)}") from error
        except (openai.OpenAIError, ValueError, TypeError) as error:  # a body that is no completion
            raise Transient(f"unreadable reply: {_reason(error)}") from error

    def _read(self, found, request: Request) -> Answer:
        try:
            choice, usage = found.choices[0], found.usage
            text = choice.message.content or ""
        except (AttributeError, IndexError, TypeError) as error:
            raise Transient(f"unreadable reply: {error}") from error
        shares = None
        if request.choices and choice.logprobs and choice.logprobs.content:
            first = choice.logprobs.content[0]
            top = first.top_logprobs or [first]
            shares = shares_of([(t.token, math.exp(t.logprob)) for t in top], request.choices)
        if shares:
            text = max(shares, key=shares.get)
        counts = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
        return Answer(text, shares, *counts)


def _reason(error: Exception) -> str:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    said = error.response.text if isinstance(error, openai.APIStatusError) else ""
    if said and reason == f"Error code: {error.status_code}":  # a body of another form than OpenAI's
        reason = f"{reason}: {' '.join(said.split())}"
    return reason[:300]
