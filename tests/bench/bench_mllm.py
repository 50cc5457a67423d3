"""The MLLM's questions on the shipped SynthVL: ours beside transformers' `generate`, one by one and in batches."""

from __future__ import annotations

import random
import tempfile
from functools import partial
from pathlib import Path

import torch
from transformers.models.qwen2_vl import Qwen2VLProcessor

from icl.data.images import load_image
from icl.mllm import prompts
from icl.mllm.backends.transformers_backend import TransformersBackend
from icl.mllm.protocol import YES_NO, Answer, Request
from icl.mllm.qwen import prefix
from icl.mllm.settings import MLLMSettings
from icl.pretrain.quality import HELD_OUT_SEED, save_photographs
from icl.synthpedes.captions import BENCHMARK_STYLE, state, write_caption
from icl.synthpedes.corpus import CLIP_CAMERAS, make_corpus
from tests.bench import arithmetic
from tests.bench.harness import ceiling, seconds, shares, write

MODEL = "models/synthvl"
QUESTIONS, PHOTOGRAPHS = 240, 48


def generated(backend: TransformersBackend, requests: list[Request], size: int) -> list[str]:
    """The usual way: processor, then `generate`, `size` questions at a time, padded on the left."""
    processor, out = Qwen2VLProcessor.from_pretrained(MODEL), []
    processor.tokenizer.padding_side = "left"
    for start in range(0, len(requests), size):
        part = requests[start : start + size]
        texts = [processor.apply_chat_template(turns(request), add_generation_prompt=True) for request in part]
        images = [load_image(request.image) for request in part]
        inputs = processor(text=texts, images=images, padding=True, return_tensors="pt")
        new = backend.qwen.model.generate(**inputs, max_new_tokens=part[0].max_new_tokens, do_sample=False)
        texts = processor.batch_decode(new[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        out += [text.strip() for text in texts]
    return out


def turns(request: Request) -> list[dict]:
    content = [{"type": "image"}, {"type": "text", "text": request.text}]
    return [{"role": "system", "content": prompts.system_text()}, {"role": "user", "content": content}]


def whole_prompts(backend: TransformersBackend, requests: list[Request]) -> list[str]:
    """In batches, with every prompt computed from its first token."""
    worth, prefix.WORTH = prefix.WORTH, -1.0
    try:
        return [answer.text for answer in answers(backend, requests)]
    finally:
        prefix.WORTH = worth


def answers(backend: TransformersBackend, requests: list[Request]) -> list[Answer]:
    backend.forget_images()
    return backend.answer(requests)


def needed(backend: TransformersBackend, requests: list[Request], found: list[Answer]) -> int:
    """FLOP: every image once, every prompt from its first token, and every answer.

    Where beginnings are shared, or a Yes or No is one forward pass, what is spared counts as done.
    """
    config, processor = backend.qwen.model.config, Qwen2VLProcessor.from_pretrained(MODEL)
    grids = [processor.image_processor(load_image(path))["image_grid_thw"][0] for path in {r.image for r in requests}]
    seen = sum(arithmetic.vision(config.vision_config, int(torch.as_tensor(grid).prod())) for grid in grids)
    return seen + sum(arithmetic.decoder(config.text_config, a.prompt_tokens, a.answer_tokens) for a in found)


def compare(backend: TransformersBackend, name: str, others: dict, requests: list[Request], most: float) -> list[dict]:
    """Our answers a CPU second beside those of other ways: a row for each."""
    found, count = answers(backend, requests), len(requests)
    same = [
        sum(a.text == b for a, b in zip(found, way(backend, requests), strict=True)) / count for way in others.values()
    ]
    new, *olds = seconds([partial(way, backend, requests) for way in (answers, *others.values())], 2)
    flops, rows = needed(backend, requests, found), []
    for other, old, equal in zip(others, olds, same, strict=True):
        row = {"what": f"{name}, against {other}", "per_second": count / new, "other_per_second": count / old}
        row |= {"ratio": old / new, "same_answers": equal}
        rows.append(row | shares(flops, flops / most, other=old, ours=new))
    return rows


def main() -> None:
    rng, backend = random.Random(0), TransformersBackend(MLLMSettings(model=MODEL, precision="float32"))
    size, most = backend.settings.batch_size, ceiling("float32")
    usual = {
        "generate one by one": partial(generated, size=1),
        f"generate in batches of {size}": partial(generated, size=size),
    }
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
        rows = compare(backend, "Yes/No questions", usual | {"ours, whole prompts": whole_prompts}, judge, most)
        rows += compare(backend, "T_vqa answers", usual, describe, most)
    write("mllm", rows, {"float32": most})


if __name__ == "__main__":
    main()
