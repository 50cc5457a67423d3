"""A model folder with its LoRA adapter merged in, for servers that take no adapters (`transformers serve`, Ollama)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from icl.files import make_readable
from icl.mllm.qwen.adapters import attach_adapter


def merge_adapter(model: str, adapter: Path, out: Path) -> None:
    """Write the merged model with its processor and tokenizer.

    Args:
        model: folder or hub id that the adapter was trained on. adapter: peft folder. out: receives the model.

    Raises:
        InputError: the adapter does not fit, or changes nothing.
    """
    from transformers import AutoModelForImageTextToText, AutoProcessor

    whole = AutoModelForImageTextToText.from_pretrained(model, dtype="auto", trust_remote_code=False)
    merged: Any = attach_adapter(whole, str(adapter))
    merged = merged.merge_and_unload(safe_merge=True)
    merged.save_pretrained(out)
    AutoProcessor.from_pretrained(model, trust_remote_code=False).save_pretrained(out)
    make_readable(out)
