"""What a server tells of itself and of its models, as far as answers depend on it.

Two parts, because two things must hold. Another model, adapter or precision under the same name must not reuse answers: what
the server tells of the *model* always counts. A server that was started again must keep them: no port, start time or state
counts. Where it runs and its version count (an update rounds and cuts images otherwise), until the user vouches for them by
`mllm.revision`, which then stands in their place: on a cluster a server's host is another one each time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx
import tenacity

from icl.errors import InputError
from icl.files import file_digest, folder_digest
from icl.mllm.backends.failures import Transient, shortened
from icl.mllm.backends.network import client_for, host_of, is_loopback, through
from icl.mllm.settings import MLLMSettings

T = TypeVar("T")
DIGESTED = 2 * 10**9
"""Bytes of a model or adapter on this machine whose content is read; the name of a larger one stands for it."""
BUSY = (429, 502, 503, 504)
"""Status of a page that may be there in a moment; `transformers serve` answers 500 where it has no list of models."""
PATIENCE = 30.0
"""Seconds to wait for such a small reply."""


def identity_of(settings: MLLMSettings, url: str, model: dict[str, str], server: dict[str, str]) -> dict[str, str]:
    """What of a server's facts enters an answer's identity; facts that it does not tell are left out.

    Args:
        url: its address. model, server: what it tells of the model and of itself.
    """
    found = model | content_of(url, model.get("path", ""))
    if settings.revision:
        return found | {"revision": settings.revision}
    host = "localhost" if is_loopback(url) else host_of(url)
    return {name: value for name, value in (found | {"host": host} | server).items() if value}


def content_of(url: str, path: str) -> dict[str, str]:
    """The digest of a model's or adapter's files, where the server is on this machine and so are they.

    An adapter that was trained anew lies where the old one lay.
    """
    place = Path(path)
    if not path or not is_loopback(url) or not place.exists():
        return {}
    files = [file for file in place.iterdir() if file.is_file()] if place.is_dir() else [place]
    if sum(file.stat().st_size for file in files) > DIGESTED:
        return {}
    return {"content": folder_digest(path) if place.is_dir() else file_digest(place)}


def of_vllm(entry: dict, entries: dict[str, dict], version: dict, fingerprint: str) -> tuple[dict, dict]:
    """(of the model, of the server): a LoRA module's path is its adapter's; the fingerprint hashes precision and more."""
    parent = str(entry.get("parent") or "")
    model = {"path": entry.get("root"), "base": entries.get(parent, {}).get("root")}
    return _texts(model), _texts({"version": version.get("version"), "fingerprint": fingerprint})


def of_llama_cpp(props: dict) -> tuple[dict, dict]:
    """(of the model, of the server) from its `/props`."""
    model = {"path": props.get("model_path"), "precision": props.get("model_ftype")}
    return _texts(model), _texts({"version": props.get("build_info")})


def _texts(found: dict) -> dict[str, str]:
    return {name: value for name, value in found.items() if isinstance(value, str) and value}


def vllm_caches(page: str) -> dict[str, tuple[int, int]]:
    """(all, those of them from the cache) of prompt tokens and of images, from vLLM's `/metrics`."""
    found = {}
    for name, what in (("prompt tokens", "prefix"), ("images", "mm")):
        counts = [
            sum(float(n) for n in re.findall(rf"^vllm:{what}_cache_{kind}_total{{.*}} (\S+)$", page, re.MULTILINE))
            for kind in ("queries", "hits")
        ]
        found[name] = (int(counts[0]), int(counts[1]))
    return found


def get_json(settings: MLLMSettings, url: str) -> dict:
    """A small page of a server; nothing where it has no such page, or one of another form.

    Raises:
        InputError: it does not answer, after all tries: what it tells must not depend on the moment.
    """
    try:
        found = json.loads(get_text(settings, url))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def get_text(settings: MLLMSettings, url: str) -> str:
    """The same as it comes."""
    timeout = min(PATIENCE, settings.timeout)
    with client_for(url, lambda options: httpx.Client(timeout=timeout, **options)) as client:
        return patiently(settings, url, lambda: _page(client, url))


def _page(client: httpx.Client, url: str) -> str:
    try:
        reply = client.get(url)
    except httpx.HTTPError as error:
        raise Transient(f"no connection: {shortened(str(error) or type(error).__name__)}{through(url)}") from error
    if reply.status_code in BUSY:
        raise Transient(f"HTTP {reply.status_code}: {shortened(reply.text)}")
    return reply.text if reply.status_code == 200 else ""


def patiently(settings: MLLMSettings, url: str, look: Callable[[], T]) -> T:
    """What a look at the server gives, tried as often as a question.

    Args:
        look: raises Transient where another try may help.

    Raises:
        InputError: none did.
    """
    tries = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(settings.tries),
        wait=tenacity.wait_random_exponential(multiplier=settings.retry_seconds, max=60 * settings.retry_seconds),
        retry=tenacity.retry_if_exception_type(Transient),
        reraise=True,
    )
    try:
        return tries(look)
    except Transient as error:
        remedy = "Start it, or correct mllm.url."
        raise InputError(f"MLLM server {url}", str(error), "what it tells of its models", remedy) from error
