"""A model folder with its LoRA adapter merged in, for servers that take no adapters (`transformers serve`, Ollama)."""

from __future__ import annotations

from pathlib import Path

import torch

from icl.errors import InputError


def merge_adapter(model: str, adapter: Path, out: Path) -> None:
    """Write the merged model with its processor and tokenizer.

    Args:
        model: folder or hub id that the adapter was trained on. adapter: peft folder. out: receives the model.

    Raises:
        InputError: the adapter does not fit, or changes nothing.
    """
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText, AutoProcessor

    whole = AutoModelForImageTextToText.from_pretrained(model, dtype="auto")
    before = {name: tensor.clone() for name, tensor in whole.state_dict().items() if "language_model" in name}
    try:
        merged = PeftModel.from_pretrained(whole, str(adapter)).merge_and_unload(safe_merge=True)
    except (RuntimeError, ValueError, KeyError) as error:
        expected = f"an adapter of {model}"
        raise InputError(str(adapter), f"an adapter that does not fit ({error})", expected, "Train it anew.") from error
    after = merged.state_dict()
    if all(torch.equal(tensor, after[name]) for name, tensor in before.items()):
        expected = "one that changes some weight"
        raise InputError(str(adapter), "an adapter that changes no weight", expected, "Compare its names and versions.")
    merged.save_pretrained(out)
    AutoProcessor.from_pretrained(model).save_pretrained(out)
