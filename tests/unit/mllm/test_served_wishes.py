"""What is asked of a server beside the question, and what becomes of it where a server refuses some."""

import pytest
from fake_servers import MLLMServer, ollama_body, openai_body
from PIL import Image

from icl.errors import InputError
from icl.mllm.backends.registry import open_backend
from icl.mllm.protocol import YES_NO, Request
from icl.mllm.settings import MLLMSettings

pytestmark = pytest.mark.servers
BACKENDS = ["openai", "ollama"]
BODY = {"openai": openai_body, "ollama": ollama_body}
REWRITE = Request("rewrite", "say it otherwise", None, 20, temperature=1.0, seed=3)
SHARED = {"top_p": 1.0, "min_p": 0.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}


def settings(server: MLLMServer, backend: str, **changes) -> MLLMSettings:
    url = server.url + ("/v1" if backend == "openai" else "")
    quick = dict(retry_seconds=0.0, tries=2, concurrency=1)
    return MLLMSettings(**{**dict(backend=backend, url=url, model="synthvl"), **quick, **changes})


def reply(prompt, image, model):
    return ("Yes", 0.75) if "Yes" in prompt else ("1. A man.", None)


def sampled(body: dict, backend: str) -> dict:
    given = body["options"] if backend == "ollama" else body
    return {name: value for name, value in given.items() if name in SHARED or "top_k" in name or name.startswith("rep")}


@pytest.fixture
def judge(tmp_path):
    Image.new("RGB", (8, 16)).save(tmp_path / "0.png")
    return Request("localise", "Is it? Answer Yes or No", tmp_path / "0.png", 4, YES_NO)


@pytest.mark.parametrize("backend", BACKENDS)
def test_sampling_is_never_left_to_the_server(backend, judge):
    """Qwen's own generation_config.json gives one answer to every seed, and is what servers take by default."""
    own = {"top_k": 0, "repeat_penalty": 1.0} if backend == "ollama" else {"top_k": -1, "repetition_penalty": 1.0}
    with MLLMServer(reply) as server:
        served = open_backend(settings(server, backend))
        served.answer([REWRITE, judge])
        assert [sampled(body, backend) for body in server.bodies] == [SHARED | own] * 2
        for task in ("rewrite", "localise"):
            assert served.identity(task)["sampling"] == "neutral", "earlier answers were drawn otherwise"


def test_a_server_that_knows_no_negative_number_is_asked_for_top_k_0(capsys):
    def script(body):
        if body.get("top_k") == -1:
            return 400, {"error": {"message": "top_k must be non-negative", "param": "top_k"}}

    with MLLMServer(reply, script=script) as server:
        answers = open_backend(settings(server, "openai")).answer([REWRITE] * 3)
        assert [answer.text for answer in answers] == ["1. A man."] * 3
        assert [body["top_k"] for body in server.bodies] == [-1, 0, 0, 0]
    assert "WARNING" not in capsys.readouterr().err, "it is the same"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["top_p", "top_k", "min_p", "presence_penalty", "rep"])
def test_a_refused_sampling_value_is_left_out_and_told_once(backend, name, capsys):
    name = {"rep": {"openai": "repetition_penalty", "ollama": "repeat_penalty"}[backend]}.get(name, name)
    with MLLMServer(reply, refused=(name,)) as server:
        answers = open_backend(settings(server, backend)).answer([REWRITE] * 3)
        assert [answer.error for answer in answers] == [""] * 3
        assert len(server.bodies) == 3 and not any(name in sampled(body, backend) for body in server.bodies)
        assert len(sampled(server.bodies[-1], backend)) == 5
    assert capsys.readouterr().err.count(f"does not take `{name}` and is asked without: answers are drawn") == 1


TOO_LONG = {  # as vLLM says it, and as others do
    "context": "This model's maximum context length is 2048 tokens. However, you requested 40 output tokens and your prompt",
    "limit": "max_tokens is too large: 40. This server supports at most 30.",
    "length": "max_tokens=40 cannot be greater than max_model_len=30. Please request fewer output tokens.",
    "number": "num_predict must be at most 30",
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("said", TOO_LONG)
def test_a_cut_answer_stays_where_a_second_one_is_refused(backend, said, capsys):
    def script(body):
        limit = body["options"]["num_predict"] if backend == "ollama" else body["max_tokens"]
        if limit > 30:
            return 400, {"error": {"message": TOO_LONG[said]}}
        return 200, BODY[backend]("1. A man.\n2. In a", finish_reason="length")

    with MLLMServer(reply, script=script) as server:
        answers = open_backend(settings(server, backend)).answer([REWRITE] * 2)
        assert [(answer.text, answer.error) for answer in answers] == [("1. A man.\n2. In a", "")] * 2
        assert len(server.bodies) == 4, "no try is lost on it, and the limit is not left out"
    assert "WARNING" not in capsys.readouterr().err


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_cut_thought_is_no_answer_that_could_stay(backend):
    def script(body):
        limit = body["options"]["num_predict"] if backend == "ollama" else body["max_tokens"]
        if limit > 30:
            return 400, {"error": {"message": TOO_LONG["context"]}}
        return 200, BODY[backend]("<think>Okay, the", finish_reason="length")

    with MLLMServer(reply, script=script) as server:
        answer = open_backend(settings(server, backend)).answer([REWRITE])[0]
    assert answer.text == "" and answer.error.startswith("too long: This model's maximum context length is 2048")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bad_request_gives_the_servers_own_reason(backend):
    """And a remedy for it, not for a wrong name or address."""
    said = "At most 0 image(s) may be provided in one prompt."
    with MLLMServer(reply, script=lambda body: (400, {"error": {"message": said}})) as server:
        with pytest.raises(InputError) as told:
            open_backend(settings(server, backend)).answer([REWRITE])
    assert said in str(told.value) and "Mend what the server names" in str(told.value)
    assert "mllm.model" not in str(told.value)


def at_most(allowed: int, words: str):
    """A server with fewer token probabilities, as vLLM's --max-logprobs makes one."""

    def script(body):
        if (asked := body.get("top_logprobs", 0)) > allowed:
            return 400, {"error": {"message": words.format(asked), "param": "logprobs"}}

    return script


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("allowed, used", [(20, 20), (15, 10), (5, 5), (4, 2)])
def test_fewer_probabilities_are_asked_for_where_so_many_are_refused(backend, allowed, used, judge, capsys):
    words = "Requested sample logprobs of {}, which is greater than max allowed: 5"
    with MLLMServer(reply, script=at_most(allowed, words)) as server:
        answers = open_backend(settings(server, backend, concurrency=4)).answer([judge] * 12)
        assert all(answer.probabilities == pytest.approx({"Yes": 0.75, "No": 0.25}) for answer in answers)
        assert server.bodies[-1]["top_logprobs"] == used
    told = capsys.readouterr().err
    assert told.count("WARNING") == (used < 20)
    assert f"gives the {used} likeliest tokens at most" in told or used == 20


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_server_without_probabilities_says_so_once(backend, judge, capsys):
    """Whether it refuses the question for them, or takes it and gives none."""
    with MLLMServer(reply, script=at_most(0, "logprobs are not supported, got {}")) as server:
        assert not any(
            a.probabilities for a in open_backend(settings(server, backend, concurrency=4)).answer([judge] * 6)
        )
    assert capsys.readouterr().err.count("Yes and No have no probabilities") == 1
    with MLLMServer(reply, logprobs=False) as server:
        open_backend(settings(server, backend)).answer([judge] * 9)
    assert capsys.readouterr().err.count("gives no token probabilities: Yes and No have no probabilities") == 1
    with MLLMServer(reply) as server:
        open_backend(settings(server, backend)).answer([judge] * 9)
    assert "WARNING" not in capsys.readouterr().err
