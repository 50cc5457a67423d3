"""Names and shapes of weights: OpenAI's CLIP, published RDE/ICL, IRRA and MLLM4Text-ReID files, transformers' CLIP.

Every source becomes one `Weights`: a CLIP configuration, tensors under this project's names, and what was left aside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

HEAD_WIDTH = 64
"""Width of an attention head in all of OpenAI's CLIP models."""

_BLOCK = r"transformer\.resblocks\.(\d+)\."
_TOWERS = ((r"^visual\." + _BLOCK, "vision.encoder.layers."), (r"^" + _BLOCK, "text.encoder.layers."))
_LAYER = {
    "attn.out_proj.": "self_attn.out_proj.",
    "ln_1.": "layer_norm1.",
    "ln_2.": "layer_norm2.",
    "mlp.c_fc.": "mlp.fc1.",
    "mlp.c_proj.": "mlp.fc2.",
}
_PLAIN = {
    "visual.conv1.weight": "vision.embeddings.patch_embedding.weight",
    "visual.class_embedding": "vision.embeddings.class_embedding",
    "visual.positional_embedding": "image_positions",
    "visual.ln_pre.weight": "vision.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision.post_layernorm.weight",
    "visual.ln_post.bias": "vision.post_layernorm.bias",
    "visual.proj": "visual_projection.weight",
    "text_projection": "text_projection.weight",
    "token_embedding.weight": "text.embeddings.token_embedding.weight",
    "positional_embedding": "text_positions",
    "ln_final.weight": "text.final_layer_norm.weight",
    "ln_final.bias": "text.final_layer_norm.bias",
}
_TRANSPOSED = ("visual_projection.weight", "text_projection.weight")
_TSE = {
    "visul_emb_layer.fc.": "image_tse.linear.",
    "visul_emb_layer.mlp.layers.0.": "image_tse.hidden.",
    "visul_emb_layer.mlp.bns.0.": "image_tse.norm.",
    "visul_emb_layer.mlp.layers.1.": "image_tse.output.",
    "texual_emb_layer.linear.": "text_tse.linear.",
    "texual_emb_layer.mlp.layers.0.": "text_tse.hidden.",
    "texual_emb_layer.mlp.bns.0.": "text_tse.norm.",
    "texual_emb_layer.mlp.layers.1.": "text_tse.output.",
}
_ASIDE = (
    r"logit_scale|input_resolution|context_length|vocab_size",  # CLIP's scalars
    r"(.*\.)?attn_mask",  # a constant of the text tower
    r"visul_emb_layer\.linear\..*|texual_emb_layer\.fc\..*|(visul|texual)_emb_layer\.mlp\.bns\.1\..*",  # RDE: never used
    r"classifier\..*|cross_attn\..*|cross_modal_transformer\..*|ln_(pre|post)_[ti]\..*|ln_post\..*|mlm_head\..*",  # IRRA
)


@dataclass
class Weights:
    """Tensors of a checkpoint under this project's names.

    Attributes:
        config: CLIP's sizes, read from the shapes. tensors: backbone and, where present, TSE weights ("image_tse." ...).
        aside: names that were recognised and not needed. unknown: names that were not recognised.
    """

    config: CLIPConfig
    tensors: dict[str, Tensor]
    aside: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def patch_size(self) -> int:
        """Side of an image patch, in pixels."""
        return cast(Any, self.config.vision_config).patch_size

    @property
    def has_tse(self) -> bool:
        return any(name.startswith("image_tse.") for name in self.tensors)


def _clip_names(name: str, tensor: Tensor) -> dict[str, Tensor] | None:
    """One OpenAI tensor under our names; None where the name is not CLIP's."""
    if name in _PLAIN:
        ours = _PLAIN[name]
        return {ours: tensor.T.contiguous() if ours in _TRANSPOSED else tensor}
    for pattern, tower in _TOWERS:
        found = re.match(pattern, name)
        if not found:
            continue
        layer, rest = f"{tower}{found[1]}.", name[found.end() :]
        if rest in ("attn.in_proj_weight", "attn.in_proj_bias"):
            kind = rest.rsplit("_", 1)[1]
            return {f"{layer}self_attn.{p}_proj.{kind}": t for p, t in zip("qkv", tensor.chunk(3), strict=True)}
        for theirs, ours in _LAYER.items():
            if rest.startswith(theirs):
                return {layer + ours + rest[len(theirs) :]: tensor}
    return None


def _tse_name(name: str) -> str | None:
    return next((ours + name[len(theirs) :] for theirs, ours in _TSE.items() if name.startswith(theirs)), None)


def from_published(state: dict[str, Tensor]) -> Weights:
    """Translate a state dict in OpenAI's names (CLIP) or the published retrievers' (`base_model.` and heads beside it).

    `module.` prefixes of data-parallel training are dropped. Half-precision tensors become float32.

    Raises:
        KeyError: a tensor from which the sizes are read is missing.
    """
    tensors, aside, unknown = {}, [], []
    for full, value in state.items():
        name = full.removeprefix("module.").removeprefix("base_model.")
        tensor = value.float() if value.is_floating_point() else value
        clip = _clip_names(name, tensor)
        if clip is not None:
            tensors.update(clip)
        elif any(re.fullmatch(pattern, name) for pattern in _ASIDE):
            aside.append(full)
        elif tse := _tse_name(name):
            tensors[tse] = tensor
        else:
            unknown.append(full)
    return Weights(_config_of(tensors), tensors, aside, unknown)


def _config_of(t: dict[str, Tensor]) -> CLIPConfig:
    """CLIP's configuration from the shapes of its weights."""
    width, _, patch, _ = t["vision.embeddings.patch_embedding.weight"].shape
    vocabulary, text_width = t["text.embeddings.token_embedding.weight"].shape
    dim = t["text_projection.weight"].shape[0]

    def tower(name: str, hidden: int) -> dict:
        depth = 1 + max(int(k.split(".")[3]) for k in t if k.startswith(f"{name}.encoder.layers."))
        inner = t[f"{name}.encoder.layers.0.mlp.fc1.weight"].shape[0]
        heads = dict(num_hidden_layers=depth, num_attention_heads=hidden // HEAD_WIDTH, hidden_act="quick_gelu")
        return dict(hidden_size=hidden, intermediate_size=inner, projection_dim=dim, **heads)

    side = int((len(t["image_positions"]) - 1) ** 0.5)
    vision = dict(patch_size=patch, image_size=side * patch, **tower("vision", width))
    ends = dict(bos_token_id=vocabulary - 2, eos_token_id=vocabulary - 1, pad_token_id=0)
    length = len(t["text_positions"])
    text = dict(vocab_size=vocabulary, max_position_embeddings=length, **ends, **tower("text", text_width))
    return CLIPConfig(text_config=text, vision_config=vision, projection_dim=dim)


def from_transformers(clip: CLIPModel) -> Weights:
    """The weights of a loaded transformers CLIP."""
    tensors, aside = {}, []
    positions = {
        "vision_model.embeddings.position_embedding.weight": "image_positions",
        "text_model.embeddings.position_embedding.weight": "text_positions",
    }
    for name, tensor in clip.state_dict().items():
        if name == "logit_scale" or name.endswith("position_ids"):
            aside.append(name)
            continue
        ours = positions.get(name) or name.replace("vision_model.", "vision.").replace("text_model.", "text.")
        tensors[ours] = tensor
    return Weights(clip.config, tensors, aside)


def to_published(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """An RDE's state dict under the published names, so that the published code can read it.

    Args:
        tensors: `RDE.state_dict()`.
    """
    layer = {ours: theirs for theirs, ours in _LAYER.items()}
    plain = {ours: theirs for theirs, ours in _PLAIN.items()}
    tse = {ours: theirs for theirs, ours in _TSE.items()}
    out: dict[str, Tensor] = {}
    for full, tensor in tensors.items():
        name = full.removeprefix("backbone.")
        if name in plain:
            out[f"base_model.{plain[name]}"] = tensor.T.contiguous() if name in _TRANSPOSED else tensor
        elif found := re.match(r"(vision|text)\.encoder\.layers\.(\d+)\.(.*)", name):
            block = f"base_model.{'visual.' if found[1] == 'vision' else ''}transformer.resblocks.{found[2]}."
            if part := re.fullmatch(r"self_attn\.([qkv])_proj\.(weight|bias)", found[3]):
                if part[1] == "q":
                    prefix, kind = full[: -len(f"q_proj.{part[2]}")], part[2]
                    thirds = [tensors[f"{prefix}{p}_proj.{kind}"] for p in "qkv"]
                    out[f"{block}attn.in_proj_{kind}"] = torch.cat(thirds)
                continue
            ours = next(k for k in layer if found[3].startswith(k))
            out[block + layer[ours] + found[3][len(ours) :]] = tensor
        else:
            ours = next(k for k in tse if name.startswith(k))
            out[tse[ours] + name[len(ours) :]] = tensor
    return out
