"""What a server gets of an image: no more pixels than the budget, in sides that its model takes as they are."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from functools import lru_cache
from pathlib import Path

from PIL import Image

from icl.data.pictures import load_image, within_aspect

GRID = 28
"""Pixels of one visual token's side in Qwen2-VL and Qwen2.5-VL: patches of 14, merged two by two."""
_LARGER = (re.compile(r"qwen-?_?3(?!\d)", re.IGNORECASE), 32)
"""The same of Qwen3-VL: patches of 16."""


def grid_of(*names: str) -> int:
    """Pixels of one visual token's side: of a local folder by its processor, of any other model by its name.

    Args:
        names: what the configuration and the server call the model (a name, a hub id, a path); the first that tells decides.
    """
    for name in names:
        for file in ("processor_config.json", "preprocessor_config.json"):
            try:
                found = json.loads((Path(name) / file).read_text())
                found = found.get("image_processor", found)
                return int(found["patch_size"]) * int(found["merge_size"])
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue
        if _LARGER[0].search(name):
            return _LARGER[1]
    return GRID


def shrunk(width: int, height: int, grid: int, max_pixels: int) -> tuple[int, int]:
    """The (width, height) that the model's own processor shrinks an image to, where it exceeds the budget; else its own.

    A server rounds both sides to its grid. An image that already lies on it stays as it is, so that the tokens are those of
    the transformers back-end. Where rounding alone keeps an image within the budget, the server does that as well.
    """
    if round(width / grid) * round(height / grid) * grid**2 <= max_pixels:
        return width, height
    scale = math.sqrt(height * width / max_pixels)
    width, height = (max(grid, math.floor(side / scale / grid) * grid) for side in (width, height))
    return width, height


@lru_cache(maxsize=4096)
def encoded_image(path: Path, max_pixels: int, grid: int = GRID) -> bytes:
    """PNG of an image within the budget."""
    image = within_aspect(load_image(path))
    size = shrunk(*image.size, grid, max_pixels)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BICUBIC)  # as the processors of these models do
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def data_uri(path: Path, max_pixels: int, grid: int = GRID) -> str:
    """The same as a data: address."""
    return f"data:image/png;base64,{base64.b64encode(encoded_image(path, max_pixels, grid)).decode()}"
