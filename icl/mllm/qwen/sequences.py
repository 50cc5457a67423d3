"""From a request to what a Qwen-VL decoder eats: token ids with room for visual tokens, and M-RoPE positions."""

from __future__ import annotations

from collections.abc import Sequence as Many
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from icl.mllm.prompts import system_text
from icl.mllm.protocol import Request
from icl.mllm.qwen.model import QwenVL, mrope_positions


@dataclass(frozen=True)
class Sequence:
    """One prompt.

    Attributes:
        ids: (L,) token ids, the image's places filled with the image token. positions: (3, L).
        image_at: first image place. visual: (n, hidden x (1 + deep)) visual tokens, or None.
    """

    ids: Tensor
    positions: Tensor
    image_at: int
    visual: Tensor | None

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, start: int, stop: int | None = None) -> Sequence:
        """Some of its tokens; they hold the whole image or nothing of it."""
        has_image = self.visual is not None and start <= self.image_at and (stop is None or self.image_at < stop)
        image = (self.image_at - start, self.visual) if has_image else (-1, None)
        return Sequence(self.ids[start:stop], self.positions[:, start:stop], *image)


def build_sequences(qwen: QwenVL, requests: Many[Request], seen: dict[Path, Tensor]) -> list[Sequence]:
    """The chat prompts of requests up to the assistant's turn, tokenized together; `seen` holds their visual tokens."""
    if not requests:
        return []
    frames = {with_image: _frame(qwen, with_image) for with_image in {r.image is not None for r in requests}}
    texts = [request.text.join(frames[request.image is not None]) for request in requests]
    tokens = qwen.tokenizer(texts, add_special_tokens=False)["input_ids"]
    return [
        _sequence(qwen, ids, r, seen.get(r.image) if r.image else None) for ids, r in zip(tokens, requests, strict=True)
    ]


def _frame(qwen: QwenVL, with_image: bool) -> tuple[str, str]:
    """What the chat template puts before and after a text."""
    mark = "\N{OBJECT REPLACEMENT CHARACTER}"
    content = [{"type": "image"}] * with_image + [{"type": "text", "text": mark}]
    messages = [{"role": "system", "content": system_text()}, {"role": "user", "content": content}]
    before, after = qwen.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True).split(mark)
    return before, after


def _sequence(qwen: QwenVL, ids: list[int], request: Request, visual: Tensor | None) -> Sequence:
    if visual is None or request.image is None:
        return Sequence(torch.tensor(ids), mrope_positions(len(ids), None, 0), -1, None)
    at = ids.index(qwen.base.config.image_token_id)
    merge = qwen.processor.image_processor.merge_size
    _, h, w = qwen.grid(request.image)
    positions = mrope_positions(at, (h // merge, w // merge), len(ids) - at - 1)
    ids = ids[:at] + [ids[at]] * len(visual) + ids[at + 1 :]
    return Sequence(torch.tensor(ids), positions, at, visual)


@dataclass
class Batch:
    """Left-padded prompts: embeds (B, L, C), mask (B, before + L), positions (3, B, L).

    Qwen3-VL: `deep` holds what its first layers add at the image's places `visual_at` (B, L), each (all places, C).
    """

    embeds: Tensor
    mask: Tensor
    positions: Tensor
    visual_at: Tensor | None = None
    deep: list[Tensor] = field(default_factory=list)


def collate(qwen: QwenVL, sequences: Many[Sequence], before: int = 0) -> Batch:
    """Pad on the left and put the visual tokens in their places.

    Args:
        before: tokens that every sequence has in the cache already: the mask covers them too.
    """
    length, count = max(map(len, sequences)), len(sequences)
    pad = qwen.tokenizer.pad_token_id or 0
    ids = torch.full((count, length), pad)
    mask = torch.zeros(count, length, dtype=torch.long)
    positions = torch.zeros(3, count, length, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        ids[row, length - len(sequence) :] = sequence.ids
        mask[row, length - len(sequence) :] = 1
        positions[:, row, length - len(sequence) :] = sequence.positions
    embeds = qwen.base.model.language_model.embed_tokens(ids.to(qwen.device))
    places = [(r, length - len(s) + s.image_at, s.visual) for r, s in enumerate(sequences) if s.visual is not None]
    mask = torch.cat([mask.new_ones(count, before), mask], dim=1)
    batch = Batch(embeds, mask.to(qwen.device), positions.to(qwen.device))
    if places:
        width = embeds.shape[-1]
        batch.embeds = embeds.clone()
        batch.visual_at = torch.zeros(count, length, dtype=torch.bool, device=qwen.device)
        for row, at, visual in places:
            batch.embeds[row, at : at + len(visual)] = visual[:, :width].to(embeds.dtype)
            batch.visual_at[row, at : at + len(visual)] = True
        deep = torch.cat([visual[:, width:] for *_, visual in places]).to(embeds.dtype)
        batch.deep = list(deep.split(width, dim=-1)) if deep.shape[-1] else []
    return batch
