"""Models for a card, and small ones of the same make for a CPU: real widths, random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

from tests.clip_sizes import VIT_B16

MODEL = Path("models/synthvl")
QWEN_7B = dict(hidden_size=3584, intermediate_size=18944, num_attention_heads=28, num_key_value_heads=4)
VISION = dict(embed_dim=1280, num_heads=16, hidden_size=3584)
LAYERS, DEPTH, VOCABULARY = 28, 32, 152064
"""Of Qwen2-VL-7B-Instruct: decoder layers, layers of the vision tower, words."""
GB_A_LAYER, GB_BESIDE = 0.47, 3.5
"""At 16 bits: a decoder layer (233 million weights); embeddings, head, vision tower and room for the batches."""


def layers_for(memory_gb: float | None) -> int:
    """Decoder layers that fit: all 28 on a card of 24 GB or more in 16 bits; 1 on a CPU (None)."""
    return 1 if memory_gb is None else max(1, min(LAYERS, int((0.85 * memory_gb - GB_BESIDE) / GB_A_LAYER)))


def clip_size(layers: int) -> dict:
    """ViT-B/16 with its text tower, `layers` of the 12 each."""
    return {tower: {**size, "layers": layers} for tower, size in VIT_B16.items()}


def save_qwen(folder: Path, memory_gb: float | None) -> dict:
    """A random Qwen2-VL of the 7B model's width with SynthVL's processor; what of its size differs from the real one.

    On a CPU it has one layer a tower and SynthVL's few words, so that it fits and answers within seconds.
    """
    layers, small = layers_for(memory_gb), memory_gb is None
    config = json.loads((MODEL / "config.json").read_text())
    text, vision = config["text_config"], config["vision_config"]
    text |= QWEN_7B | {"num_hidden_layers": layers, "layer_types": ["full_attention"] * layers}
    text["rope_parameters"] |= {"mrope_section": [16, 24, 24]}
    text["vocab_size"] = text["vocab_size"] if small else VOCABULARY
    vision |= VISION | {"depth": 1 if small else DEPTH}
    config["tie_word_embeddings"] = False
    shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("*.safetensors", "SHA256SUMS"))
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32 if small else torch.bfloat16)
    try:
        with torch.device("cpu" if small else "cuda"):
            model = Qwen2VLForConditionalGeneration(Qwen2VLConfig(**config))
    finally:
        torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder)
    sizes = {"layers": layers, "vision_layers": vision["depth"], "words": text["vocab_size"]}
    return sizes | {"parameters_billion": round(sum(p.numel() for p in model.parameters()) / 1e9, 2)}
