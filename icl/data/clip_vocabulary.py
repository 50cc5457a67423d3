"""OpenAI CLIP's own tokenizer, for checkpoints that come without one (`ViT-B-16.pt`, published `best.pth`).

The vocabulary file is the one that open_clip carries, checked by its digest. As published for RDE and IRRA, the last
piece makes room for a mask token (id 49405).
"""

from __future__ import annotations

import gzip
import hashlib
import html
from importlib import metadata
from pathlib import Path
from typing import Any

from icl.errors import InputError

DIGEST = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
SIZE = 49408
"""Tokens of CLIP's vocabulary: pieces of bytes, merges, mask, start and end."""


def vocabulary_file() -> Path:
    """The vocabulary file of the installed open_clip.

    Raises:
        InputError: open_clip is not installed, or carries another file.
    """
    try:
        path = Path(str(metadata.distribution("open_clip_torch").locate_file("open_clip/bpe_simple_vocab_16e6.txt.gz")))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except (metadata.PackageNotFoundError, OSError) as error:
        remedy = (
            "pip install 'icl-reid[paper]', or name a transformers folder or hub id, which brings its own tokenizer."
        )
        raise InputError("CLIP's vocabulary", "open_clip is not installed", "open_clip_torch", remedy) from error
    if digest != DIGEST:
        raise InputError(str(path), f"sha256 {digest[:12]}...", f"{DIGEST[:12]}...", "Reinstall open_clip_torch.")
    return path


def byte_symbols() -> list[str]:
    """The printable stand-in of each byte, in the order of their ids (GPT-2's byte-level alphabet)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + n) for n in range(len(others))]


def clip_tokenizer() -> Any:
    """A transformers `CLIPTokenizer` with the published ids: mask 49405, start 49406, end 49407."""
    from transformers import CLIPTokenizer

    lines, symbols = gzip.decompress(vocabulary_file().read_bytes()).decode().split("\n"), byte_symbols()
    count = SIZE - 2 * len(symbols) - 3  # one less than the file's: the mask takes its place
    merges: Any = [tuple(line.split()) for line in lines[1 : 1 + count]]
    pieces = [*symbols, *(s + "</w>" for s in symbols), *("".join(pair) for pair in merges)]
    pieces += ["<|mask|>", "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, mask_token="<|mask|>")


def clean(text: str) -> str:
    """Captions as CLIP's code reads them: mended encoding, HTML entities resolved, single spaces, lower case.

    Raises:
        InputError: ftfy is not installed.
    """
    try:
        import ftfy
    except ModuleNotFoundError as error:
        raise InputError(
            "CLIP's vocabulary", "ftfy is not installed", "ftfy", "pip install 'icl-reid[paper]'."
        ) from error
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(text.split()).lower()
