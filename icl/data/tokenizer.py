"""Captions to CLIP token ids, and RDE's random token masking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from icl.data.clip_vocabulary import SIZE, clean, clip_tokenizer
from icl.errors import InputError
from icl.files import reason
from icl.progress import announce

PAD = 0
"""Fills a row behind the end token. A word may have this id too (CLIP's "!" before a symbol): a place is padding because
it stands behind the end, never because it holds this id."""
FILES = ("tokenizer.json", "vocab.json", "merges.txt")
"""Of which a transformers folder with a tokenizer has at least one."""


def ends(ids: Tensor) -> Tensor:
    """Place (N,) of the end token in rows (N, L): CLIP's convention is that no token has a greater id."""
    return ids.argmax(1)


def words(ids: Tensor) -> Tensor:
    """Where the words of rows (N, L) stand: behind the start token, before the end token."""
    places = torch.arange(ids.shape[1], device=ids.device)
    return (places > 0) & (places < ends(ids)[:, None])


def longest(ids: Tensor) -> int:
    """Places that a batch (N, L) needs: up to the last end token."""
    return int(ends(ids).max()) + 1


class CaptionTokenizer:
    """Tokenizer of a CLIP checkpoint: [start, words..., end] at most `length` long, padded with 0.

    Args:
        checkpoint: a folder or hub id with a tokenizer; a single weights file, and a folder without a tokenizer whose
            model has CLIP's vocabulary, get CLIP's own.
        length: tokens of a caption at most.
        model: the text tower's configuration, which the tokenizer must fit; None: not checked.
        tokens: as in `retriever.tokens`.

    Raises:
        InputError: no tokenizer, a damaged one, or one that is not this model's.
    """

    def __init__(self, checkpoint: str, length: int, model: Any = None, tokens: str = "careful") -> None:
        self.tokenizer = _open(checkpoint, model)
        self.length, self.careful = length, tokens == "careful"
        self.start, self.end = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        _check(checkpoint, self.tokenizer, model)
        self.clean = clean if len(self.tokenizer) >= SIZE else str  # the small models know plain text only
        self.mask = self.tokenizer.mask_token_id
        if self.mask is None:
            self.mask = self.start - 1  # a CLIP vocabulary without a mask; the published code takes this place too

    def encode(self, captions: list[str]) -> Tensor:
        """(N, longest) ids, cut at `length` with the end token kept; (0, 0) of no captions.

        Raises:
            InputError: a caption is no text.
        """
        for number, text in enumerate(captions):
            if not isinstance(text, str):
                remedy = "Correct the caption in the annotation file."
                raise InputError(f"caption {number} of those encoded", repr(text), "text", remedy)
        if not captions:
            return torch.zeros((0, 0), dtype=torch.long)
        cleaned = [_readable(self.clean(text)) for text in captions]
        rows = self.tokenizer(
            cleaned, truncation=True, max_length=self.length, padding=False, split_special_tokens=self.careful
        )["input_ids"]
        out = torch.full((len(rows), max(map(len, rows))), PAD)
        for k, row in enumerate(rows):
            out[k, : len(row)] = torch.tensor(row)
        return out

    def mask_tokens(self, ids: Tensor, rate: float, generator: torch.Generator) -> Tensor:
        """Random masking of words: of the share `rate`, 60 % become mask, 20 % a random word, 20 % are removed.

        Rates as measured on the published code (`rate` 0.2: 0.12 / 0.04 / 0.04), which leaves words of id 0 alone.
        """
        if rate == 0:
            return ids
        word = words(ids) & (ids != self.start)
        if not self.careful:
            word &= ids != PAD
        draw = torch.rand(ids.shape, generator=generator) / rate
        masked = word & (draw < 0.6)
        swapped = word & (draw >= 0.6) & (draw < 0.8)
        removed = word & (draw >= 0.8) & (draw < 1.0)
        random_ids = torch.randint(1, self.mask, ids.shape, generator=generator)
        out = torch.where(masked, torch.full_like(ids, self.mask), torch.where(swapped, random_ids, ids))
        order = removed.long().argsort(dim=1, stable=True)  # removed tokens go to the end of the row
        return torch.where(removed, torch.full_like(out, PAD), out).gather(1, order)


def _readable(text: str) -> str:
    """Lone halves of surrogate pairs, which JSON may hold and UTF-8 may not, become question marks."""
    return text.encode("utf-8", "replace").decode()


def _open(checkpoint: str, model: Any) -> Any:
    """The tokenizer of a checkpoint; CLIP's own where it brings none and the model has as many tokens."""
    from transformers import AutoTokenizer

    folder = Path(checkpoint)
    if folder.is_file():
        return clip_tokenizer()
    if not folder.is_dir() or any((folder / name).exists() for name in FILES):
        try:
            found = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)
        except Exception as error:  # tokenizers, json and the OS each raise their own types
            raise InputError(
                f"tokenizer of {checkpoint}",
                f"an unreadable tokenizer ({reason(error)})",
                "tokenizer.json, or vocab.json and merges.txt, as transformers writes them",
                "Restore these files (git checkout, or download again).",
            ) from error
        if len(found) > len(found.all_special_ids):  # transformers makes an empty one where a hub id brings no files
            return found
    if model is not None and model.vocab_size == SIZE:
        announce(f"{checkpoint}: no tokenizer; CLIP's own vocabulary is taken")
        return clip_tokenizer()
    size = "unknown" if model is None else model.vocab_size
    raise InputError(
        f"tokenizer of {checkpoint}",
        f"none, and a model of {size} tokens",
        f"tokenizer.json beside the weights (only {SIZE} tokens are CLIP's own vocabulary)",
        "Copy the tokenizer's files into the folder.",
    )


def _check(checkpoint: str, tokenizer: Any, model: Any) -> None:
    """That a caption becomes [start, words..., end], no id is greater than the end's, and the model knows them all."""
    start, end, top = tokenizer.bos_token_id, tokenizer.eos_token_id, max(tokenizer.get_vocab().values())
    remedy = "Take the tokenizer that belongs to these weights."
    place = f"tokenizer of {checkpoint}"
    if start is None or end is None or end != top or start < 3:
        found = f"start token {start}, end token {end}, greatest token {top}"
        raise InputError(
            place,
            found,
            "a start token behind the words, and an end token that is the greatest (CLIP's convention)",
            remedy,
        )
    ids = tokenizer("a person")["input_ids"]
    if len(ids) < 3 or ids[0] != start or ids[-1] != end:
        raise InputError(place, f"'a person' as tokens {ids}", f"[{start}, words..., {end}]", remedy)
    if model is None:
        return
    if top >= model.vocab_size:
        raise InputError(place, f"tokens up to {top}", f"below the {model.vocab_size} of the model", remedy)
    told = model.eos_token_id  # 2 stands in old configurations, whatever the vocabulary
    if told not in (None, 2, end) and told < model.vocab_size:
        raise InputError(place, f"end token {end}", f"{told}, as the model's configuration says", remedy)
