"""Stand-ins for MLLM servers on loopback: they speak Ollama's and OpenAI's API and can be made to fail."""

from __future__ import annotations

import base64
import io
import json
import math
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

FAULTS = ("refuse", "429", "500", "empty", "thinking", "cut", "off-format", "slow", "not-json")


class MLLMServer(ThreadingHTTPServer):
    """Answers with `reply(prompt, image bytes or None, model) -> (text, probability of Yes or None)`.

    Args:
        fault_share: share of the first tries at a question that fail, in each way in turn. A question's later tries pass.
        logprobs: whether the server gives token probabilities. slow: seconds of a slow answer.
        refused: fields of a request that the server does not know (answered by HTTP 422, with their names).
        room: words that an answer needs; with a smaller limit it is cut short, and the server says so.
        script: the whole reply instead: a request's body to (status, JSON or bytes); None leaves it to `reply`.
        pages: further pages by path (with their query), and `entry`: more of each listed model.
        image_tokens: what a picture of this width and height costs beside the prompt's 40; nothing without it.
        cached: prompt tokens that replies of OpenAI's form say to be from a cache.
        fingerprint: of the replies of OpenAI's form.
        digests: Ollama's of some models, where they are not the names' own.
        only: the one model that it has, which answers whatever is asked for. honest: the reply then names it.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        reply: Callable[[str, bytes | None, str], tuple[str, float | None]],
        models: tuple[str, ...] = ("synthvl",),
        fault_share: float = 0.0,
        faults: tuple[str, ...] = FAULTS,
        logprobs: bool = True,
        slow: float = 3.0,
        refused: tuple[str, ...] = (),
        room: int = 0,
        script: Callable[[dict], tuple[int, object] | None] | None = None,
        digests: dict[str, str] | None = None,
        pages: dict[str, dict] | None = None,
        entry: dict | None = None,
        fingerprint: str | None = None,
        cached: int | None = None,
        image_tokens: Callable[[int, int], int] | None = None,
        only: str = "",
        honest: bool = True,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: list[tuple[float, str]] = []
        """(time.time(), prompt) of every whole answer, when it had been sent."""
        self.digests = {model: f"digest-of-{model}" for model in models} | (digests or {})
        self.only, self.honest = only, honest
        self.pages, self.entry, self.fingerprint = pages or {}, entry or {}, fingerprint
        self.cached, self.image_tokens = cached, image_tokens
        self.looked_up: list[str] = []
        self.reply, self.models, self.logprobs, self.slow = reply, models, logprobs, slow
        self.fault_share, self.faults, self.rng = fault_share, faults, random.Random(0)
        self.refused, self.room, self.script, self.bodies = refused, room, script, []
        self.lock, self.asked, self.failed = threading.Lock(), Counter(), Counter()

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """A client that gave up waiting, or was killed, is no error of the server's."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def fault(self, question: str) -> str:
        """How this try fails, or nothing; counts the answered ones."""
        with self.lock:
            if question not in self.failed and self.rng.random() < self.fault_share:
                self.failed[question] += 1
                kind = self.faults[len(self.failed) % len(self.faults)]
                closed = "Yes" in question  # to an open question, other text is an answer like any other
                return "500" if kind == "off-format" and not closed else kind
            self.asked[question] += 1
            return ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a reply's body waits 40 ms for the receipt of its head

    def log_message(self, *words):
        pass

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _json(self, status: int, content) -> None:
        self._send(status, json.dumps(content).encode())

    def do_GET(self):
        self.server.looked_up.append(self.path)
        if self.path in self.server.pages:
            found = self.server.pages[self.path]
            return self._json(*found) if isinstance(found, tuple) else self._json(200, found)
        if self.path == "/api/tags":
            digests = self.server.digests
            models = [{"model": m, "name": m, "digest": digests[m], "size": 1} for m in self.server.models]
            return self._json(200, {"models": models})
        if self.path == "/v1/models":
            entry = {"object": "model", "created": 0, "owned_by": "tests", **self.server.entry}
            data = [{"id": m, **entry, **entry.get(m, {})} for m in self.server.models]
            return self._json(200, {"object": "list", "data": data})
        self._json(404, {"error": "no such page"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        ollama = self.path == "/api/chat"
        wanted = body["model"]
        if self.server.only:
            body["model"] = self.server.only
        if body["model"] not in self.server.models:
            error = f"model '{body['model']}' not found"
            return self._json(404, {"error": error} if ollama else {"error": {"message": error}})
        if unknown := [name for name in self.server.refused if name in {**body, **body.get("options", {})}]:
            return self._json(422, {"detail": f"Unexpected fields in the request: {unknown}"})  # as FastAPI words it
        self.server.bodies.append(body)
        if self.server.script and (told := self.server.script(body)):
            status, content = told
            return self._send(status, content if isinstance(content, bytes) else json.dumps(content).encode())
        prompt, image = _ollama_question(body) if ollama else _openai_question(body)
        fault = self.server.fault(json.dumps([body["model"], prompt, base64.b64encode(image or b"").decode()]))
        if fault == "refuse":
            self.close_connection = True
            return self.connection.close()
        if fault in ("404", "429", "500"):
            return self._json(int(fault), {"error": "busy"} if ollama else {"error": {"message": "busy"}})
        if fault == "not-json":
            return self._send(200, b"<html>a proxy's page</html>")
        if fault == "slow":
            time.sleep(self.server.slow)
        text, yes = self.server.reply(prompt, image, body["model"])
        text, yes = {
            "empty": ("", None),
            "thinking": ("", None),
            "off-format": ("I cannot tell from here.", None),
        }.get(fault, (text, yes))
        answer = (_ollama_answer if ollama else _openai_answer)(
            body, text, yes if self.server.logprobs else None, fault
        )
        if image and self.server.image_tokens:
            tokens = 40 + self.server.image_tokens(*Image.open(io.BytesIO(image)).size)
            (answer if ollama else answer["usage"])["prompt_eval_count" if ollama else "prompt_tokens"] = tokens
        if self.server.cached is not None and not ollama:
            answer["usage"]["prompt_tokens_details"] = {"cached_tokens": self.server.cached}
        if self.server.fingerprint and not ollama:
            answer["system_fingerprint"] = self.server.fingerprint
        if not self.server.honest:
            answer["model"] = wanted
        limit = (
            body.get("options", {}).get("num_predict")
            if ollama
            else body.get("max_tokens", body.get("max_completion_tokens"))
        )
        if limit < self.server.room:
            (answer if ollama else answer["choices"][0])["done_reason" if ollama else "finish_reason"] = "length"
        whole = json.dumps(answer).encode()
        if fault == "cut":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole[: len(whole) // 2])
            self.close_connection = True
            return self.connection.close()
        self._send(200, whole)
        self.server.sent.append((time.time(), prompt))


def openai_body(content, tokens=(), finish_reason: str = "stop", **message) -> dict:
    """A completion of any content.

    Args:
        tokens: (token, {token: probability of those likeliest in its place}). message: more of its fields.
    """
    choice = {
        "index": 0,
        "finish_reason": finish_reason,
        "message": {"role": "assistant", "content": content, **message},
    }
    if tokens:
        choice["logprobs"] = {"content": _places(tokens)}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": "synthvl", "choices": [choice]}


def ollama_body(content, tokens=(), finish_reason: str = "stop", **message) -> dict:
    """The same as Ollama says it."""
    body = {"model": "synthvl", "message": {"role": "assistant", "content": content, **message}, "done": True}
    return body | {"done_reason": finish_reason} | ({"logprobs": _places(tokens)} if tokens else {})


def _places(tokens) -> list[dict]:
    def one(token: str, share: float) -> dict:
        return {"token": token, "logprob": math.log(share)}

    return [
        {**one(token, top.get(token, 1e-9)), "top_logprobs": [one(*pair) for pair in top.items()]}
        for token, top in tokens
    ]


def _ollama_question(body: dict) -> tuple[str, bytes | None]:
    user = body["messages"][-1]
    images = user.get("images") or []
    return user["content"], base64.b64decode(images[0]) if images else None


def _openai_question(body: dict) -> tuple[str, bytes | None]:
    prompt, image = "", None
    for part in body["messages"][-1]["content"]:
        if part["type"] == "text":
            prompt = part["text"]
        else:
            image = base64.b64decode(part["image_url"]["url"].split(",", 1)[1])
    return prompt, image


def _top(yes: float) -> list[dict]:
    shares = sorted((("Yes", yes), ("No", 1 - yes)), key=lambda one: -one[1])
    return [{"token": token, "logprob": math.log(max(share, 1e-12)), "bytes": None} for token, share in shares]


def _ollama_answer(body: dict, text: str, yes: float | None, fault: str) -> dict:
    message = {"role": "assistant", "content": text}
    if fault == "thinking":
        message["thinking"] = "The user wants to know ..."
    answer = {"model": body["model"], "message": message, "done": True, "done_reason": "stop"}
    answer |= {"prompt_eval_count": 40, "eval_count": len(text.split())}
    if body.get("logprobs") and yes is not None:
        answer["logprobs"] = [{**_top(yes)[0], "top_logprobs": _top(yes)}]
    return answer


def _openai_answer(body: dict, text: str, yes: float | None, fault: str) -> dict:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    if body.get("logprobs") and yes is not None:
        choice["logprobs"] = {"content": [{**_top(yes)[0], "top_logprobs": _top(yes)}]}
    usage = {"prompt_tokens": 40, "completion_tokens": len(text.split()), "total_tokens": 40 + len(text.split())}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [choice],
        "usage": usage,
    }
