"""Write and read trained retrievers: a folder with safetensors weights, the settings, and the tokenizer."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

from safetensors.torch import load_file, save_file
from transformers import CLIPConfig

from icl.data.tokenizer import CaptionTokenizer
from icl.errors import InputError
from icl.files import make_readable, reason
from icl.retriever.backbone import CLIPBackbone
from icl.retriever.model import RDE
from icl.retriever.precision import concrete
from icl.retriever.settings import RetrieverSettings, check_sizes
from icl.retriever.weights.names import Weights
from icl.retriever.weights.sources import read_weights

WEIGHTS, CARD = "model.safetensors", "model.json"
UNFIT = (ValueError, RuntimeError, KeyError, IndexError, TypeError, ZeroDivisionError)
"""What transformers and torch raise for tensors whose shapes make no CLIP."""


def new_retriever(settings: RetrieverSettings, text_length: int | None = None) -> tuple[RDE, CaptionTokenizer]:
    """An RDE on the pre-trained CLIP of the settings, its TSE layers fresh.

    Raises:
        InputError: the checkpoint is missing, truncated or no CLIP.
    """
    length = text_length or settings.text_length
    weights = read_weights(settings.checkpoint)
    check_sizes(settings, length, weights.patch_size)
    try:
        model = build_retriever(weights, settings, length)
    except UNFIT as error:
        raise InputError(
            settings.checkpoint, reason(error), "weights that fit", "Correct retriever.checkpoint."
        ) from error
    return model, CaptionTokenizer(settings.checkpoint, length, weights.config.text_config, settings.tokens)


def build_retriever(weights: Weights, settings: RetrieverSettings, length: int) -> RDE:
    """An RDE with these weights; the TSE layers are fresh where the checkpoint has none.

    Raises:
        ValueError: weights that do not fit; names them.
    """
    backbone = CLIPBackbone(weights.config, settings.image_height, settings.image_width, length)
    own = {name: t for name, t in weights.tensors.items() if "_tse." not in name}
    backbone.load(own, settings.stretched_positions)
    if not weights.has_tse:
        return _rde(backbone, settings.tse_dim, settings)
    model = _rde(backbone, len(weights.tensors["image_tse.linear.weight"]), settings)
    heads = {name: t for name, t in weights.tensors.items() if "_tse." in name}
    missing, unexpected = model.load_state_dict(heads, strict=False)
    missing = [name for name in missing if "_tse." in name]
    if missing or unexpected:
        raise ValueError(f"TSE weights: missing {missing}, unexpected {unexpected}")
    return model


def _rde(backbone: CLIPBackbone, tse_dim: int, settings: RetrieverSettings) -> RDE:
    s = settings
    return RDE(backbone, tse_dim, s.select_ratio, s.batchnorm_padding, concrete(s.precision), s.tokens)


def import_retriever(source: str, settings: RetrieverSettings, length: int) -> tuple[RDE, CaptionTokenizer]:
    """A checkpoint as it is, in eval mode: RDE where it has TSE layers, otherwise BGE alone (plain CLIP, IRRA).

    Raises:
        InputError: the checkpoint is missing, or does not fit.
    """
    weights = read_weights(source)
    check_sizes(settings, length, weights.patch_size, selects=weights.has_tse)
    try:
        model = build_retriever(weights, settings if weights.has_tse else replace(settings, tse_dim=0), length)
    except UNFIT as error:
        raise InputError(source, reason(error), "weights that fit", "Correct its source under `retrievers`.") from error
    return model.eval(), CaptionTokenizer(source, length, weights.config.text_config, settings.tokens)


def save_retriever(model: RDE, tokenizer: CaptionTokenizer, settings: RetrieverSettings, folder: Path) -> None:
    """Write a trained retriever: all of it beside an earlier one (a full disk then harms nothing), then in its place."""
    part = folder / "part"
    shutil.rmtree(part, ignore_errors=True)
    tokenizer.tokenizer.save_pretrained(part / "tokenizer")
    clip = {"vision": model.backbone.vision.config.to_dict(), "text": model.backbone.text.config.to_dict()}
    card = {"settings": asdict(settings), "text_length": tokenizer.length, "dim": model.backbone.dim, "clip": clip}
    card["tse_dim"] = model.image_tse.out
    (part / CARD).write_text(json.dumps(card, indent=1, default=str))
    save_file(model.state_dict(), part / WEIGHTS)
    make_readable(part)
    shutil.rmtree(folder / "tokenizer", ignore_errors=True)
    for name in ("tokenizer", CARD, WEIGHTS):
        (part / name).replace(folder / name)
    part.rmdir()


def load_retriever(folder: Path) -> tuple[RDE, CaptionTokenizer]:
    """Read a trained retriever, in eval mode.

    Raises:
        InputError: a file is missing or truncated, or a weight does not fit.
    """
    path = folder / WEIGHTS
    try:
        card = json.loads((folder / CARD).read_text())
        weights = load_file(path)
        settings = RetrieverSettings(**card["settings"])
        config = CLIPConfig(
            vision_config=card["clip"]["vision"], text_config=card["clip"]["text"], projection_dim=card["dim"]
        )
        backbone = CLIPBackbone(config, settings.image_height, settings.image_width, card["text_length"])
        model = _rde(backbone, card["tse_dim"], settings)
        model.load_state_dict(weights)
    except Exception as error:  # safetensors, json, torch and the OS each raise their own types
        raise InputError(
            str(path),
            f"an unreadable retriever ({reason(error)})",
            "the files that training writes",
            f"Delete {folder} and run again: it will be trained anew.",
        ) from error
    tokenizer = CaptionTokenizer(str(folder / "tokenizer"), card["text_length"], config.text_config, settings.tokens)
    return model.eval(), tokenizer
