"""Load a model of the Qwen2-VL, Qwen2.5-VL or Qwen3-VL family and make it quick on a CPU; no number it computes changes.

Two things of the stock implementation are slow on CPUs: the patch embedding is a Conv3d whose kernel equals its stride
(the same as a linear layer, several times slower), and vision attention loops over the images of a batch.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor, nn

from icl.device import chosen_device
from icl.errors import InputError
from icl.memory import keep_freed_memory

if TYPE_CHECKING:
    from icl.mllm.qwen.sequences import Batch

T = TypeVar("T", bound=nn.Module)
KEPT_BYTES = 2**31
"""Visual tokens that a model keeps: those of 4,600 images of 50,176 pixels at Qwen2-VL-7B's width."""


def _linear_patch_forward(self: Any, hidden_states: Tensor) -> Tensor:
    weight, bias = self.proj.weight, self.proj.bias
    return nn.functional.linear(hidden_states.to(weight.dtype).view(-1, weight[0].numel()), weight.flatten(1), bias)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin


def _batched_attention_forward(
    self: Any, hidden_states: Tensor, cu_seqlens: Tensor, position_embeddings: Any = None, **kwargs: Any
) -> Tensor:
    lengths = (cu_seqlens[1:] - cu_seqlens[:-1]).tolist()
    if len(set(lengths)) != 1:
        return self._stock_forward(hidden_states, cu_seqlens, position_embeddings=position_embeddings, **kwargs)
    total, heads, length = hidden_states.shape[0], self.num_heads, lengths[0]
    cos, sin = (t.unsqueeze(1).to(hidden_states.dtype) for t in position_embeddings)  # (T, 1, hs)
    q, k, v = self.qkv(hidden_states).view(total, 3, heads, -1).unbind(1)  # (T, nh, hs)
    q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
    q, k, v = (t.view(-1, length, heads, t.shape[-1]).transpose(1, 2) for t in (q, k, v))  # (B, nh, L, hs)
    attention = torch.softmax(q @ k.transpose(2, 3) * self.scaling, dim=-1)
    return self.proj((attention @ v).transpose(1, 2).reshape(total, -1))


def mrope_positions(before: int, grid: tuple[int, int] | None, after: int) -> Tensor:
    """(3, n) M-RoPE positions of `before` text tokens, a merged (h, w) image grid, and `after` text tokens."""
    if grid is None:
        return torch.arange(before + after).expand(3, -1)
    h, w = grid
    image = torch.stack([torch.zeros(h * w), torch.arange(h).repeat_interleave(w), torch.arange(w).repeat(h)]).long()
    tail = torch.arange(after).expand(3, -1) + before + max(h, w)
    return torch.cat([torch.arange(before).expand(3, -1), image + before, tail], dim=1)


def speed_up_on_cpu(model: T) -> T:
    """Replace the slow forward methods of a vision tower in place; weights and outputs stay the same."""
    tower = cast(Any, model).model.visual
    tower.patch_embed.forward = types.MethodType(_linear_patch_forward, tower.patch_embed)
    for block in tower.blocks:
        block.attn._stock_forward = block.attn.forward
        block.attn.forward = types.MethodType(_batched_attention_forward, block.attn)
    return model


@dataclass
class QwenVL:
    """A loaded model: `model` is a Qwen…ForConditionalGeneration, or a PeftModel around one."""

    model: Any
    processor: Any
    device: torch.device
    _grids: dict[Path, tuple[int, int, int]] = field(default_factory=dict)
    _kept: dict[Path, Tensor] = field(default_factory=dict)

    @property
    def tokenizer(self) -> Any:
        return self.processor.tokenizer

    @property
    def base(self) -> Any:
        """The model without peft's wrapper."""
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model

    def grid(self, path: Path) -> tuple[int, int, int]:
        """(t, h, w) of an image in patches, before the 2 x 2 merge; known once its tokens were asked for."""
        return self._grids[Path(path)]

    def see(self, images: Iterable[Path], max_pixels: int) -> dict[Path, Tensor]:
        """Visual tokens by image; those of the first images stay at hand, up to KEPT_BYTES."""
        wanted = sorted(set(images))
        new = [path for path in wanted if path not in self._kept]
        found = dict(zip(new, self.visual_tokens(new, max_pixels), strict=True))
        room = KEPT_BYTES - sum(t.nbytes for t in self._kept.values())
        for path, tokens in found.items():
            if room >= tokens.nbytes:
                self._kept[path], room = tokens.clone(), room - tokens.nbytes  # a split's part holds its whole batch
        return {path: found[path] if path in found else self._kept[path] for path in wanted}

    def forget_images(self) -> None:
        """Drop the kept visual tokens (for timing)."""
        self._kept.clear()

    @torch.no_grad()
    def visual_tokens(self, images: list[Path], max_pixels: int, batch_size: int = 128) -> list[Tensor]:
        """Visual tokens of images, in the language model's space: a list of (n_i, hidden x (1 + deep)) tensors.

        Qwen3-VL adds `deep` further features of a token to the decoder's first layers; they lie beside it.
        """
        out: list[Tensor] = []
        from icl.data.pictures import load_image, within_aspect

        processor = self.processor.image_processor
        for start in range(0, len(images), batch_size):
            paths = [Path(p) for p in images[start : start + batch_size]]
            size = dict(processor.size)
            size["longest_edge"] = min(size["longest_edge"], max_pixels)
            size["shortest_edge"] = min(size["shortest_edge"], size["longest_edge"])
            batch = processor([within_aspect(load_image(p)) for p in paths], size=size, return_tensors="pt")
            grids = batch["image_grid_thw"]
            for path, grid in zip(paths, grids.tolist(), strict=True):
                self._grids[path] = tuple(grid)
            dtype = self.base.model.visual.patch_embed.proj.weight.dtype
            found = self.base.model.visual(batch["pixel_values"].to(self.device, dtype), grid_thw=grids.to(self.device))
            features = torch.cat([found.pooler_output, *getattr(found, "deepstack_features", ())], dim=-1)
            out += features.split((grids.prod(-1) // processor.merge_size**2).tolist())
        return out

    def hidden(self, batch: Batch, cache: Any = None) -> Tensor:
        """(B, L, C) last hidden states of a `sequences.Batch`; goes on from a cache, and adds to it."""
        deep = {"visual_pos_masks": batch.visual_at, "deepstack_visual_embeds": batch.deep} if batch.deep else {}
        return self.base.model.language_model(
            inputs_embeds=batch.embeds,
            attention_mask=batch.mask,
            position_ids=batch.positions,
            past_key_values=cache,
            use_cache=cache is not None,
            **deep,
        ).last_hidden_state

    def logits(self, batch: Batch, cache: Any = None) -> Tensor:
        """(B, vocabulary) float32 logits of the word after each sequence of a `sequences.Batch`."""
        return self.base.lm_head(self.hidden(batch, cache)[:, -1]).float()


FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
"""`model_type` of the models whose prompts and positions are laid out as `sequences` does."""


def attention_of(device: torch.device) -> str:
    """Fused attention on a GPU, where eager attention would write the weights of every pair of tokens to its memory."""
    return "eager" if device.type == "cpu" else "sdpa"


def _load_weights(folder: str, dtype: torch.dtype, device: torch.device) -> nn.Module:
    from transformers import AutoConfig, AutoModelForImageTextToText

    try:
        family = AutoConfig.from_pretrained(folder, trust_remote_code=False).model_type
        if family not in FAMILIES:
            raise ValueError(f"model_type {family}, not one of {', '.join(FAMILIES)}")
        return AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation=attention_of(device),
            device_map=None if device.type == "cpu" else {"": device},  # without a copy in the machine's own memory
            trust_remote_code=False,
        )
    except Exception as error:  # transformers, safetensors and the OS each raise their own types
        raise InputError(
            str(folder),
            f"no loadable Qwen-VL weights ({type(error).__name__}: {str(error).splitlines()[0]})",
            "a transformers folder or hub id with config.json and complete *.safetensors",
            "Restore the file (git checkout, or download again), or set mllm.model to another model.",
        ) from error


def arithmetic(precision: str) -> torch.dtype:
    """Type of a model's weights: that of `mllm.precision`; auto is bfloat16 on a GPU and float32 on a CPU."""
    if precision == "auto":
        precision = "bfloat16" if chosen_device().type == "cuda" else "float32"
    return getattr(torch, precision)


def load_qwen_vl(
    model_folder: str, adapter: str | None = None, trainable: bool = False, precision: str = "auto"
) -> QwenVL:
    """Load a model folder or hub id, with a peft adapter where given.

    Args:
        precision: as in `mllm.precision`.

    Raises:
        InputError: weights missing, truncated or of another architecture; adapter that does not fit or does nothing.
    """
    from transformers import AutoProcessor

    device = chosen_device()
    model = _load_weights(model_folder, arithmetic(precision), device)
    processor = AutoProcessor.from_pretrained(model_folder, trust_remote_code=False)
    if device.type == "cpu":
        keep_freed_memory()
        speed_up_on_cpu(model)
    if adapter:
        from icl.mllm.qwen.adapters import attach_adapter

        model = attach_adapter(model, adapter, trainable)
    model.to(device).train(trainable)
    return QwenVL(model, processor, device)
