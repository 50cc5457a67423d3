"""Measure SynthVL as an assistant, on identities that it never saw, through the same back-end as the pipeline."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from PIL import Image

from icl.mllm import reading
from icl.mllm.protocol import Backend, Request
from icl.mllm.settings import MLLMSettings
from icl.pretrain import instructions as ask
from icl.pretrain.settings import PretrainSettings
from icl.synthpedes.corpus import CLIP_CAMERAS, VL_CAMERAS, Corpus, make_corpus
from icl.synthpedes.dialogue import merge, vqa_answers
from icl.synthpedes.reading import read_facts
from icl.synthpedes.words import groups_of

HELD_OUT_SEED = 77
"""Seed of the identities that models are measured on; no training seed derives from it."""


def save_photographs(corpus: Corpus, folder: Path) -> list[Path]:
    """Write the corpus' photographs as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{k:05d}.png" for k in range(len(corpus.seen))]
    for pixels, path in zip(corpus.images, paths, strict=True):
        Image.fromarray(pixels).save(path)
    return paths


def kept(text: str, facts: dict[str, str]) -> tuple[int, int]:
    """(facts that the text states, facts it ought to state)."""
    found = read_facts(text)
    return sum(found.get(key) == value for key, value in facts.items()), len(facts)


def _retention(backend: Backend, task: str, dialogues: list, facts: list[dict[str, str]], limit: int) -> float:
    answers = backend.answer([Request(task, d.text, None, limit) for d in dialogues])
    counts = [kept(answer.text, fact) for answer, fact in zip(answers, facts, strict=True)]
    return sum(c[0] for c in counts) / sum(c[1] for c in counts)


def measure_vqa(backend: Backend, corpus: Corpus, images: list[Path]) -> dict[str, float]:
    """Accuracy of T_vqa's answers: per question (sentence exactly right) and over all attributes."""
    prompt = ask.describe_image(corpus.seen[0]).text
    answers = backend.answer([Request("vqa", prompt, image, 240) for image in images])
    exact, facts_right, facts_all = [], 0, 0
    for answer, seen in zip(answers, corpus.seen, strict=True):
        lines = reading.numbered_list(answer.text)
        truth = vqa_answers(seen)
        exact.append([k < len(lines) and lines[k] == line for k, line in enumerate(truth)])
        attributes = {key: value for key, value in read_facts("\n".join(truth)).items()}
        right, total = kept(answer.text, attributes)
        facts_right, facts_all = facts_right + right, facts_all + total
    questions = {f"vqa_question_{k + 1}": float(share) for k, share in enumerate(np.mean(exact, axis=0))}
    return {
        "vqa_sentence_accuracy": float(np.mean(exact)),
        "vqa_attribute_accuracy": facts_right / facts_all,
        **questions,
    }


def measure_text(backend: Backend, corpus: Corpus, seed: int) -> dict[str, float]:
    """Share of attributes kept by aggregation, decomposition and rewriting.

    `aggregate_caption_kept`: of the caption's own attributes, where some of the answers contradict it.
    """
    rng = random.Random(seed)
    aggregated, contradicted, decomposed, rewritten = [], [], [], []
    for seen in corpus.seen:
        said, caption = ask.some_caption(seen, rng)
        merged = merge(said, seen)
        aggregated.append((ask.aggregate_with(seen, caption, merged), merged))
        answered = ask.misread(seen, rng)
        facts = {key: value for key, value in merge(said, answered).items() if said.get(key) == value}
        contradicted.append((ask.aggregate_with(answered, caption, facts), facts))
        decomposed.append((ask.decompose_of(merged), merged))
        group = rng.choice(groups_of(merged))
        rewritten.append((ask.rewrite_of(merged, group, rng), ask.facts_of(merged, group)))
    out = {}
    for task, pairs in (("aggregate", aggregated), ("decompose", decomposed), ("rewrite", rewritten)):
        out[f"{task}_kept"] = _retention(backend, task, [p[0] for p in pairs], [p[1] for p in pairs], 220)
    dialogues, kept = [p[0] for p in contradicted], [p[1] for p in contradicted]
    return out | {"aggregate_caption_kept": _retention(backend, "aggregate", dialogues, kept, 220)}


def measure_localisation(backend: Backend, corpus: Corpus, images: list[Path], seed: int) -> dict[str, float]:
    """T_loc on a photograph's own caption and on one of a random other photograph."""
    rng = random.Random(seed)
    out = {}
    for name in ("own", "random"):
        dialogues = [ask.localise(s, None if name == "own" else corpus.seen, rng) for s in corpus.seen]
        requests = [
            Request("localise", d.text, image, 4, ("Yes", "No")) for d, image in zip(dialogues, images, strict=True)
        ]
        answers = backend.answer(requests)
        out[f"localise_{name}"] = float(np.mean([a.text == d.answer for a, d in zip(answers, dialogues, strict=True)]))
    return out


def measure_synthvl(folder: Path, settings: PretrainSettings, work: Path) -> dict[str, float]:
    """All measures of a SynthVL folder on unseen identities."""
    from icl.mllm.backends.transformers_backend import TransformersBackend

    corpus = make_corpus(settings.seed + HELD_OUT_SEED, settings.held_out_identities, 2, VL_CAMERAS)
    images = save_photographs(corpus, work / "held-out")
    backend = TransformersBackend(MLLMSettings(model=str(folder)))
    return {
        **measure_vqa(backend, corpus, images),
        **measure_text(backend, corpus, HELD_OUT_SEED),
        **measure_localisation(backend, corpus, images, HELD_OUT_SEED),
    }


def measure_synthclip(folder: Path, settings: PretrainSettings, work: Path) -> dict[str, float]:
    """Zero-shot caption-to-photograph retrieval of a SynthCLIP folder among photographs of unseen identities, in percent."""
    import torch
    from transformers import AutoTokenizer, CLIPModel

    from icl.pretrain.synthclip import Crowd, any_aspect
    from icl.ranking.metrics import retrieval_metrics

    identities = settings.held_out_identities
    corpus = make_corpus(settings.seed + HELD_OUT_SEED + 1, identities, 1, CLIP_CAMERAS)
    model = any_aspect(CLIPModel.from_pretrained(folder).eval())
    pixels, texts = Crowd(corpus, AutoTokenizer.from_pretrained(folder), HELD_OUT_SEED).batch(identities)
    with torch.no_grad():
        image = torch.nn.functional.normalize(model.get_image_features(pixel_values=pixels).pooler_output, dim=-1)
        text = torch.nn.functional.normalize(model.get_text_features(**texts).pooler_output, dim=-1)
    found = retrieval_metrics((text @ image.T).numpy(), np.arange(identities), np.arange(identities)).summary()
    return {f"zero_shot_{name}": found[name] for name in ("rank1", "rank5", "map")}
