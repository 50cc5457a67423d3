"""Captions to CLIP token ids, and RDE's random token masking."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from icl.data.clip_vocabulary import PIECES, clean, clip_tokenizer

PAD = 0


class CaptionTokenizer:
    """Tokenizer of a CLIP checkpoint: [start, words..., end] at most `length` long, padded with 0.

    Args:
        checkpoint: a folder or hub id with a tokenizer; a single weights file gets CLIP's own vocabulary.
        length: tokens of a caption at most.
    """

    def __init__(self, checkpoint: str, length: int) -> None:
        from transformers import AutoTokenizer

        single = Path(checkpoint).is_file()
        self.tokenizer = clip_tokenizer() if single else AutoTokenizer.from_pretrained(checkpoint)
        self.length, self.start, self.end = length, self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        self.clean = clean if len(self.tokenizer) > PIECES else str  # the small models know plain text only
        self.mask = self.tokenizer.mask_token_id
        if self.mask is None:
            self.mask = self.start - 1  # a CLIP vocabulary without a mask; the published code takes this place too

    def encode(self, captions: list[str]) -> Tensor:
        """(N, longest) ids, cut at `length` with the end token kept."""
        rows = self.tokenizer([self.clean(text) for text in captions], truncation=True, max_length=self.length)[
            "input_ids"
        ]
        out = torch.full((len(rows), max(map(len, rows))), PAD)
        for k, row in enumerate(rows):
            out[k, : len(row)] = torch.tensor(row)
        return out

    def mask_tokens(self, ids: Tensor, rate: float, generator: torch.Generator) -> Tensor:
        """Random masking of words: of the share `rate`, 60 % become mask, 20 % a random word, 20 % are removed.

        Rates as measured on the published code (`rate` 0.2: 0.12 / 0.04 / 0.04).
        """
        if rate == 0:
            return ids
        word = (ids != PAD) & (ids != self.start) & (ids != self.end)
        draw = torch.rand(ids.shape, generator=generator) / rate
        masked = word & (draw < 0.6)
        swapped = word & (draw >= 0.6) & (draw < 0.8)
        removed = word & (draw >= 0.8) & (draw < 1.0)
        random_ids = torch.randint(1, self.mask, ids.shape, generator=generator)
        out = torch.where(masked, torch.full_like(ids, self.mask), torch.where(swapped, random_ids, ids))
        order = removed.long().argsort(dim=1, stable=True)  # removed tokens go to the end of the row
        out = torch.where(removed, torch.full_like(out, PAD), out).gather(1, order)
        return out
