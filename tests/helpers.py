"""Tiny real models and benchmarks that the tests build themselves."""

from __future__ import annotations

from pathlib import Path

import torch

from icl.data.synth.benchmark import write_benchmark
from icl.data.synth.corpus import VL_CAMERAS, Corpus, make_corpus
from icl.pretrain import synthclip, synthvl
from icl.settings import DatasetSettings


def tiny_corpus() -> Corpus:
    return make_corpus(5, 8, 2, VL_CAMERAS, workers=1)


def save_tiny_qwen2vl(folder: Path, corpus: Corpus) -> Path:
    """SynthVL's architecture with random weights."""
    torch.manual_seed(0)
    tokenizer = synthvl.build_tokenizer(corpus, 1, samples=200)
    synthvl.build_model(tokenizer).save_pretrained(folder)
    synthvl.build_processor(tokenizer).save_pretrained(folder)
    return folder


def save_tiny_clip(folder: Path, corpus: Corpus) -> Path:
    """SynthCLIP's architecture with random weights."""
    torch.manual_seed(0)
    tokenizer = synthclip.build_tokenizer(corpus, 1, samples=300)
    synthclip.build_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_tiny_benchmark(folder: Path) -> Path:
    """SynthPEDES with 8 / 4 / 4 identities."""
    spec = DatasetSettings(
        generator="synth", train_identities=8, val_identities=4, test_identities=4, images_per_identity=3
    )
    write_benchmark(spec, folder / "set", folder / "truth.parquet")
    return folder / "set"
