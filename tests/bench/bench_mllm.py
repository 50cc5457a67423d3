"""The MLLM's questions in batches against one by one, on the shipped SynthVL."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import torch
from transformers.models.qwen2_vl import Qwen2VLProcessor

from icl.data.images import load_image
from icl.mllm import prompts
from icl.mllm.backends.transformers_backend import TransformersBackend
from icl.mllm.protocol import YES_NO, Request
from icl.mllm.qwen import prefix
from icl.mllm.settings import MLLMSettings
from icl.pretrain.quality import HELD_OUT_SEED, save_photographs
from icl.synthpedes.captions import BENCHMARK_STYLE, state, write_caption
from icl.synthpedes.corpus import CLIP_CAMERAS, make_corpus
from tests.bench.harness import seconds, write

MODEL = "models/synthvl"
QUESTIONS, PHOTOGRAPHS = 240, 48


def one_by_one(backend: TransformersBackend, requests: list[Request]) -> list[str]:
    """The usual way: processor, then `generate`, one question after the other."""
    processor = Qwen2VLProcessor.from_pretrained(MODEL)
    out = []
    for request in requests:
        content = [{"type": "image"}, {"type": "text", "text": request.text}]
        turns = [{"role": "system", "content": prompts.system_text()}, {"role": "user", "content": content}]
        text = processor.apply_chat_template(turns, add_generation_prompt=True)
        inputs = processor(text=[text], images=[load_image(request.image)], return_tensors="pt")
        new = backend.qwen.model.generate(**inputs, max_new_tokens=request.max_new_tokens, do_sample=False)
        out.append(processor.decode(new[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip())
    return out


def whole_prompts(backend: TransformersBackend, requests: list[Request]) -> list[str]:
    """In batches, with every prompt computed from its first token."""
    worth, prefix.WORTH = prefix.WORTH, -1.0
    try:
        return answers(backend, requests)
    finally:
        prefix.WORTH = worth


def answers(backend: TransformersBackend, requests: list[Request]) -> list[str]:
    backend.forget_images()
    return [answer.text for answer in backend.answer(requests)]


def compare(backend: TransformersBackend, name: str, other: str, way, requests: list[Request]) -> dict:
    """Our answers a second beside those of another way."""
    same = sum(a == b for a, b in zip(answers(backend, requests), way(backend, requests), strict=True))
    new, old = seconds(lambda: answers(backend, requests), lambda: way(backend, requests), 3)
    count = len(requests)
    row = {"what": name, "per_second": count / new, f"{other}_per_second": count / old, "ratio": old / new}
    return {**row, "same_answers": same / count}


def main() -> None:
    rng, backend = random.Random(0), TransformersBackend(MLLMSettings(model=MODEL))
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        corpus = make_corpus(HELD_OUT_SEED, PHOTOGRAPHS, 1, CLIP_CAMERAS, workers=1)
        images = save_photographs(corpus, Path(folder))
        captions = [write_caption(state(seen, BENCHMARK_STYLE, rng), rng, 0.35) for seen in corpus.seen]
        judge = [
            Request("localise", prompts.localise_text(caption), images[rng.randrange(len(images))], 4, YES_NO)
            for caption in captions
            for _ in range(QUESTIONS // PHOTOGRAPHS)
        ]
        describe = [Request("vqa", prompts.vqa_text(), image, 240) for image in images]
        rows = [
            compare(backend, "Yes/No questions", "one_by_one", one_by_one, judge),
            compare(backend, "T_vqa answers", "one_by_one", one_by_one, describe),
            compare(backend, "Yes/No questions, beginnings shared", "whole_prompts", whole_prompts, judge),
        ]
    write("mllm", rows)


if __name__ == "__main__":
    main()
