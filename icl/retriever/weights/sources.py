"""Read pre-trained weights from wherever they are: transformers folder or hub id, `ViT-B-16.pt`, published `best.pth`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPModel

from icl.errors import InputError
from icl.files import reason
from icl.progress import announce
from icl.retriever.weights.names import Weights, from_published, from_transformers
from icl.retriever.weights.script_archive import is_script, read_script_tensors

KNOWN_FILES = {
    "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f": "OpenAI's CLIP ViT-B/16",
    "40ddedbc3fb416d137243abba774ec60509d550646e785d5a23f0c94a6948680": "MLLM4Text-ReID, best0",
}
"""sha256 of files in circulation."""
_FORMS = "a transformers CLIP folder or hub id, OpenAI's ViT-B-16.pt, or a published retriever's .pth (key `model`)"
_REMEDY = "Restore the file (git checkout, or download again), or set retriever.checkpoint."


def sha256(path: Path) -> str:
    """Digest of a file, read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def read_weights(source: str) -> Weights:
    """Read a checkpoint of any known form; nothing in the file is ever executed.

    Raises:
        InputError: the file is missing, truncated, of an unknown form, or holds weights that are not a retriever's.
    """
    try:
        if Path(source).is_file():
            announce(f"{source}: {KNOWN_FILES.get(sha256(Path(source)), 'a file whose checksum is not known')}")
            return _checked(source, from_published(read_state(Path(source))))
        return _checked(source, _read_transformers(source))
    except InputError:
        raise
    except Exception as error:  # transformers, safetensors, torch and the OS each raise their own types
        raise InputError(source, f"no loadable CLIP weights ({reason(error)})", _FORMS, _REMEDY) from error


def _read_transformers(source: str) -> Weights:
    """A transformers folder or hub id; the library itself fills missing weights with random ones, and only warns."""
    read: Any = CLIPModel.from_pretrained(source, output_loading_info=True, trust_remote_code=False)
    model, told = read
    if told["missing_keys"]:
        absent = sorted(told["missing_keys"])
        raise InputError(source, f"{len(absent)} weights missing: {', '.join(absent[:6])}", _FORMS, _REMEDY)
    weights = from_transformers(model)
    weights.unknown += sorted(name for name in told["unexpected_keys"] if not name.endswith("position_ids"))
    return weights


def _checked(source: str, weights: Weights) -> Weights:
    spoilt = [name for name, t in weights.tensors.items() if t.is_floating_point() and not torch.isfinite(t).all()]
    if spoilt:
        found = f"{len(spoilt)} weights with NaN or infinity: {', '.join(spoilt[:6])}"
        raise InputError(source, found, "finite weights", "Take an earlier checkpoint of that training.")
    if weights.unknown:
        found = f"{len(weights.unknown)} unknown weights: {', '.join(weights.unknown[:6])}"
        raise InputError(source, found, _FORMS, "Convert the file, or give embeddings instead.")
    return weights


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a torch file: a state dict (also below `model` or `state_dict`), or an archive of OpenAI's.

    Raises:
        InputError: pickled objects other than tensors and plain values, or no tensors at all.
    """
    state: Any
    try:
        if is_script(path):
            state = read_script_tensors(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, pickle and zipfile each raise their own types
        known = KNOWN_FILES.get(sha256(path), "no file whose checksum is known")
        found = f"unreadable or unsafe content ({reason(error)}); it is {known}"
        raise InputError(
            str(path), found, "tensors and plain values only", "Download it again, or re-save it."
        ) from error
    for key in ("model", "state_dict"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    tensors = {k: v for k, v in state.items() if isinstance(v, Tensor)} if isinstance(state, dict) else {}
    if not tensors:
        raise InputError(str(path), "no tensors", _FORMS, _REMEDY)
    return tensors
