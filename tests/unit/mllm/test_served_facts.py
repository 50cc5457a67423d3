"""Whose answers are kept: what a server tells of itself enters their identity, what changes with every start does not."""

import os

import pytest
from fake_servers import MLLMServer, ollama_body
from PIL import Image

from icl.errors import InputError
from icl.mllm.backends.registry import check_server, open_backend
from icl.mllm.protocol import Request
from icl.mllm.settings import MLLMSettings
from icl.mllm.store import AnswerStore, CachedBackend

pytestmark = pytest.mark.servers
BACKENDS = ["openai", "ollama"]
ASK = Request("aggregate", "merge", None, 20)
VLLM = {"owned_by": "vllm", "root": "/models/qwen", "tuned": {"root": "/adapters/1", "parent": "base"}}
PROPS = {"model_path": "/gguf/base-Q8_0.gguf", "model_ftype": "Q8_0", "build_info": "b7000-abc", "media_marker": "x1"}


def reply(prompt, image, model):
    return "A man.", None


def settings(server: MLLMServer, backend: str = "openai", **changes) -> MLLMSettings:
    url = server.url + ("/v1" if backend == "openai" else "")
    quick = dict(retry_seconds=0.0, tries=2, concurrency=1, adapter_model="tuned")
    return MLLMSettings(**{**dict(backend=backend, url=url, model="base"), **quick, **changes})


def vllm(version="0.32.0", fingerprint="vllm-0.32.0-1a2b3c4d", entry=VLLM, **more) -> MLLMServer:
    pages = {"/version": {"version": version}}
    return MLLMServer(reply, ("base", "tuned"), pages=pages, entry=entry, fingerprint=fingerprint, **more)


def llama(props=PROPS) -> MLLMServer:
    pages = {f"/props?model={name}": props for name in ("base", "tuned")}
    return MLLMServer(reply, ("base", "tuned"), pages=pages, entry={"owned_by": "llamacpp", "meta": None})


def olla(version="0.12.11", digests=None) -> MLLMServer:
    return MLLMServer(reply, ("base", "tuned"), pages={"/api/version": {"version": version}}, digests=digests)


def identity(started: MLLMServer, backend: str = "openai", task: str = "localise", **changes) -> dict[str, str]:
    with started as server:
        return open_backend(settings(server, backend, **changes), "served").identity(task)


SERVERS = {"vllm": (vllm, "openai"), "llama": (llama, "openai"), "ollama": (olla, "ollama")}


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_that_was_started_again_keeps_its_answers(name, tmp_path):
    """On another port, and under another name of this machine."""
    start, backend = SERVERS[name]
    with start() as first:
        served = CachedBackend(open_backend(settings(first, backend)), AnswerStore(tmp_path, "w"))
        served.answer([ASK])
        port = first.server_port
    with start() as second:
        assert second.server_port != port
        s = settings(second, backend)
        again = open_backend(settings(second, backend, url=s.url.replace("127.0.0.1", "localhost")))
        kept = CachedBackend(again, AnswerStore(tmp_path, "w"))
        assert kept.answer([ASK])[0].text == "A man." and kept.asked == {}


def test_another_model_adapter_or_precision_under_the_same_name_does_not():
    plain = identity(vllm())
    assert plain["path"] == "/adapters/1" and plain["base"] == "/models/qwen"
    assert (
        plain["fingerprint"].startswith("vllm-0.32.0") and plain["version"] == "0.32.0" and plain["host"] == "localhost"
    )
    others = [
        identity(vllm(entry={**VLLM, "tuned": {"root": "/adapters/2", "parent": "base"}})),
        identity(vllm(entry={**VLLM, "root": "/models/other"})),
        identity(vllm(fingerprint="vllm-0.32.0-ffffffff")),
        identity(vllm(version="0.33.0")),
        identity(vllm(), adapter_model="base"),
        identity(llama()),
        identity(llama({**PROPS, "model_path": "/gguf/base-f16.gguf"})),
        identity(llama({**PROPS, "model_ftype": "F16"})),
        identity(llama({**PROPS, "build_info": "b7001-def"})),
        identity(olla(), "ollama"),
        identity(olla("0.13.0"), "ollama"),
        identity(olla(digests={"tuned": "another"}), "ollama"),
        identity(MLLMServer(reply, ("base", "tuned"))),
    ]
    assert len({tuple(sorted(found.items())) for found in [plain, *others]}) == 1 + len(others)
    assert identity(llama({**PROPS, "media_marker": "x2"})) == identity(llama()), "what another start changes"
    assert identity(vllm(), task="vqa")["path"] == "/models/qwen", "the base answers the other tasks"


@pytest.mark.parametrize("name", SERVERS)
def test_a_revision_of_the_users_stands_for_place_and_version(name):
    start, backend = SERVERS[name]
    found = identity(start(), backend, revision="bf16 on the cluster")
    assert found["revision"] == "bf16 on the cluster" and not {"host", "version", "fingerprint"} & found.keys()
    assert {"path", "digest"} & found.keys(), "the model itself still counts"
    assert identity(start(), backend, revision="fp8") != found


def test_an_adapter_that_was_trained_anew_in_its_place_is_another(tmp_path):
    """Where the server is on this machine, its files are read."""
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_model.safetensors").write_bytes(b"old")
    entry = {**VLLM, "tuned": {"root": str(adapter), "parent": "base"}}
    before = identity(vllm(entry=entry))
    (adapter / "new").write_bytes(b"new")
    os.replace(adapter / "new", adapter / "adapter_model.safetensors")
    assert before != identity(vllm(entry=entry)) and "content" in before


def test_a_hosted_service_is_asked_for_nothing_but_its_list():
    """Its fingerprint changes from reply to reply."""
    with MLLMServer(reply, ("base",), fingerprint="fp_1") as server:
        found = open_backend(settings(server)).identity("vqa")
        assert server.looked_up == ["/v1/models"] and not server.bodies
    assert "fingerprint" not in found and found["host"] == "localhost"


@pytest.mark.parametrize("name", SERVERS)
def test_what_a_server_tells_does_not_depend_on_the_moment(name):
    """A page that is busy is asked for again; where it stays so, the job ends, and takes no other identity."""
    start, backend = SERVERS[name]
    busy = next(iter(start().pages))
    whole = identity(start(), backend)

    class Once(dict):
        def __getitem__(self, path):
            page = dict.__getitem__(self, path)
            if path == busy and not self.__dict__.setdefault("seen", []):
                self.seen.append(path)
                return 503, {"error": "loading"}
            return page

    server = start()
    server.pages = Once(server.pages)
    served = {"task": "vqa"} if name == "llama" else {}
    assert identity(server, backend, **served) == (identity(start(), backend, **served) if served else whole)
    server = start()
    server.pages = dict.fromkeys(server.pages, (503, {"error": "loading"}))
    with pytest.raises(InputError, match="HTTP 503.*loading"):
        identity(server, backend)


def test_the_grid_is_that_of_the_model_behind_a_name(tmp_path):
    """`--served-model-name judge` of a Qwen3-VL."""
    Image.new("RGB", (8, 16)).save(tmp_path / "0.png")
    assert identity(vllm(entry={**VLLM, "root": "Qwen/Qwen3-VL-8B-Instruct"}))["grid"] == "32"
    assert identity(vllm())["grid"] == "28"


def on_a_grid(grid: int, least: int = 0):
    """Visual tokens of a server's processor, with two marks around them."""
    return lambda width, height: max(least, (width // grid) * (height // grid)) + 2


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "name, grid, least, told", [("base", 28, 0, ""), ("base", 28, 1024, "1,026"), ("qwen3-vl", 32, 64, "")]
)
def test_an_image_that_costs_more_than_the_budget_implies_is_told_with_the_figure(
    backend, name, grid, least, told, capsys
):
    """Once, at the start: Ollama makes at least 1,024 tokens of one, where 50,176 pixels are 64."""
    with MLLMServer(reply, (name,), image_tokens=on_a_grid(grid, least)) as server:
        check_server(settings(server, backend, model=name, adapter_model=""))
    said = capsys.readouterr().err
    assert said.count("WARNING") == bool(told)
    assert f"140 x 336 pixels costs {told} prompt tokens, where mllm.max_pixels (50,176) implies 60" in said or not told


def test_a_server_that_counts_no_tokens_is_not_doubted(capsys):
    with MLLMServer(reply, ("base",), script=lambda body: (200, ollama_body("A man."))) as server:
        check_server(settings(server, "ollama", adapter_model=""))
    assert "WARNING" not in capsys.readouterr().err


def test_a_model_that_takes_no_images_is_found_out_at_the_start():
    def script(body):
        if "image_url" in str(body):
            return 400, {"error": {"message": "At most 0 image(s) may be provided in one prompt."}}

    with MLLMServer(reply, ("base",), script=script) as server:
        with pytest.raises(InputError, match="At most 0 image.*Mend what the server names"):
            check_server(settings(server, adapter_model=""))


def test_a_server_whose_list_fails_is_known_by_its_host():
    """As `transformers serve` without a cache."""
    with MLLMServer(reply, ("base",), pages={"/v1/models": (500, {"detail": "Internal Server Error"})}) as server:
        check_server(settings(server, adapter_model=""))
        found = open_backend(settings(server)).identity("vqa")
    assert found["host"] == "localhost" and found["model"] == "base" and "path" not in found
