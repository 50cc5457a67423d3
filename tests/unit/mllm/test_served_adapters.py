"""Whether a server has the adapter that it is asked for: one that answers to any name has not."""

import io
import random
import sys
import zlib
from types import SimpleNamespace

import pytest
from fake_servers import MLLMServer, ollama_body, openai_body
from PIL import Image
from running import HOUSE
from snakemake.iocontainers import Wildcards

from icl.errors import InputError
from icl.mllm.backends.probe import for_every_task, require_adapter
from icl.mllm.backends.registry import check_server, open_backend
from icl.mllm.protocol import YES_NO, Request
from icl.mllm.settings import MLLMSettings
from icl.workflow.config import load_settings

sys.path.insert(0, str(HOUSE / "workflow_scripts"))
from _glue import settings_of  # noqa: E402

pytestmark = pytest.mark.servers
BACKENDS = ["openai", "ollama"]


def settings(server: MLLMServer, backend: str, **changes) -> MLLMSettings:
    url = server.url + ("/v1" if backend == "openai" else "")
    names = dict(backend=backend, url=url, model="base", adapter_model="tuned")
    return MLLMSettings(**{**names, "retry_seconds": 0.01, "tries": 2, "concurrency": 4, **changes})


def share(prompt: str, image: bytes | None, model: str) -> float:
    """A Yes probability that is a model's own, by question."""
    pixels = Image.open(io.BytesIO(image)).tobytes() if image else b""
    return (zlib.crc32(pixels + f"{prompt}|{model}".encode()) % 10_000) / 10_000


def reply(prompt: str, image: bytes | None, model: str) -> tuple[str, float | None]:
    yes = share(prompt, image, model)
    return ("Yes" if yes > 0.5 else "No", yes) if "Yes" in prompt else (f"1. A man with the number {yes}.", None)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("logprobs", [True, False])
def test_an_adapter_that_answers_otherwise_is_taken(backend, logprobs, capsys):
    with MLLMServer(reply, models=("base", "tuned"), logprobs=logprobs) as server:
        check_server(settings(server, backend))
        asked = {body["model"] for body in server.bodies}
    assert asked == {"base", "tuned"} and "the words of base" not in capsys.readouterr().err


@pytest.mark.parametrize("backend", BACKENDS)
def test_words_alone_are_compared_until_one_differs(backend, capsys):
    """An adapter that changes few verdicts is no fault."""
    seen = {}

    def late(prompt, image, model):
        yes = "Yes" in prompt and len(seen.setdefault(model, [])) == 20 and model == "tuned"
        seen.setdefault(model, []).append(prompt)
        return ("Yes" if yes else "No"), None

    with MLLMServer(late, models=("base", "tuned"), logprobs=False) as server:
        check_server(settings(server, backend))
    assert len(seen["tuned"]) == 24, "three times eight"
    assert "the words of base" not in capsys.readouterr().err


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("logprobs", [True, False])
@pytest.mark.parametrize("noise, seed", [(0.0, 0), *((0.005, seed) for seed in range(2))])
def test_one_model_under_two_names_is_refused_before_any_job(backend, logprobs, noise, seed, capsys):
    """Also where sums come out a little otherwise each time; where there are words alone, a line tells it."""
    rng = random.Random(seed)

    def noisy(prompt, image, model):
        text, yes = reply(prompt, image, "base")
        return text, yes if yes is None else min(max(yes + rng.uniform(0, noise), 0.0), 1.0)

    with MLLMServer(noisy, models=("base", "tuned"), logprobs=logprobs) as server:
        s = settings(server, backend, concurrency=1)
        if not logprobs:
            check_server(s)
            said = capsys.readouterr().err
            assert said.count("tuned gave the words of base to all questions") == 1
            assert said.count("gives no token probabilities") == 1
            return
        with pytest.raises(InputError, match="tuned answers 8 questions exactly as base does.*models-dir"):
            check_server(s)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("faults", [("500",), ("not-json", "empty")])
def test_faulty_replies_prove_nothing(backend, faults):
    """Neither that an adapter does nothing, nor that it does something."""
    with MLLMServer(reply, models=("base", "tuned"), fault_share=0.3, faults=faults) as server:
        check_server(settings(server, backend, tries=1))
    same = lambda prompt, image, model: reply(prompt, image, "base")  # noqa: E731
    with MLLMServer(same, models=("base", "tuned"), fault_share=0.3, faults=faults) as server:
        with pytest.raises(InputError, match="exactly as base does"):
            check_server(settings(server, backend, tries=1))


@pytest.mark.parametrize("backend", BACKENDS)
def test_where_nothing_is_answered_a_line_says_that_it_is_unknown(backend, capsys):
    body = {"error": "busy"}
    with MLLMServer(reply, models=("base", "tuned"), script=lambda body_: (500, body)) as server:
        check_server(settings(server, backend, tries=1))
    assert "no answer shows whether tuned differs from base" in capsys.readouterr().err


@pytest.mark.parametrize("honest", [True, False])
def test_a_server_that_answers_to_any_name_is_found_out(honest):
    """As a llama-server with one model: it lists that one, and its replies name it; older ones repeat what was asked."""
    with MLLMServer(reply, models=("base",), only="base", honest=honest) as server:
        said = "tuned was asked for a word, and base answered" if honest else "exactly as base does"
        with pytest.raises(InputError, match=said):
            check_server(settings(server, "openai"))


def test_a_misspelt_model_is_not_answered_by_another():
    with MLLMServer(reply, models=("base",), only="base") as server:
        with pytest.raises(InputError, match="models base; bsae was asked for a word, and base answered"):
            check_server(settings(server, "openai", model="bsae", adapter_model=""))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_job_stops_where_the_reply_names_the_base(backend, tmp_path):
    """Without the check before the run, and after the adapter was taken away in its course."""
    Image.new("RGB", (20, 40)).save(tmp_path / "0.png")
    judge = Request("localise", "Answer Yes or No", tmp_path / "0.png", 4, YES_NO)
    with MLLMServer(reply, models=("base",), only="base") as server:
        with pytest.raises(InputError, match="tuned was asked for, and base answered"):
            open_backend(settings(server, backend), "served").answer([judge])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_dated_name_is_no_other_model(backend):
    """Services answer to a short name with a longer one."""
    body = (openai_body if backend == "openai" else ollama_body)("A man.") | {"model": "base-2026-08-06"}
    with MLLMServer(reply, models=("base",), script=lambda _: (200, body)) as server:
        s = settings(server, backend, adapter_model="")
        check_server(s)
        assert open_backend(s).answer([Request("aggregate", "merge", None, 20)])[0].text == "A man."


def test_a_copy_of_an_ollama_model_is_no_adapter():
    """`ollama cp base tuned`: the digests are equal."""
    with MLLMServer(reply, models=("base", "tuned"), digests={"tuned": "digest-of-base"}) as server:
        with pytest.raises(InputError, match="one model under both names"):
            check_server(settings(server, "ollama"))


def test_each_seed_has_an_adapter_of_its_own():
    """`{seed}` in its name; each is looked for, and compared with the base, before the run."""
    with MLLMServer(reply, models=("base", "tuned-1", "tuned-2")) as server:
        s = settings(server, "openai", adapter_model="tuned-{seed}")
        check_server(s, (1, 2))
        assert {body["model"] for body in server.bodies} == {"base", "tuned-1", "tuned-2"}
        with pytest.raises(InputError, match="tuned-3"):
            check_server(s, (1, 3))
    by_one = lambda prompt, image, model: reply(prompt, image, "base" if model == "tuned-2" else model)  # noqa: E731
    with MLLMServer(by_one, models=("base", "tuned-1", "tuned-2")) as server:
        with pytest.raises(InputError, match="tuned-2 answers .* exactly as base"):
            check_server(settings(server, "openai", adapter_model="tuned-{seed}"), (1, 2))


SERVER = {"backend": "ollama", "adapter_model": "tuned"}
DATASETS = {"synthpedes": {"generator": "synth", "train_identities": 4, "val_identities": 2, "test_identities": 2}}


@pytest.mark.parametrize(
    "seeds, mllm, said",
    [
        ([1], SERVER, ""),
        ([1, 2], SERVER, r"adapter_model: found 'tuned', one adapter for the seeds \[1, 2\].*\{seed\}"),
        ([1, 2], {**SERVER, "adapter_model": "tuned-{seed}"}, ""),
        ([1, 2], {**SERVER, "adapter_model": ""}, ""),
        ([1, 2], {**SERVER, "backend": "replay"}, ""),
        ([1], {**SERVER, "adapter_model": "tuned-{sed}"}, r"adapter_model.*not \{sed\}"),
        ([1], {**SERVER, "model": "tuned"}, "another name than mllm.model"),
    ],
)
def test_one_adapter_does_not_stand_for_several_seeds(seeds, mllm, said):
    given = {"datasets": DATASETS, "seeds": seeds, "mllm": mllm}
    if not said:
        assert load_settings(given).mllm.of_seed(2).adapter_model == mllm["adapter_model"].replace("{seed}", "2")
        return
    with pytest.raises(InputError, match=said):
        load_settings(given)


def test_a_job_asks_for_its_own_seeds_adapter():
    """The scripts take the seed of their wildcards; where a job has none, the first."""
    given = {"datasets": DATASETS, "seeds": [3, 4], "mllm": {**SERVER, "adapter_model": "tuned-{seed}"}}
    for wildcards, name in (({"seed": "4"}, "tuned-4"), ({"dataset": "synthpedes"}, "tuned-3")):
        job = SimpleNamespace(config=given, wildcards=Wildcards(fromdict=wildcards))
        assert settings_of(job).mllm.adapter_model == name


def check_adapter(s: MLLMSettings) -> None:
    """The comparison alone."""
    require_adapter(open_backend(s), for_every_task(open_backend(s, "served")))


@pytest.mark.parametrize("mixes", [True, False])
def test_a_server_that_mixes_the_adapter_into_its_base_is_told(mixes, capsys):
    """A real vLLM on a CPU does, for rows that it computes together; the last 8 of 24 are put side by side."""
    asked = {"base": 0, "tuned": 0}

    def mixing(prompt, image, model):
        asked[model] += 1
        beside = mixes and model == "base" and asked["base"] > 16
        return reply(prompt, image, "tuned" if beside else model)

    with MLLMServer(mixing, models=("base", "tuned")) as server:
        check_adapter(settings(server, "openai"))
    assert asked == {"base": 24, "tuned": 24}
    said = capsys.readouterr().err
    assert said.count("base answers otherwise while tuned is asked beside it") == mixes
