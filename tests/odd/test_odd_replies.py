"""What MLLM servers really send: each reply is read, or its question is one without an answer; nothing else is raised."""

import json
import re

import pytest
from fake_servers import MLLMServer, ollama_body, openai_body
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from icl.errors import InputError
from icl.mllm.backends import served
from icl.mllm.backends.registry import check_server, open_backend
from icl.mllm.protocol import YES_NO, Request, require_answers
from icl.mllm.reading import is_yes, unscored, yes_share
from icl.mllm.settings import MLLMSettings
from icl.mllm.store import AnswerStore, CachedBackend

pytestmark = pytest.mark.servers
BACKENDS = ["openai", "ollama"]
BODY = {"openai": openai_body, "ollama": ollama_body}
AGGREGATE = Request("aggregate", "merge", None, 20)


def asked(server: MLLMServer, backend: str, **changes) -> MLLMSettings:
    url = server.url + ("/v1" if backend == "openai" else "")
    fast = dict(retry_seconds=0.0, timeout=5.0, concurrency=1, tries=2)
    return MLLMSettings(**{**dict(backend=backend, url=url, model="synthvl"), **fast, **changes})


@pytest.fixture(scope="module")
def localise(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "0.png"
    Image.new("RGB", (8, 16)).save(path)
    return Request("localise", "Is it? Answer Yes or No", path, 4, YES_NO)


def reply(prompt, image, model):
    return "1. A man.", None


def one_answer(backend: str, request: Request, status: int, content, **changes):
    """What becomes of one question to which the server says this, every time; how often it was put."""
    with MLLMServer(reply, script=lambda body: (status, content)) as server:
        return open_backend(asked(server, backend, **changes)).answer([request])[0], len(server.bodies)


STRAY = {"Yes": 2e-4, "No": 5e-5}
NO = {"No": 0.97, "Yes": 0.02, "no": 0.01}
YES = {"Yes": 0.9, "No": 0.1}
OTHER = {"x": 0.9, "Yes": 2e-2, "No": 1e-3}
VERDICTS = {
    "a line break first": ("\nNo", [("\n", STRAY), ("No", NO)], False, 0.02),
    "a sentence": ("The answer is No", [("The", OTHER), (" answer", OTHER), (" is", STRAY), (" No", NO)], False, 0.02),
    "bold": ("**No**", [("**", OTHER), ("No", NO), ("**", STRAY)], False, 0.02),
    "a quote in the token": ('"Yes"', [('"Yes', {'"Yes': 0.8, '"No': 0.2}), ('"', STRAY)], True, 0.8),
    "lower case": ("no.", [("no", {"no": 0.6, "No": 0.3, "yes": 0.1}), (".", STRAY)], False, 0.1),
    "tags of thinking": (
        "<think>\nOkay, Yes?</think>\n\nNo",
        [
            ("<think>", OTHER),
            ("\nOkay,", OTHER),
            (" Yes", YES),
            ("?", OTHER),
            ("</think>", OTHER),
            ("\n\n", STRAY),
            ("No", NO),
        ],
        False,
        0.02,
    ),
    "thinking that the template opened": (
        "Okay, so Yes.\n</think>\n\nNo",
        [
            ("Okay", OTHER),
            (", so", OTHER),
            (" Yes", YES),
            (".\n", OTHER),
            ("</think>", OTHER),
            ("\n\n", STRAY),
            ("No", NO),
        ],
        False,
        0.02,
    ),
    "thinking set apart, its tokens among the others": (
        "No",
        [("Okay, ", OTHER), ("Yes", YES), ("?", OTHER), ("</think>", OTHER), ("No", NO)],
        False,
        0.02,
    ),
    "blanks written as marks": ("The answer is Yes", [("The", OTHER), ("▁answer▁is", OTHER), ("ĠYes", YES)], True, 0.9),
    "first token alone": ("Yes, it does.", [("Yes", YES)], True, 0.9),
    "halves of the word": ("Yes", [("Y", {"Y": 0.7, "N": 0.3}), ("es", OTHER)], True, 0.7),
    "little mass in the place": ("No", [("No", {"The": 0.9, "No": 0.03, "Yes": 0.02})], False, None),
    "stray Yes of 2e-2, text elsewhere": (
        "The image shows no such man",
        [("The", OTHER), (" image", OTHER)],
        False,
        None,
    ),
    "stray Yes of 2e-4, no list for the place": ("\nNo", [("\n", STRAY), ("No", {})], False, None),
    "tokens of another text": ("No", [("Yes", YES)], False, None),
    "no probabilities at all": ("The answer is Yes.", [], True, None),
    "summed spellings win": ("No", [("No", {"No": 0.4, "Yes": 0.35, " yes": 0.25})], True, 0.6),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", VERDICTS)
def test_a_verdict_is_read_where_the_reply_says_it(backend, name, localise):
    text, tokens, yes, share = VERDICTS[name]
    answer, _ = one_answer(backend, localise, 200, BODY[backend](text, tokens))
    assert not answer.error and is_yes(answer.text) is yes
    if share is None:
        assert answer.probabilities is None and yes_share(answer) == float(yes) and unscored([answer]) == 1
    else:
        assert answer.probabilities["Yes"] == pytest.approx(share, abs=1e-3) and unscored([answer]) == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_reply_cut_within_its_thinking_gets_room_to_end_it(backend, localise):
    def script(body):
        limit = body["options"]["num_predict"] if backend == "ollama" else body["max_tokens"]
        if limit < served.THINKING:
            return 200, BODY[backend]("<think>Okay, the", finish_reason="length")
        return 200, BODY[backend]("<think>Okay, Yes? Not.</think>No")

    with MLLMServer(reply, script=script) as server:
        answer = open_backend(asked(server, backend)).answer([localise])[0]
        assert not answer.error and not is_yes(answer.text) and len(server.bodies) == 2


def with_choice(**choice) -> dict:
    return {"choices": [{"index": 0, "finish_reason": "stop", **choice}]}


PARTS = [
    {"type": "thinking", "text": "hm"},
    {"type": "text", "text": "A man "},
    {"type": "image_url"},
    {"type": "text", "text": "in red."},
]
READ = {
    "parts": (openai_body(PARTS), ollama_body(PARTS), "A man in red."),
    "parts that are texts": (openai_body(["A man."]), ollama_body(["A man."]), "A man."),
    "one part": (openai_body({"text": "A man."}), ollama_body({"type": "text", "text": "A man."}), "A man."),
    "usage null": ({**openai_body("A man."), "usage": None}, {**ollama_body("A man."), "eval_count": None}, "A man."),
    "usage of texts": (
        {**openai_body("A man."), "usage": {"prompt_tokens": "7"}},
        {**ollama_body("A man."), "prompt_eval_count": "seven"},
        "A man.",
    ),
    "hardly more than the text": (
        {"choices": [{"message": {"content": "A man."}}]},
        {"message": {"content": "A man."}},
        "A man.",
    ),
    "an error that is null": ({**openai_body("A man."), "error": None}, {**ollama_body("A man."), "error": None}, "A man."),
}  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", READ)
def test_replies_of_other_forms_are_read(backend, name):
    answer, times = one_answer(backend, AGGREGATE, 200, READ[name][BACKENDS.index(backend)])
    assert (answer.text, answer.error, times) == (READ[name][2], "", 1)


LISTS = {
    "null": None,
    "of nulls": [None],
    "empty": [],
    "no object": "no",
    "a token that is null": [{"token": None, "logprob": -0.1}],
    "a logprob that is null": [{"token": "No", "logprob": None, "top_logprobs": [{"token": "Yes", "logprob": None}]}],
    "a logprob of words": [{"token": "No", "logprob": "x", "top_logprobs": [{"token": "Yes", "logprob": "y"}]}],
    "a top that is null": [{"token": "No", "logprob": -0.1, "top_logprobs": None}],
    "a top of nulls": [{"token": "No", "logprob": -0.1, "top_logprobs": [None, {}, 3]}],
    "huge numbers": [{"token": "No", "logprob": 10**400, "top_logprobs": [{"token": "Yes", "logprob": -(10**400)}]}],
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", LISTS)
def test_odd_lists_of_probabilities_leave_the_words(backend, name, localise):
    body = BODY[backend]("No")
    if backend == "openai":
        body["choices"][0]["logprobs"] = {"content": LISTS[name]}
    else:
        body["logprobs"] = LISTS[name]
    answer, _ = one_answer(backend, localise, 200, body)
    assert not answer.error and not is_yes(answer.text)
    assert yes_share(answer) == 0 and sum((answer.probabilities or {"No": 1}).values()) == pytest.approx(1)


MISSING = {  # (OpenAI's, Ollama's, what is told)
    "choices null": ({"choices": None}, {"message": None}, "unreadable reply"),
    "choices empty": ({"choices": []}, {}, "unreadable reply"),
    "a choice that is null": ({"choices": [None]}, {"message": []}, "unreadable reply"),
    "message null": (with_choice(message=None), {"message": None, "done": True}, "unreadable reply"),
    "content null": (openai_body(None), ollama_body(None), "empty content"),
    "content null beside thinking": (
        openai_body(None, reasoning_content="Yes, I see"),
        ollama_body(None, thinking="Yes, I see"),
        "empty content",
    ),
    "thinking alone": (openai_body("<think>A man."), ollama_body("<think>A man.</think>"), "empty content"),
    "a number": (openai_body(7), ollama_body(7), "empty content"),
    "a list": ([1], [1], "unreadable reply"),
    "a text": ("no", "no", "unreadable reply"),
    "null": (None, None, "unreadable reply"),
    "a page": (b"<!doctype html><title>Log in</title>",) * 2 + ("unreadable reply.*Log in",),
    "nothing": (b"", b"", "unreadable reply"),
    "half a character": (b'{"choices": "\xff', b"\xff", "unreadable reply"),
    "deep": (b"[" * 100_000, b'{"message":' + b"[" * 100_000, "unreadable reply"),
    "an error": ({"error": {"message": "overloaded", "code": 529}}, {"error": "overloaded"}, "error in a reply: .*overloaded"),
    "an error beside a null": (
        {"error": "busy", "choices": None},
        {"error": "busy", "message": None},
        "error in a reply: .*busy",
    ),
}  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", MISSING)
def test_replies_without_an_answer_are_tried_again_and_marked(backend, name):
    answer, times = one_answer(backend, AGGREGATE, 200, MISSING[name][BACKENDS.index(backend)])
    assert answer.text == "" and times == 2
    assert re.search(MISSING[name][2], answer.error), answer.error


FILTERED = {
    "Azure": (400, {"error": {"code": "content_filter", "message": "Filtered due to our content management policy."}}),
    "OpenAI": (400, {"error": {"code": "content_policy_violation", "message": "Rejected by our safety system."}}),
    "Qwen": (400, {"error": {"code": "data_inspection_failed", "message": "Input data may contain inappropriate content."}}),
    "OpenRouter": (403, {"error": {"message": "Your input was flagged", "metadata": {"reasons": ["sexual"]}}}),
    "in a reply": (200, {"error": {"message": "Blocked by content filter"}}),
    "too long": (400, {"error": {"message": "This model's maximum context length is 4096 tokens, max_tokens is 200."}}),
    "too large": (413, b"Payload Too Large"),
}  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", FILTERED)
def test_a_question_that_a_filter_refuses_is_one_without_an_answer(backend, name):
    """It is put once, the others are answered; it ends no run that falls back, and one that stops names it in the end."""

    def script(body):
        return FILTERED[name] if "forbidden" in json.dumps(body) else None

    requests = [Request("aggregate", text, None, 20) for text in ("a", "forbidden", "b")]
    with MLLMServer(reply, script=script) as server:
        answers = open_backend(asked(server, backend, tries=5)).answer(requests)
        assert [bool(answer.error) for answer in answers] == [False, True, False]
        assert len(server.bodies) == 3, "no try is lost on it, and nothing is left out of the others"
        assert all(("seed" in body or "seed" in body["options"]) for body in server.bodies)
    with pytest.raises(InputError, match=r"1 of 3 questions without an answer .*(content filter|too long)"):
        require_answers(requests, answers, object())


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_a_filter_refuses_is_stored_as_missing_and_the_rest_kept(backend, tmp_path):
    def script(body):
        return FILTERED["Azure"] if "forbidden" in json.dumps(body) else None

    requests = [Request("aggregate", text, None, 20) for text in ("a", "forbidden", "b")]
    with MLLMServer(reply, script=script) as server:
        with pytest.raises(InputError, match="1 of 1 questions.*content filter.*content management policy.*fallback"):
            CachedBackend(open_backend(asked(server, backend)), AnswerStore(tmp_path, "w")).answer(requests)
        again = CachedBackend(open_backend(asked(server, backend, on_failure="fallback")), AnswerStore(tmp_path, "w"))
        assert [answer.text for answer in again.answer(requests)] == ["1. A man.", "", "1. A man."]
        assert again.asked == {"aggregate": 1}


@pytest.mark.parametrize("reason", ["content_filter", "refusal"])
def test_openai_says_in_the_reply_that_a_filter_took_the_answer(reason):
    body = (
        openai_body(None, refusal="I can't help.") if reason == "refusal" else openai_body("A m", finish_reason=reason)
    )
    answer, times = one_answer("openai", AGGREGATE, 200, body, tries=4)
    assert times == 1 and answer.error.startswith("content filter" if reason == "content_filter" else "refusal")


STOPS = {
    "no key": (401, {"error": {"message": "Incorrect API key provided"}}),
    "no access": (403, {"error": {"message": "You have no access to this model"}}),
    "no such model": (404, {"error": {"message": "The model `x` does not exist"}}),
    "no money": (402, {"error": {"message": "Insufficient balance"}}),
    "no quota": (429, {"error": {"code": "insufficient_quota", "message": "You exceeded your quota"}}),
    "a bad request, from the start": (400, {"error": {"message": "This model does not support images"}}),
    "a bad key, as Gemini has it": (400, {"error": {"message": "API key not valid"}}),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", STOPS)
def test_what_is_wrong_with_every_question_stops_at_once(backend, name):
    with MLLMServer(reply, script=lambda body: STOPS[name]) as server:
        remedy = "Mend what the server names" if name == "a bad request, from the start" else "Correct mllm"
        with pytest.raises(InputError, match=f"MLLM server.*HTTP {STOPS[name][0]}.*{remedy}"):
            open_backend(asked(server, backend, tries=5, on_failure="fallback")).answer([AGGREGATE] * 4)
        assert len(server.bodies) <= 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bad_request_after_good_ones_is_bad_for_what_is_in_it(backend):
    def script(body):
        return (400, {"error": {"message": "cannot decode image"}}) if "third" in json.dumps(body) else None

    requests = [Request("aggregate", text, None, 20) for text in ("first", "second", "third", "fourth")]
    with MLLMServer(reply, script=script) as server:
        answers = open_backend(asked(server, backend)).answer(requests)
    assert [answer.error for answer in answers] == ["", "", "bad request: cannot decode image", ""]


def openai_words(name: str) -> dict:
    hint = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
    message = f"Unsupported parameter: '{name}' is not supported with this model.{hint}"
    return {
        "error": {"message": message, "type": "invalid_request_error", "param": name, "code": "unsupported_parameter"}
    }


def fastapi_words(name: str) -> dict:
    """With the whole request in it, which names everything that was sent."""
    given = {"max_tokens": 20, "seed": 0, "temperature": 0.0}
    return {
        "detail": [
            {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted", "input": given}
        ]
    }


@pytest.mark.parametrize("words", [openai_words, fastapi_words])
@pytest.mark.parametrize("name", ["max_tokens", "seed", "temperature"])
def test_a_refused_parameter_is_left_out_from_then_on(name, words, capsys):
    script = lambda body: (400, words(name)) if name in body else None  # noqa: E731
    with MLLMServer(reply, script=script) as server:
        answers = open_backend(asked(server, "openai", concurrency=3)).answer([AGGREGATE] * 6)
        assert not any(answer.error for answer in answers)
        late = server.bodies[-1]
        assert name not in late and ("max_completion_tokens" in late) == (name == "max_tokens")
        assert {"seed", "temperature"} - {name} <= late.keys(), "what it does not refuse stays"
    told = capsys.readouterr().err.count("WARNING")
    assert told == (0 if name == "max_tokens" else 1)


@pytest.mark.parametrize("name", ["seed", "temperature"])
def test_a_parameter_that_an_ollama_refuses_is_left_out_too(name, capsys):
    with MLLMServer(reply, refused=(name,)) as server:
        assert not any(a.error for a in open_backend(asked(server, "ollama")).answer([AGGREGATE] * 3))
        assert len(server.bodies) == 3 and name not in server.bodies[-1]["options"]
    assert capsys.readouterr().err.count(f"does not take `{name}`") == 1


def test_a_server_that_refuses_everything_is_asked_with_nothing(localise):
    """Newer models take neither; the start's word is asked for in the same way."""
    sampling = ("top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty")
    refused = ("max_tokens", "seed", "temperature", "logprobs", "structured_outputs", *sampling)
    with MLLMServer(lambda *question: ("\nNo", None), refused=refused, models=("synthvl",)) as server:
        check_server(asked(server, "openai"))
        answer = open_backend(asked(server, "openai")).answer([localise])[0]
        assert not answer.error and not is_yes(answer.text)
        assert server.bodies[-1].keys() == {"model", "messages", "max_completion_tokens"}


@pytest.fixture
def proxied(monkeypatch):
    """Sets a variable of the environment, in which no other proxy is left."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def to(address: str, name: str = "HTTP_PROXY") -> None:
        monkeypatch.setenv(name, address)

    return to


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "http_proxy"])
@pytest.mark.parametrize(
    "proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "http://user:secret@proxy.invalid:3128"]
)
def test_loopback_goes_direct(backend, name, proxy, proxied):
    proxied(proxy, name)
    with MLLMServer(reply) as server:
        for host in ("127.0.0.1", "localhost"):
            s = asked(server, backend, url=asked(server, backend).url.replace("127.0.0.1", host))
            check_server(s)
            assert open_backend(s).answer([AGGREGATE])[0].text == "1. A man."


@pytest.mark.parametrize("backend", BACKENDS)
def test_where_a_proxy_stands_between_messages_name_it(backend, proxied):
    url = "http://mllm.invalid:8000" + ("/v1" if backend == "openai" else "")
    s = MLLMSettings(backend=backend, url=url, model="synthvl", tries=1, timeout=2.0)
    proxied("http://user:secret@127.0.0.1:9")
    with pytest.raises(InputError, match="through the proxy http://127.0.0.1:9 .*NO_PROXY") as told:
        check_server(s)
    assert "secret" not in str(told.value)
    assert "through the proxy http://127.0.0.1:9" in open_backend(s).answer([AGGREGATE])[0].error
    proxied("gopher://127.0.0.1:9")
    with pytest.raises(InputError, match="gopher"):
        check_server(s)
    proxied("mllm.invalid", "NO_PROXY")
    with pytest.raises(InputError) as told:
        check_server(s)
    assert "proxy" not in str(told.value)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "url", ["http://", "http://host:99999/v1", "http://host:80:80/v1", "ftp://host/v1", "http://[::1/v1"]
)
def test_what_is_no_address_is_told_before_any_question(backend, url):
    with pytest.raises(InputError, match="mllm.url"):
        check_server(MLLMSettings(backend=backend, url=url, model="synthvl"))


@pytest.mark.parametrize("host", ["127.0.0.1:{}", ":{}", "http://localhost:{}/", "0.0.0.0:{}"])
def test_an_ollama_is_found_where_its_own_variable_says(host, proxied):
    proxied("http://127.0.0.1:9")
    with MLLMServer(reply) as server:
        proxied(host.format(server.server_port), "OLLAMA_HOST")
        s = asked(server, "ollama", url="")
        check_server(s)
        assert open_backend(s).answer([AGGREGATE])[0].text == "1. A man."


def test_an_openai_server_needs_an_address():
    for url in ("", "localhost:8000/v1"):
        with pytest.raises(InputError, match="mllm.url.*http://host:8000/v1"):
            open_backend(MLLMSettings(backend="openai", url=url))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "listing", [None, [], {}, {"data": None}, {"models": None}, {"data": [None]}, {"models": [{}]}, "x", b"<html>"]
)
def test_any_list_of_models_is_no_raw_error(backend, listing, monkeypatch):
    with MLLMServer(reply) as server:
        monkeypatch.setattr(
            server.RequestHandlerClass,
            "do_GET",
            lambda self: self._send(200, listing if isinstance(listing, bytes) else json.dumps(listing).encode()),
        )
        if backend == "openai":
            check_server(asked(server, backend))  # a word is asked for
        else:
            with pytest.raises(InputError, match="Ollama server"):
                check_server(asked(server, backend))


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=8), v, max_size=3), max_leaves=8
)
KEYS = (
    "choices message content text type logprobs token logprob top_logprobs finish_reason done_reason usage error role"
).split()
shaped = st.recursive(
    scalars | st.sampled_from(["Yes", "No", "text", "<think>", "length", "content_filter", "assistant"]),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(KEYS), v, max_size=5),
    max_leaves=16,
)


@st.composite
def bodies(draw):
    """A right reply in which something stands in the place of something else."""
    body = draw(st.sampled_from([openai_body, ollama_body]))("No", [("\n", STRAY), ("No", NO)])
    at = body
    for _ in range(draw(st.integers(0, 6))):
        keys = list(at) if isinstance(at, dict) else range(len(at)) if isinstance(at, list) else ()
        if not keys:
            break
        key = draw(st.sampled_from(list(keys)))
        if draw(st.integers(0, 2)) == 0 or not isinstance(at[key], dict | list):
            at[key] = draw(values)
            break
        at = at[key]
    return body


@pytest.fixture(scope="module")
def moody():
    """One server whose next reply is set before each question."""
    with MLLMServer(reply, script=lambda body: server.next) as server:
        server.next = None
        yield server


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    status=st.sampled_from([200, 200, 200, 200, 400, 403, 404, 422, 429, 500]),
    body=bodies() | shaped | values | st.binary(max_size=40),
    backend=st.sampled_from(BACKENDS),
    open_question=st.booleans(),
)
def test_no_reply_raises_anything_else(moody, localise, status, body, backend, open_question):
    moody.next = (status, body if isinstance(body, bytes) else json.dumps(body).encode())
    request = AGGREGATE if open_question else localise
    try:
        answer = open_backend(asked(moody, backend, tries=1)).answer([request])[0]
    except InputError:
        assert status != 200, "what a reply holds never ends a run"
        return
    assert bool(answer.error) != bool(answer.text)
    assert status == 200 or answer.error
    if answer.probabilities:
        assert sum(answer.probabilities.values()) == pytest.approx(1) and 0 <= yes_share(answer) <= 1
