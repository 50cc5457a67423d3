"""LoRA adapters of one's own or from elsewhere: names of older transformers releases, and whether one fits and does anything.

peft loads what matches and only warns of the rest, so an adapter with other names would answer as the plain model does.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from torch import Tensor, nn

from icl.errors import InputError

#: Where modules stood before transformers 5, and where they stand now.
MOVED = (
    (
        re.compile(r"^base_model\.model\.model\.(?=layers\.|embed_tokens\.|norm\.)"),
        "base_model.model.model.language_model.",
    ),
    (re.compile(r"^base_model\.model\.visual\."), "base_model.model.model.visual."),
)
_REMEDY = "Use an adapter of this model, or train one (snakemake finetune_lora)."


def attach_adapter(model: nn.Module, folder: str, trainable: bool = False) -> nn.Module:
    """Put a peft adapter on a model.

    Args:
        folder: `adapter_config.json` and `adapter_model.safetensors`, with present or older names.

    Raises:
        InputError: files missing or damaged, names or shapes that do not match, or weights that change nothing.
    """
    from peft import LoraConfig, PeftModel, set_peft_model_state_dict

    weights = renamed(_read(Path(folder)))
    try:
        config = LoraConfig.from_pretrained(folder)
        config.inference_mode = not trainable
        config.target_modules = sorted({n.split(".lora_")[0].removeprefix("base_model.model.") for n in weights})
        wrapped = PeftModel(model, config)
        _match(weights, wrapped, folder)
        set_peft_model_state_dict(wrapped, weights)
    except (RuntimeError, ValueError, TypeError) as error:
        found = f"an adapter that does not fit ({str(error).splitlines()[0]})"
        raise InputError(folder, found, "an adapter of the configured model", _REMEDY) from error
    if not any(tensor.any() for name, tensor in weights.items() if "lora_B" in name):
        raise InputError(folder, "an adapter that changes no weight", "some lora_B that is not zero", _REMEDY)
    return wrapped


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names that modules have now."""
    out = {}
    for name, tensor in weights.items():
        for before, after in MOVED:
            name = before.sub(after, name)
        out[name] = tensor
    return out


def _read(folder: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / "adapter_model.safetensors"
    try:
        json.loads((folder / "adapter_config.json").read_text())
        return load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        found = f"not readable ({error})"
        raise InputError(str(path), found, "adapter_config.json and adapter_model.safetensors", _REMEDY) from error


def _match(weights: dict[str, Tensor], wrapped: nn.Module, folder: str) -> None:
    from peft.utils import get_peft_model_state_dict

    own = get_peft_model_state_dict(wrapped)
    missing, unknown = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    other = sorted(n for n in own.keys() & weights.keys() if own[n].shape != weights[n].shape)
    for what, names in (("unknown names", unknown), ("missing weights", missing), ("other shapes", other)):
        if names:
            found = f"{len(names)} {what}, first {names[0]}"
            raise InputError(folder, found, f"{len(own)} weights of the configured model", _REMEDY)
