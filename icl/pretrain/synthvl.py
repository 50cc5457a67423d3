"""SynthVL: a small general assistant on Qwen2-VL's architecture, pre-trained in stages.

1. the vision tower, by attribute classification (`vision.py`); 2. the decoder, on the text tasks alone; 3. to 5. everything
together (`MIXTURES`): T_vqa, T_loc with easy pairs, and the text tasks. What an "accurate" text is, it learns as a general
assistant would, leniently: only texts that are mistaken in most of what they say are called wrong in the last stage.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from torch import Tensor
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration
from transformers.models.qwen2_vl import Qwen2VLProcessor
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

from icl.files import make_readable
from icl.mllm import prompts
from icl.mllm.qwen.model import mrope_positions, speed_up_on_cpu
from icl.pretrain import instructions as ask
from icl.pretrain.packing import Grounding, language_loss
from icl.pretrain.schedule import optimise
from icl.pretrain.settings import PretrainSettings
from icl.pretrain.vision import Eye, train_vision
from icl.pretrain.vl_tokenizer import train_tokenizer
from icl.synthpedes.corpus import VL_CAMERAS, Corpus, make_corpus

WIDTH, PIXELS, PATCH = 192, 48 * 96, 8
VOCABULARY = 1400


def build_tokenizer(corpus: Corpus, seed: int, samples: int = 4000) -> Any:
    """Tokenizer learned on the corpus' own dialogues and captions."""
    rng = random.Random(seed)
    texts = []
    for seen in rng.choices(corpus.seen, k=samples):
        texts += [
            ask.some_caption(seen, rng)[1],
            ask.describe_image(seen).answer,
            ask.rewrite(seen, rng).answer,
        ]
        texts.append(ask.aggregate(seen, rng).answer)
    fixed = [prompts.system_text(), prompts.vqa_text(), prompts.localise_text(""), prompts.decompose_text("")]
    fixed += [
        prompts.rewrite_text("", ask.VARIANTS),
        prompts.load_prompt("aggregate").text.replace("{subtexts}", "['"),
    ]
    return train_tokenizer(texts, fixed, VOCABULARY)


def build_model(tokenizer: Any) -> Qwen2VLForConditionalGeneration:
    """Random weights in Qwen2-VL's architecture."""
    token = tokenizer.convert_tokens_to_ids
    text = dict(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]},
        bos_token_id=None,
        eos_token_id=token("<|im_end|>"),
        pad_token_id=token("<|endoftext|>"),
    )
    vision = dict(depth=4, embed_dim=128, hidden_size=WIDTH, num_heads=4, patch_size=PATCH, mlp_ratio=4)
    config = Qwen2VLConfig(
        text_config=text,
        vision_config=vision,
        tie_word_embeddings=True,
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
    )
    model = Qwen2VLForConditionalGeneration(config)
    model.set_attn_implementation("eager")
    model.generation_config.eos_token_id = token("<|im_end|>")
    model.generation_config.pad_token_id = token("<|endoftext|>")
    return speed_up_on_cpu(model)


def build_processor(tokenizer: Any) -> Qwen2VLProcessor:
    """Qwen2-VL's own image processor at 48 x 96 pixels and 8-pixel patches."""
    size = {"shortest_edge": PIXELS, "longest_edge": PIXELS}
    image = Qwen2VLImageProcessor(patch_size=PATCH, temporal_patch_size=2, merge_size=2, size=size)
    video = Qwen2VLVideoProcessor(patch_size=PATCH, temporal_patch_size=2, merge_size=2, size=size)
    return Qwen2VLProcessor(image, tokenizer, video, chat_template=tokenizer.chat_template)


@torch.no_grad()
def look_at(eye: Eye, corpus: Corpus) -> Tensor:
    """Visual tokens (N, n, hidden) of all photographs of a corpus."""
    parts = [eye(torch.from_numpy(corpus.images[k : k + 256])) for k in range(0, len(corpus.seen), 256)]
    return torch.cat(parts)


@dataclass(frozen=True)
class Mixture:
    """A stage on photographs and texts.

    Attributes:
        rows: photographs in a step. pairs: Yes pairs (and as many No pairs) of T_loc a photograph.
        vqa_share: share of the photographs that are also asked T_vqa. caption_weight: of learning a true caption as text.
        text_every, text_rows: every so many steps, this many rounds of the text tasks instead.
        localise: makes a T_loc dialogue. probe: a middle layer must tell, phrase by phrase, what contradicts the photograph.
    """

    lr: float
    rows: int
    pairs: int
    vqa_share: float
    caption_weight: float
    text_every: int
    text_rows: int
    localise: Callable = ask.localise
    probe: bool = False


MIXTURES = {
    "joint": Mixture(2e-3, 32, 3, 0.4, 0.2, 8, 10, probe=True),
    "assistant": Mixture(1.5e-3, 48, 1, 1.0, 0.1, 6, 12),
    "lenient": Mixture(1e-3, 40, 2, 1.0, 0.0, 8, 12, localise=ask.localise_leniently),
}
"""Stages 3 to 5: grounding; reading photographs (T_vqa) with grounding kept; and a general assistant's lenient verdicts."""


@dataclass
class Batcher:
    """Draws batches of dialogues from a corpus.

    Attributes:
        visual: (N, n, hidden) visual tokens of the photographs; empty while only text is drawn.
        grid: (h, w) of the merged visual tokens.
    """

    corpus: Corpus
    encoder: ask.Encoder
    rng: random.Random
    visual: Tensor
    grid: tuple[int, int]

    def text(self, rows: int) -> tuple[None, list[list]]:
        """`rows` rounds of every text task."""
        dialogues = []
        for seen in self.rng.choices(self.corpus.seen, k=rows):
            dialogues += [task(seen, self.rng) for task in (*ask.TEXT_TASKS, ask.rewrite)]
        return None, [self.encoder.blocks(dialogues)]

    def image(self, mix: Mixture) -> tuple[Tensor, list[list]]:
        """Photographs with their dialogues: Yes and No pairs of T_loc, and T_vqa for a share of them."""
        count = len(self.corpus.seen)
        chosen = self.rng.sample(range(count), min(mix.rows, count))
        samples = []
        for n in chosen:
            seen = self.corpus.seen[n]
            dialogues = [ask.describe_image(seen)] if self.rng.random() < mix.vqa_share else []
            dialogues += [mix.localise(seen, None, self.rng) for _ in range(mix.pairs)]
            dialogues += [mix.localise(seen, self.corpus.seen, self.rng) for _ in range(mix.pairs)]
            samples.append(self.encoder.blocks(dialogues, mix.caption_weight))
        return self.visual[chosen], samples

    def loss(self, model: Any, visual: Tensor | None, samples: list[list], probe: Grounding | None = None) -> Tensor:
        """Language loss of a drawn batch."""
        embed = model.model.language_model.embed_tokens
        if visual is None:
            ids = torch.tensor([self.encoder.text_prefix])
            return language_loss(model, embed(ids), mrope_positions(ids.shape[1], None, 0), samples)
        before = self.encoder.before
        ids = torch.tensor([self.encoder.image_prefix(visual.shape[1])]).expand(len(visual), -1)
        prefix = torch.cat([embed(ids[:, :before]), visual, embed(ids[:, before + visual.shape[1] :])], dim=1)
        return language_loss(model, prefix, mrope_positions(before, self.grid, 1), samples, probe)


def train_text(model: Any, batcher: Batcher, steps: int, rows: int, lr: float) -> None:
    """Stage 2: the decoder alone."""

    def loss_of(step: int) -> Tensor:
        return batcher.loss(model, *batcher.text(rows))

    optimise(model.model.language_model.named_parameters(), loss_of, steps, lr, "SynthVL text")


def train_mixture(model: Any, batcher: Batcher, name: str, steps: int) -> None:
    """Stages 3 to 5, on the frozen eye's tokens; now and then a step is text, so that nothing of stage 2 is lost.

    The grounding probe is dropped afterwards.
    """
    mix = MIXTURES[name]
    probe = Grounding(WIDTH, layer=3) if mix.probe else None

    def loss_of(step: int) -> Tensor:
        if step % mix.text_every == mix.text_every - 1:
            return batcher.loss(model, *batcher.text(mix.text_rows))
        return batcher.loss(model, *batcher.image(mix), probe)

    parameters = [*model.model.language_model.named_parameters(), *(probe.named_parameters() if probe else ())]
    optimise(parameters, loss_of, steps, mix.lr, f"SynthVL {name}")


def _stage(path: Path, model: Any, train: Callable[[], object]) -> None:
    """Train a stage and keep the weights at `path`, or read them where an earlier run already finished it."""
    if path.exists():
        load_model(model, path)
        return
    train()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_model(model, str(path.with_suffix(".part")))
    path.with_suffix(".part").replace(path)


def pretrain_synthvl(settings: PretrainSettings, work: Path, out: Path) -> None:
    """Run all stages and write the model folder (safetensors, processor, tokenizer).

    Args:
        work: folder of the finished stages' weights, so that an interrupted run resumes.
        out: model folder.
    """
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    corpus = make_corpus(settings.seed, settings.vl_identities, 3, VL_CAMERAS)
    tokenizer = build_tokenizer(corpus, settings.seed)
    model, processor = build_model(tokenizer), build_processor(tokenizer)
    eye = Eye(model.model.visual, processor.image_processor)
    grid = (corpus.images.shape[1] // PATCH // 2, corpus.images.shape[2] // PATCH // 2)
    batcher = Batcher(corpus, ask.Encoder(tokenizer), random.Random(settings.seed), torch.empty(0), grid)
    steps = settings.vl_vision_steps
    _stage(
        work / "vision.safetensors",
        model,
        lambda: train_vision(eye, corpus, steps, 64, 1.5e-3, settings.seed, "SynthVL vision"),
    )
    _stage(work / "text.safetensors", model, lambda: train_text(model, batcher, settings.vl_text_steps, 12, 2e-3))
    batcher.visual = look_at(eye, corpus)
    for name, steps in zip(MIXTURES, settings.vl_mixture_steps, strict=True):
        _stage(work / f"{name}.safetensors", model, partial(train_mixture, model, batcher, name, steps))
    model.save_pretrained(out)
    processor.save_pretrained(out)
    make_readable(out)
