"""SynthCLIP: a small CLIP, pre-trained on tidy web-like photographs with plain captions.

As at paper scale, what it learned on the web differs from the benchmark: other cameras, one word for a thing where the
benchmark's annotators have several, more mistakes. So both the eye and the vocabulary are left to learn from its pairs.
Its square positional table is resized bilinearly to the pedestrian aspect, in training as in the retriever.
"""

from __future__ import annotations

import random
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

from icl.files import make_readable
from icl.pretrain.schedule import optimise
from icl.pretrain.settings import PretrainSettings
from icl.pretrain.vision import flipped
from icl.synthpedes.captions import BENCHMARK_STYLE, WEB_STYLE, state, write_caption
from icl.synthpedes.corpus import CLIP_CAMERAS, Corpus, make_corpus

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
TEXT_LENGTH, PATCH, SQUARE = 64, 8, 64


def build_tokenizer(corpus: Corpus, seed: int, samples: int = 6000) -> PreTrainedTokenizerFast:
    """Lower-cased byte-level BPE in CLIP's form: pad 0; mask, start and end are the three highest ids."""
    rng = random.Random(seed)
    texts = []
    for seen in rng.choices(corpus.seen, k=samples):
        style = rng.choice((WEB_STYLE, BENCHMARK_STYLE))
        texts.append(write_caption(state(seen, style, rng), rng, 0.5))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=["<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    marks = ("<|mask|>", "<|startoftext|>", "<|endoftext|>")
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in marks])
    start, end = (tokenizer.token_to_id(mark) for mark in marks[1:])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{marks[1]} $A {marks[2]}", special_tokens=[(marks[1], start), (marks[2], end)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        mask_token=marks[0],
        bos_token=marks[1],
        eos_token=marks[2],
        model_max_length=TEXT_LENGTH,
    )


def build_model(tokenizer: Any) -> CLIPModel:
    """Random weights in CLIP's architecture."""
    vision = dict(
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        image_size=SQUARE,
        patch_size=PATCH,
    )
    text = dict(
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=3,
        num_attention_heads=4,
        vocab_size=len(tokenizer),
        max_position_embeddings=TEXT_LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=128))


def _embed(self: Any, pixel_values: Tensor, **_: Any) -> Tensor:
    """Patch and position embedding at any aspect: linear patches, bilinear positions."""
    b, c, h, w = pixel_values.shape
    p = self.patch_size
    rows = pixel_values.view(b, c, h // p, p, w // p, p).permute(0, 2, 4, 1, 3, 5).reshape(b, -1, c * p * p)
    patches = nn.functional.linear(rows, self.patch_embedding.weight.flatten(1))
    table = self.position_embedding.weight
    side = int((len(table) - 1) ** 0.5)
    square = table[1:].view(1, side, side, -1).permute(0, 3, 1, 2)
    resized = nn.functional.interpolate(square, size=(h // p, w // p), mode="bilinear", align_corners=False)
    positions = torch.cat([table[:1], resized.flatten(2)[0].T])
    return torch.cat([self.class_embedding.expand(b, 1, -1), patches], dim=1) + positions


def any_aspect(model: CLIPModel) -> CLIPModel:
    """Let a CLIP model embed images of any aspect ratio, in place."""
    model.vision_model.embeddings.forward = types.MethodType(_embed, model.vision_model.embeddings)
    return model


class Crowd:
    """Draws (pixels, token ids) batches: fresh captions at every step, as on the web."""

    def __init__(self, corpus: Corpus, tokenizer: Any, seed: int) -> None:
        self.corpus, self.tokenizer = corpus, tokenizer
        self.rng, self.numbers = random.Random(seed), np.random.default_rng(seed)
        self.mean = torch.tensor(MEAN).view(3, 1, 1)
        self.std = torch.tensor(STD).view(3, 1, 1)

    def batch(self, size: int) -> tuple[Tensor, dict]:
        chosen = self.numbers.choice(len(self.corpus.seen), size, replace=False)
        captions = []
        for n in chosen:
            said: dict[str, str] = {}
            while not said:
                said = state(self.corpus.seen[n], WEB_STYLE, self.rng)
            captions.append(write_caption(said, self.rng, WEB_STYLE.richness))
        pixels = flipped(self.corpus.images[chosen], self.numbers).permute(0, 3, 1, 2).float() / 255
        texts = self.tokenizer(
            captions, padding=True, truncation=True, return_tensors="pt", return_token_type_ids=False
        )
        return (pixels - self.mean) / self.std, texts


def contrastive_loss(model: CLIPModel, pixels: Tensor, texts: dict) -> Tensor:
    """Symmetric InfoNCE with CLIP's learned temperature."""
    image = nn.functional.normalize(model.get_image_features(pixel_values=pixels).pooler_output, dim=-1)
    text = nn.functional.normalize(model.get_text_features(**texts).pooler_output, dim=-1)
    logits = model.logit_scale.exp().clamp(max=100) * image @ text.T
    truth = torch.arange(len(logits))
    return (nn.functional.cross_entropy(logits, truth) + nn.functional.cross_entropy(logits.T, truth)) / 2


def pretrain_synthclip(settings: PretrainSettings, work: Path, out: Path) -> None:
    """Train and write the model folder (safetensors and tokenizer); `work` is not needed: there is one stage."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed + 1)
    corpus = make_corpus(settings.seed + 1, settings.clip_identities, 3, CLIP_CAMERAS)
    tokenizer = build_tokenizer(corpus, settings.seed)
    model = any_aspect(build_model(tokenizer))
    crowd = Crowd(corpus, tokenizer, settings.seed)
    optimise(
        model.named_parameters(),
        lambda step: contrastive_loss(model, *crowd.batch(settings.clip_batch)),
        settings.clip_steps,
        2e-3,
        "SynthCLIP",
    )
    del model.vision_model.embeddings.forward
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    make_readable(out)
