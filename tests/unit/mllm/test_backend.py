"""The transformers back-end must say exactly what the stock model says, and the store must survive anything."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import save_tiny_relative, save_vl_place, tiny_corpus
from PIL import Image
from transformers import AutoModelForImageTextToText

from icl.errors import InputError
from icl.mllm import prompts, store
from icl.mllm.backends.transformers_backend import TransformersBackend
from icl.mllm.protocol import YES_NO, Answer, Request
from icl.mllm.qwen import model as qwen_model
from icl.mllm.qwen.prefix import common_length, share
from icl.mllm.qwen.sequences import Sequence
from icl.mllm.settings import MLLMSettings
from icl.mllm.store import AnswerStore, CachedBackend, request_key


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return save_vl_place(tmp_path_factory.mktemp("vl"))


@pytest.fixture(scope="module")
def backend(place):
    return TransformersBackend(MLLMSettings(model=str(place / "model"), batch_size=3))


def requests_on(place: Path) -> list[Request]:
    texts = ["A man in a red shirt.", "A woman.", "The person wears long blue trousers and a yellow hat, walking."]
    out = [Request("localise", prompts.localise_text(t), place / f"{k}.png", 4, YES_NO) for k, t in enumerate(texts)]
    out += [Request("vqa", prompts.vqa_text(), place / f"{k}.png", 12) for k in range(4)]
    out += [Request("rewrite", prompts.rewrite_text(t, 5), None, 9) for t in texts]
    return out


def stock_inputs(backend, request):
    content = [{"type": "image"}] if request.image else []
    messages = [{"role": "user", "content": [*content, {"type": "text", "text": request.text}]}]
    processor = backend.qwen.processor
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    images = [Image.open(request.image).convert("RGB")] if request.image else None
    return processor(text=[text], images=images, return_tensors="pt")


FAMILIES = ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"]


@pytest.fixture(params=[(name, attention) for name in FAMILIES for attention in ("eager", "sdpa")], ids="-".join)
def relative(request, place, backend, monkeypatch):
    """The back-end on each family, with a CPU's attention and a GPU's, and the stock model on the same weights."""
    family, attention = request.param
    monkeypatch.setattr(qwen_model, "attention_of", lambda device: attention)
    folder = place / family if family != "qwen2_vl" else place / "model"
    if not folder.exists():
        save_tiny_relative(folder, tiny_corpus(), family)
    stock = AutoModelForImageTextToText.from_pretrained(folder, attn_implementation="eager").eval()
    return TransformersBackend(MLLMSettings(model=str(folder), batch_size=3)), stock


def test_answers_equal_stock_generation_one_by_one(relative, place):
    backend, stock = relative
    requests = requests_on(place)
    for request, answer in zip(requests, backend.answer(requests), strict=True):
        inputs = stock_inputs(backend, request)
        assert answer.prompt_tokens == inputs["input_ids"].shape[1]
        if request.choices:
            with torch.no_grad():
                logits = stock(**inputs).logits[0, -1]
            tokens = [backend.qwen.tokenizer(c)["input_ids"][0] for c in YES_NO]
            share = logits[tokens].softmax(-1)
            assert answer.probabilities["Yes"] == pytest.approx(float(share[0]), abs=1e-5)
            assert answer.text == YES_NO[int(share.argmax())]
        else:
            out = stock.generate(**inputs, max_new_tokens=request.max_new_tokens, do_sample=False)
            new = out[0, inputs["input_ids"].shape[1] :]
            assert answer.text == backend.qwen.tokenizer.decode(new, skip_special_tokens=True).strip()


def test_no_questions_have_no_answers(backend):
    assert backend.answer([]) == []


def shared_requests(place: Path) -> list[Request]:
    """Six captions of each of two photographs, and texts to rewrite and to merge, of many lengths."""
    texts = ["A man in a red shirt.", "A woman.", "The person wears long blue trousers and a yellow hat, walking."]
    texts += [f"{text} {more}" for text in texts for more in ["He has a black backpack."]]
    out = [Request("localise", prompts.localise_text(t), place / f"{k}.png", 4, YES_NO) for t in texts for k in (0, 1)]
    out += [Request("rewrite", prompts.rewrite_text(t, 5), None, 9) for t in texts]
    return out + [Request("aggregate", prompts.aggregate_text(t, ["He is walking."]), None, 9) for t in texts]


def test_shared_beginnings_change_no_answer(relative, place, monkeypatch):
    backend, _ = relative
    requests, shared = shared_requests(place), []

    def watched(*arguments):
        shared.append(share(*arguments))
        return shared[-1]

    monkeypatch.setattr("icl.mllm.backends.transformers_backend.share", watched)
    found = backend.answer(requests)
    assert sum(prefix is not None for prefix in shared) >= 2, "questions about an image, and texts with one instruction"
    images = [prefix for prefix in shared if prefix is not None and len(prefix.layers[0][0]) == 2]
    assert images and images[0].length > 10, "two photographs, each with what stands before the caption"
    monkeypatch.setattr("icl.mllm.backends.transformers_backend.share", lambda *arguments: None)
    for one, other in zip(found, backend.answer(requests), strict=True):
        assert (one.text, one.prompt_tokens, one.answer_tokens) == (
            other.text,
            other.prompt_tokens,
            other.answer_tokens,
        )
        if one.probabilities:
            assert one.probabilities["Yes"] == pytest.approx(other.probabilities["Yes"], abs=1e-5)


def test_a_shared_beginning_holds_an_image_whole_or_not_at_all():
    def prompt(ids, at=-1, image=None):
        return Sequence(torch.tensor(ids), torch.zeros(3, len(ids)), at, image)

    image = torch.zeros(3, 2)
    assert common_length([prompt([1, 2, 3]), prompt([1, 2, 4])]) == 2
    assert common_length([prompt([1, 2]), prompt([1, 2])]) == 1, "the last token is computed for everyone"
    assert common_length([prompt([1, 9, 9, 9, 2, 3], 1, image), prompt([1, 9, 9, 9, 2, 4], 1, image)]) == 5
    assert common_length([prompt([1, 9, 9, 9, 2], 1, image), prompt([1, 9, 9, 7, 2], 1, image)]) == 1
    assert common_length([prompt([1, 2], -1), prompt([3, 2], -1)]) == 0


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_stays_near_and_has_keys_of_its_own(backend, place, precision):
    low = TransformersBackend(replace(backend.settings, precision=precision))
    assert low.qwen.base.lm_head.weight.dtype == getattr(torch, precision)
    requests = requests_on(place)[:3]
    for a, b in zip(low.answer(requests), backend.answer(requests), strict=True):
        assert a.probabilities["Yes"] == pytest.approx(b.probabilities["Yes"], abs=0.02)
    assert request_key(requests[0], low.identity("localise")) != request_key(requests[0], backend.identity("localise"))


def test_finished_rows_leave_the_batch_without_changing_the_others(backend, place, monkeypatch):
    requests = [Request("vqa", prompts.vqa_text(), place / f"{k}.png", 12) for k in range(3)]
    plain = [answer.text for answer in backend.answer(requests)]
    for stop in backend.qwen.tokenizer(plain[0])["input_ids"][1:]:  # until one of them ends the first row early
        monkeypatch.setattr(backend.qwen.base.generation_config, "eos_token_id", [stop])
        cut = [answer.text for answer in backend.answer(requests)]
        if len(cut[0]) < len(plain[0]):
            break
    for before, after in zip(plain, cut, strict=True):
        ids = backend.qwen.tokenizer(before)["input_ids"]
        expected = ids[: ids.index(stop)] if stop in ids else ids
        assert backend.qwen.tokenizer(after)["input_ids"] == expected or before.startswith(after)
    assert len(cut[0]) < len(plain[0])


class Counting:
    """A back-end that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def identity(self, task: str) -> dict[str, str]:
        return {"model": "counting"}

    def answer(self, requests):
        self.asked += requests
        return [Answer(f"answer to {request.text}") for request in requests]


def test_nothing_is_asked_twice(tmp_path, place):
    backend = Counting()
    requests = requests_on(place)
    cached = CachedBackend(backend, AnswerStore(tmp_path, "a"), portion=2)
    first = cached.answer(requests + requests)
    assert len(backend.asked) == len(requests)
    again = CachedBackend(backend, AnswerStore(tmp_path, "b"))
    assert again.answer(requests + requests) == first and len(backend.asked) == len(requests)


def test_jobs_that_share_a_folder_take_over_each_others_answers(tmp_path, place):
    """Opened side by side; each remembers who answered it, which a replay needs."""

    class Other(Counting):
        def identity(self, task: str) -> dict[str, str]:
            return {"model": "other" if task == "localise" else "counting"}

    requests = requests_on(place)
    one, two = (
        CachedBackend(Counting(), AnswerStore(tmp_path, "one")),
        CachedBackend(Other(), AnswerStore(tmp_path, "two")),
    )
    first = one.answer(requests[::2])
    with (tmp_path / "one.jsonl").open("ab") as file:
        file.write(b'{"key": "still being wri')
    assert two.answer(requests)[::2] == first
    localise = [r for r in requests if r.task == "localise"]
    taken = [r for r in requests[::2] if r.task != "localise"]
    assert len(two.backend.asked) == len(requests) - len(taken) and set(localise) <= set(two.backend.asked)
    late = CachedBackend(Counting(), AnswerStore(tmp_path, "late"))
    late.answer(localise)
    assert not set(localise[::2]) & set(late.backend.asked)
    for name, model in (("one", "counting"), ("two", "other"), ("late", "counting")):
        assert AnswerStore(tmp_path, name).identity("localise")["model"] == model
    CachedBackend(Other(), AnswerStore(tmp_path, "a first")).answer(localise)
    assert AnswerStore(tmp_path, "late").identity("localise")["model"] == "counting"
    assert AnswerStore(tmp_path, "of no writer").identity("vqa")["model"] == "counting"


def test_a_store_cut_at_any_byte_keeps_its_whole_lines(tmp_path, place):
    CachedBackend(Counting(), AnswerStore(tmp_path / "whole", "a")).answer(requests_on(place))
    content = (tmp_path / "whole" / "a.jsonl").read_bytes()
    for cut in range(0, len(content), 97):
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / "a.jsonl").write_bytes(content[:cut])
        backend = Counting()
        answers = CachedBackend(backend, AnswerStore(folder, "a")).answer(requests_on(place))
        assert [a.text for a in answers] == [f"answer to {r.text}" for r in requests_on(place)]
        whole = content[: cut + 1] if content[cut : cut + 1] == b"\n" else content[:cut]
        lines = whole.split(b"\n")[:-1]  # where only its line break is missing, a line is whole
        kept = sum(line.startswith(b'{"key"') for line in lines)  # others count questions and say who answered
        assert len(backend.asked) == len(requests_on(place)) - kept
        lines = (folder / "a.jsonl").read_bytes().split(b"\n")
        assert len(AnswerStore(folder, "c").answers) == len(requests_on(place)) and len(lines) > 1


def test_keys_depend_on_everything_that_an_answer_depends_on(place, tmp_path):
    base = requests_on(place)[0]
    other_image = tmp_path / "x.png"
    Image.new("RGB", (48, 96)).save(other_image)
    keys = {
        request_key(base, {"model": "a"}),
        request_key(base, {"model": "b"}),
        request_key(Request("localise", base.text + " ", base.image, 4, YES_NO), {"model": "a"}),
        request_key(Request("localise", base.text, other_image, 4, YES_NO), {"model": "a"}),
        request_key(Request("localise", base.text, base.image, 5, YES_NO), {"model": "a"}),
        request_key(Request("localise", base.text, base.image, 4, None), {"model": "a"}),
    }
    assert len(keys) == 6


def test_truncated_weights_are_named(place, tmp_path):
    import shutil

    shutil.copytree(place / "model", tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match="model"):
        TransformersBackend(MLLMSettings(model=str(tmp_path / "model")))


def test_prompts_are_data_files_with_hashes():
    assert len({json.dumps(v) for v in prompts.prompt_hashes().values()}) == 6
    assert prompts.vqa_text().count("\n") == 15
    assert prompts.localise_text("{caption}") == prompts.load_prompt("localise").text
    with pytest.raises(InputError, match="aggregate"):
        prompts.load_prompt("agregate")


def test_drawn_words_depend_on_the_question_alone(backend):
    asked = [Request("rewrite", f"Sentence {k} " * (k + 1), None, 8, temperature=1.0, seed=3) for k in range(5)]
    together = [answer.text for answer in backend.answer(asked)]
    assert [backend.answer([request])[0].text for request in asked] == together
    assert [answer.text for answer in backend.answer([replace(request, seed=4) for request in asked])] != together
    greedy = [answer.text for answer in backend.answer([replace(request, temperature=0.0) for request in asked])]
    assert greedy != together
    assert request_key(asked[0], {}) != request_key(replace(asked[0], seed=4), {})


class Meanwhile(Counting):
    """While it thinks about its first portion, another job answers all questions."""

    def __init__(self, others) -> None:
        super().__init__()
        self.others = others

    def answer(self, requests):
        if self.others:
            self.others.pop()()
        return super().answer(requests)


class MeanwhileByStream(Meanwhile):
    def stream(self, requests):
        for place, request in enumerate(requests):
            yield place, self.answer([request])[0]


@pytest.mark.parametrize("kind", [Meanwhile, MeanwhileByStream])
@pytest.mark.parametrize("damaged", [False, True])
def test_what_another_job_answers_meanwhile_is_not_asked_again(tmp_path, place, kind, damaged, monkeypatch):
    monkeypatch.setattr(store, "SECONDS_BETWEEN_LOOKS", -1.0)
    requests = requests_on(place)

    def others():
        CachedBackend(Counting(), AnswerStore(tmp_path, "other")).answer(requests)
        if damaged:
            path = tmp_path / "other.jsonl"
            path.write_bytes(path.read_bytes().replace(b'"text": "answer to', b'"text": "answer" to'))

    backend = kind([others])
    answers = CachedBackend(backend, AnswerStore(tmp_path, "one"), portion=2).answer(requests)
    assert [a.text for a in answers] == [f"answer to {r.text}" for r in requests]
    if damaged:
        assert sorted(map(repr, backend.asked)) == sorted(map(repr, requests))
    else:
        assert len(backend.asked) == (1 if kind is MeanwhileByStream else 2)


def test_jobs_with_the_same_questions_begin_at_different_ones(tmp_path):
    requests = [Request("aggregate", f"{n}", None, 9) for n in range(64)]
    firsts = set()
    for writer in "abcdefgh":
        backend = Counting()
        CachedBackend(backend, AnswerStore(tmp_path / writer, writer), portion=8).answer(requests)
        assert len(backend.asked) == 64 and set(backend.asked) == set(requests)
        firsts.add(backend.asked[0].text)
    assert len(firsts) >= 4


class Forgetful(Counting):
    """It leaves the last question of every portion out."""

    def answer(self, requests):
        return super().answer(requests[:-1])


class ForgetfulByStream(Counting):
    def stream(self, requests):
        for place, request in enumerate(requests):
            if place % 3:
                yield place, self.answer([request])[0]


@pytest.mark.parametrize("kind", [Forgetful, ForgetfulByStream])
def test_a_backend_that_leaves_a_question_out_is_named_and_not_asked_for_ever(tmp_path, place, kind):
    backend = kind()
    with pytest.raises(InputError, match=f"{kind.__name__}.* answers to .* questions"):
        CachedBackend(backend, AnswerStore(tmp_path, "a"), portion=2).answer(requests_on(place))
    assert len(AnswerStore(tmp_path, "b").answers) == len(backend.asked) > 0, "what came is kept"
