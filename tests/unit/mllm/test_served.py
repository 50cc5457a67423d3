"""Back-ends behind servers: what is asked, what is read, and what becomes of every fault."""

import concurrent.futures
import io
import random
import threading
import time

import pytest
from fake_servers import FAULTS, MLLMServer
from PIL import Image

from icl.errors import InputError
from icl.mllm.backends import served
from icl.mllm.backends.pictures import encoded_image, grid_of, shrunk
from icl.mllm.backends.registry import check_server, open_backend
from icl.mllm.backends.replies import shares_of
from icl.mllm.protocol import YES_NO, Request
from icl.mllm.settings import MLLMSettings
from icl.mllm.store import AnswerStore, CachedBackend

pytestmark = pytest.mark.servers
BACKENDS = ["openai", "ollama"]


def reply(prompt: str, image: bytes | None, model: str) -> tuple[str, float | None]:
    """The prompt's last word, and how red the picture is."""
    if "Yes" not in prompt:
        return f"1. {prompt.split()[-1]}.", None
    red = Image.open(io.BytesIO(image)).getpixel((0, 0))[0] / 255
    return ("Yes" if red > 0.5 else "No"), red


def settings(server: MLLMServer, backend: str, **changes) -> MLLMSettings:
    url = server.url + ("/v1" if backend == "openai" else "")
    fast = dict(retry_seconds=0.01, timeout=60.0, concurrency=4, max_pixels=200)
    return MLLMSettings(**{**dict(backend=backend, url=url, model="synthvl"), **fast, **changes})


@pytest.fixture
def requests(tmp_path):
    """Ten questions about pictures from black to red, and ten about texts."""
    out = []
    for k in range(10):
        Image.new("RGB", (20, 40), (28 * k, 0, 0)).save(tmp_path / f"{k}.png")
        out.append(Request("localise", f"text {k}? Answer Yes or No", tmp_path / f"{k}.png", 4, YES_NO))
        out.append(Request("aggregate", f"say word{k}", None, 20))
    return out


def assert_right(answers) -> None:
    for k in range(10):
        judged, said = answers[2 * k], answers[2 * k + 1]
        assert judged.text == ("Yes" if 28 * k / 255 > 0.5 else "No")
        assert said.text == f"1. word{k}." and said.answer_tokens == 2 and said.seconds > 0


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("logprobs", [True, False])
def test_answers_come_in_order_with_probabilities_where_there_are_any(backend, logprobs, requests):
    with MLLMServer(reply, logprobs=logprobs) as server:
        answers = open_backend(settings(server, backend)).answer(requests)
    assert_right(answers)
    for k in range(10):
        shares = answers[2 * k].probabilities
        assert shares is None if not logprobs else shares["Yes"] == pytest.approx(28 * k / 255, abs=1e-6)


def test_yes_and_no_are_asked_for_as_a_structured_choice_where_the_server_knows_it(requests):
    """vLLM's field; a server that refuses it, or probabilities, is asked without from then on."""
    with MLLMServer(reply) as server:
        open_backend(settings(server, "openai")).answer(requests)
        closed = [body for body in server.bodies if body.get("logprobs")]
        assert len(closed) == 10
        assert all(body["structured_outputs"] == {"choice": ["Yes", "No"]} for body in closed)
        assert not any("structured_outputs" in body for body in server.bodies if body not in closed)
    with MLLMServer(reply, refused=("structured_outputs", "logprobs")) as server:
        answers = open_backend(settings(server, "openai")).answer(requests)
        assert_right(answers)
        assert answers[0].probabilities is None and len(server.bodies) == 20


def test_an_older_ollama_is_asked_by_schema(requests):
    """The first answers show that it has no probabilities; from then on only the two words are possible."""
    with MLLMServer(reply, logprobs=False) as server:
        backend = open_backend(settings(server, "ollama", concurrency=1))
        assert_right(backend.answer(requests))
        closed = [body for body in server.bodies if body["messages"][-1].get("images")]
        assert len(closed) == 10 and not any("format" in body for body in closed[:3])
        assert all(body["format"]["enum"] == ["Yes", "No"] for body in closed[3:])


@pytest.mark.parametrize("fault", ["off-format", "empty", "thinking"])
def test_faulty_replies_do_not_make_an_ollama_an_older_one(fault, requests):
    """They bring no probabilities; a server that has once given some is asked for them to the end."""
    with MLLMServer(reply, fault_share=0.5, faults=(fault,)) as server:
        answers = open_backend(settings(server, "ollama", concurrency=1)).answer(requests[::2])
        assert len(server.failed) > 3 and all(answer.probabilities for answer in answers)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_answer_that_was_cut_short_gets_more_room_once(backend):
    ask = [Request("aggregate", "say word", None, 20)]
    for room, tries in ((10, [20]), (30, [20, 40]), (100, [20, 40])):
        with MLLMServer(reply, room=room) as server:
            assert open_backend(settings(server, backend)).answer(ask)[0].text == "1. word."
            limits = [b["options"]["num_predict"] if backend == "ollama" else b["max_tokens"] for b in server.bodies]
            assert limits == tries


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_mended_by_another_try(backend, fault, requests):
    """`off-format` text is a right answer to an open question, so that only Yes/No is asked there."""
    asked = requests[::2] if fault == "off-format" else requests
    with MLLMServer(reply, fault_share=1.0, faults=(fault,)) as server:
        patience = {"timeout": 1.0} if fault == "slow" else {}
        answers = open_backend(settings(server, backend, **patience)).answer(asked)
        assert len(server.failed) == len(asked) == len(server.asked)
        assert fault == "slow" or set(server.asked.values()) == {1}
    assert not any(answer.error for answer in answers)
    if fault != "off-format":
        assert_right(answers)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_fails_to_the_end_is_marked_told_and_asked_again(backend, requests, tmp_path):
    store = tmp_path / "answers"

    class Broken(MLLMServer):
        down = True

        def fault(self, question):
            if self.down and "word3" in question:
                return "500"
            return super().fault(question)

    with Broken(reply) as server:
        s = settings(server, backend, tries=2)
        with pytest.raises(InputError, match=r"1 of 1 questions without an answer \(1 x HTTP 500.*same command again"):
            CachedBackend(open_backend(s), AnswerStore(store, "w")).answer(requests)
        assert "HTTP 500" in (store / "w.jsonl").read_text(), "the failure is marked"
        server.down = False
        again = CachedBackend(open_backend(s), AnswerStore(store, "w"))
        assert_right(again.answer(requests))
        assert again.asked == {"aggregate": 1}
        assert set(server.asked.values()) == {1}, "no answered question is asked twice"


@pytest.mark.parametrize("backend", BACKENDS)
def test_answers_are_stored_as_they_come_and_a_slow_one_holds_nobody_up(backend, requests, tmp_path):
    """With two questions at a time, all but the first, which waits, are stored before it is answered."""
    first, others = requests[1], requests[3::2]
    file, seen = tmp_path / "w.jsonl", []

    def slowly(prompt, image, model):
        if prompt == first.text:
            end = time.monotonic() + 20
            while time.monotonic() < end and (not seen or seen[-1] < len(others)):
                seen.append(file.read_text().count('{"key"'))
                time.sleep(0.01)
        return reply(prompt, image, model)

    with MLLMServer(slowly) as server:
        s = settings(server, backend, concurrency=2)
        answers = CachedBackend(open_backend(s), AnswerStore(tmp_path, "w")).answer([first, *others])
    assert seen[-1] == len(others) and [a.text for a in answers] == [f"1. word{k}." for k in range(10)]


def test_whoever_stops_does_not_wait_for_more_tries(requests):
    class Broken(MLLMServer):
        def fault(self, question):
            return "" if "word0" in question else "500"

    with Broken(reply) as server:
        stream = open_backend(settings(server, "openai", retry_seconds=600.0)).stream(requests[1::2])
        assert next(stream)[1].text == "1. word0."
        start = time.monotonic()
        stream.close()
        assert time.monotonic() - start < 30, "the next tries are minutes away"


def test_what_was_answered_before_a_refusal_is_kept(requests, tmp_path, monkeypatch):
    """The other questions wait until the client has dealt with the refusal, that is until it waits again."""
    waits, dealt_with = [], threading.Event()

    def wait(*args, **options):
        waits.append(len(args[0]))
        if len(waits) == 2:
            dealt_with.set()
        return concurrent.futures.wait(*args, **options)

    class Strict(MLLMServer):
        def fault(self, question):
            if "word3" in question:
                return "404"
            dealt_with.wait(60)
            return super().fault(question)

    monkeypatch.setattr(served, "wait", wait)
    with Strict(reply) as server:
        s = settings(server, "openai", concurrency=4)
        with pytest.raises(InputError, match="Correct mllm.model"):
            CachedBackend(open_backend(s), AnswerStore(tmp_path, "w")).answer(requests[1::2])
        kept = AnswerStore(tmp_path, "w").answers
    assert waits[:2] == [4, 3], "no further question is put after a refusal"
    assert server.asked.total() == len(kept) == 3, "whatever was answered is stored"


def test_what_fails_to_the_end_can_fall_back_and_is_still_marked(requests, tmp_path):
    """Instead of stopping; the next run asks it again."""

    class Mute(MLLMServer):
        def fault(self, question):
            return "empty" if "word3" in question or "text 4" in question else super().fault(question)

    with Mute(reply) as server:
        s = settings(server, "openai", tries=2, on_failure="fallback")
        for _ in range(2):
            backend = CachedBackend(open_backend(s), AnswerStore(tmp_path, "w"))
            answers = backend.answer(requests)
            assert [k for k, answer in enumerate(answers) if answer.error] == [7, 8]
            assert all(answers[k].text == "" and "empty" in answers[k].error for k in (7, 8))
        assert backend.asked == {"aggregate": 1, "localise": 1}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_server_that_is_down_or_lacks_the_model_is_reported(backend):
    with MLLMServer(reply, models=("other",)) as server:
        with pytest.raises(InputError, match="other.*synthvl"):  # the model is not there
            check_server(settings(server, backend))
        with pytest.raises(InputError, match="other.*tuned"):  # nor the adapter
            check_server(settings(server, backend, model="other", adapter_model="tuned"))
        with pytest.raises(InputError, match="not found"):
            open_backend(settings(server, backend)).answer([Request("aggregate", "a", None, 4)])
        gone = settings(server, backend)
    with pytest.raises(InputError, match="MLLM server|Ollama server"):
        check_server(gone)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_adapter_answers_its_own_tasks_only(backend, requests):
    with MLLMServer(reply, models=("synthvl", "synthvl-lora")) as server:
        s = settings(server, backend, adapter_model="synthvl-lora")
        open_backend(s, adapter="some/folder").answer(requests)
        models = {question.split('"')[1] for question in server.asked if "Yes" in question}
        assert models == {"synthvl-lora"}
        assert {q.split('"')[1] for q in server.asked if "Yes" not in q} == {"synthvl"}
        with pytest.raises(InputError, match="mllm.adapter_model"):
            open_backend(settings(server, backend), adapter="some/folder")


@pytest.mark.parametrize("grid", [28, 32, 16])
def test_what_is_sent_is_cut_into_the_tokens_that_the_local_model_has(grid):
    """What the server's processor makes of the sent size is what the local one makes of the image."""
    smart_resize = pytest.importorskip("transformers.models.qwen2_vl.image_processing_qwen2_vl").smart_resize
    rng = random.Random(0)
    for k in range(4000):
        wide = rng.randint(20, 600)
        sides = (wide, int(wide * rng.uniform(1.5, 3.5)) if k % 2 else rng.randint(20, 600))
        budget = rng.choice((50176, 12544, 200_000))
        local = smart_resize(sides[1], sides[0], grid, min_pixels=56 * 56, max_pixels=budget)
        width, height = shrunk(*sides, grid, budget)
        assert smart_resize(height, width, grid, min_pixels=56 * 56, max_pixels=12_845_056) == local, sides
        assert local[0] * local[1] <= budget or min(local) == grid


def test_the_grid_is_the_models_own(tmp_path):
    assert grid_of("models/synthvl") == 16 and grid_of("judge", "models/synthvl") == 16
    names = ("Qwen/Qwen2-VL-7B-Instruct", "qwen2.5vl:7b", "Qwen/Qwen3-VL-8B-Instruct", "qwen3-vl:4b-instruct", "judge")
    assert [grid_of(name) for name in names] == [28, 28, 32, 32, 28]
    assert grid_of("judge", "/gguf/Qwen3VL-4B-Q8_0.gguf") == 32 and grid_of("qwen30") == 28
    (tmp_path / "preprocessor_config.json").write_text('{"patch_size": 14, "merge_size": 3}')
    assert grid_of(str(tmp_path)) == 42


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_picture_over_the_budget_is_sent_on_the_grid(backend, tmp_path):
    Image.new("RGB", (150, 390), (255, 0, 0)).save(tmp_path / "tall.png")
    ask = Request("localise", "red? Answer Yes or No", tmp_path / "tall.png", 4, YES_NO)
    seen = {}

    def look(prompt, image, model):
        seen[model] = Image.open(io.BytesIO(image)).size
        return reply(prompt, image, model)

    names = ("synthvl", "qwen3-vl")
    with MLLMServer(look, models=names) as server:
        for name in names:
            served = open_backend(settings(server, backend, model=name, max_pixels=50176))
            served.answer([ask])
            assert served.identity("localise")["grid"] == {"synthvl": "28", "qwen3-vl": "32"}[name]
    assert seen == {"synthvl": (112, 336), "qwen3-vl": (128, 352)}


def test_images_within_the_budget_are_sent_as_they_are(tmp_path):
    Image.new("RGB", (400, 800)).save(tmp_path / "large.png")
    assert Image.open(io.BytesIO(encoded_image(tmp_path / "large.png", 50176))).size == (140, 308)
    Image.new("RGB", (10, 20)).save(tmp_path / "small.png")
    assert Image.open(io.BytesIO(encoded_image(tmp_path / "small.png", 50176))).size == (10, 20)


def test_shares_count_every_spelling():
    tokens = [("Yes", 0.4), (" yes", 0.1), ("No", 0.2), ("maybe", 0.3)]
    assert shares_of(tokens, YES_NO) == pytest.approx({"Yes": 0.5 / 0.7, "No": 0.2 / 0.7})
    assert shares_of([("maybe", 1.0)], YES_NO) is None
