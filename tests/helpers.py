"""Tiny real models and benchmarks that the tests build themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from icl.data.annotations import read_annotations
from icl.data.layouts import LAYOUTS
from icl.data.pairs import write_pairs
from icl.data.settings import DatasetSettings
from icl.pretrain import synthclip, synthvl
from icl.synthpedes.benchmark import write_benchmark
from icl.synthpedes.corpus import VL_CAMERAS, Corpus, make_corpus


def tiny_corpus() -> Corpus:
    return make_corpus(5, 8, 2, VL_CAMERAS, workers=1)


def save_tiny_qwen2vl(folder: Path, corpus: Corpus) -> Path:
    """SynthVL's architecture with random weights."""
    torch.manual_seed(0)
    tokenizer = synthvl.build_tokenizer(corpus, 1, samples=200)
    synthvl.build_model(tokenizer).save_pretrained(folder)
    synthvl.build_processor(tokenizer).save_pretrained(folder)
    return folder


def save_tiny_relative(folder: Path, corpus: Corpus, family: str) -> Path:
    """A random model of another Qwen-VL family, with the same tokenizer and image processor."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    torch.manual_seed(0)
    tokenizer = synthvl.build_tokenizer(corpus, 1, samples=200)
    known = synthvl.build_model(tokenizer).config.to_dict()
    text = {k: v for k, v in known["text_config"].items() if k not in ("model_type", "layer_types", "dtype")}
    text["head_dim"] = text["hidden_size"] // text["num_attention_heads"]
    width = text["hidden_size"]
    vision = dict(depth=4, num_heads=4, patch_size=synthvl.PATCH, out_hidden_size=width, temporal_patch_size=2)
    vision |= dict(hidden_size=64, intermediate_size=128, spatial_merge_size=2)
    vision |= {
        "qwen2_5_vl": dict(window_size=32, fullatt_block_indexes=[1, 3]),
        "qwen3_vl": dict(num_position_embeddings=64, deepstack_visual_indexes=[0, 2]),
    }[family]
    ids = {k: v for k, v in known.items() if k.endswith("token_id")}
    config = AutoConfig.for_model(family, text_config=text, vision_config=vision, tie_word_embeddings=True, **ids)
    model = AutoModelForImageTextToText.from_config(config, attn_implementation="eager")
    torch.nn.init.normal_(model.lm_head.weight, std=0.3)  # answers of more than one word
    model.generation_config.eos_token_id = known["text_config"]["eos_token_id"]
    model.generation_config.pad_token_id = known["text_config"]["pad_token_id"]
    model.save_pretrained(folder)
    synthvl.build_processor(tokenizer).save_pretrained(folder)
    return folder


def save_tiny_clip(folder: Path, corpus: Corpus) -> Path:
    """SynthCLIP's architecture with random weights."""
    torch.manual_seed(0)
    tokenizer = synthclip.build_tokenizer(corpus, 1, samples=300)
    synthclip.build_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_vl_place(folder: Path) -> Path:
    """A tiny Qwen2-VL in `model` beside four pictures, 0.png to 3.png."""
    corpus = tiny_corpus()
    save_tiny_qwen2vl(folder / "model", corpus)
    for k, pixels in enumerate(corpus.images[:4]):
        Image.fromarray(pixels).save(folder / f"{k}.png")
    return folder


def save_retriever_place(folder: Path) -> Path:
    """A tiny CLIP in `clip`, SynthPEDES in `set`, and its pairs table."""
    save_tiny_clip(folder / "clip", tiny_corpus())
    write_pairs(read_annotations("cuhk-pedes", save_tiny_benchmark(folder)), folder / "pairs.parquet")
    return folder


def save_tiny_benchmark(folder: Path) -> Path:
    """SynthPEDES with 8 / 4 / 4 identities."""
    spec = DatasetSettings(
        generator="synth", train_identities=8, val_identities=4, test_identities=4, images_per_identity=3
    )
    write_benchmark(spec, folder / "set", folder / "truth.parquet")
    return folder / "set"


def official_pairs(layout: str) -> pd.DataFrame:
    """A pairs table with the identities, images and captions that a benchmark's owners distribute; no images."""
    known, parts, pid, image = LAYOUTS[layout], [], 1, 0
    for n, split in enumerate(("train", "val", "test")):
        people, images, captions = known.identities[n], known.images_count[n], known.captions[n]
        own = np.arange(captions) % max(images, 1)
        parts.append(pd.DataFrame({"split": split, "pid": pid + own % max(people, 1), "image_id": image + own}))
        pid, image = pid + people, image + images
    pairs = pd.concat(parts, ignore_index=True)
    pairs["image"], pairs["caption"] = pairs.image_id.map("{}.jpg".format), "a person"
    return pairs.assign(caption_id=range(len(pairs)))


FILES = {
    "cuhk-pedes": "reid_raw.json",
    "icfg-pedes": "ICFG-PEDES.json",
    "rstpreid": "data_captions.json",
    "ufine6926": "UFine6926_Annotations_1024.json",
}


def save_official_layout(layout: str, root: Path, identities: int = 2) -> Path:
    """A tiny benchmark in one of the four released layouts: two images an identity, two captions an image."""
    field = "img_path" if layout == "rstpreid" else "file_path"
    images = root if layout == "ufine6926" else root / "imgs"
    splits = ("train", "test") if layout in ("icfg-pedes", "ufine6926") else ("train", "val", "test")
    rows, number = [], 0
    for split in splits:
        for _ in range(identities):
            number += 1
            for view in range(2):
                name = f"{split}/{number:03d}_{view}.png"
                (images / split).mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (8, 16), (number * 20 % 256, view * 100, 50)).save(images / name)
                captions = [f"person {number} seen from side {view} by writer {w}" for w in range(2)]
                rows.append({"split": split, "id": number, field: name, "captions": captions, "processed_tokens": []})
    (root / FILES[layout]).write_text(json.dumps(rows))
    return root
