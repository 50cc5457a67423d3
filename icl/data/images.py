"""Images: reading, CLIP's normalisation, and the training augmentations of RDE on whole batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from icl.errors import InputError

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def load_image(path: Path) -> Image.Image:
    """Read an image as RGB.

    Raises:
        InputError: missing or unreadable; names the file.
    """
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError as error:
        raise InputError(str(path), "no such file", "an image", "Restore the image and run again.") from error
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(
            str(path), f"a corrupt image ({error})", "a readable JPEG or PNG", "Restore the image and run again."
        ) from error


class ImageStore:
    """Images of a benchmark, resized and kept in memory as uint8, so that no epoch decodes a file twice."""

    def __init__(self, root: Path, names: list[str], height: int, width: int) -> None:
        self.pixels = torch.empty(len(names), 3, height, width, dtype=torch.uint8)
        for k, name in enumerate(names):
            image = load_image(root / name)
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BILINEAR)
            self.pixels[k] = torch.from_numpy(np.array(image)).permute(2, 0, 1)

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, rows: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Normalised pixels (B, 3, H, W); augmented where a generator is given."""
        pixels = self.pixels[rows].float() / 255
        if generator is not None:
            pixels = flip_and_crop(pixels, generator)
        pixels = normalise(pixels)
        return erase(pixels, generator) if generator is not None else pixels


def normalise(pixels: Tensor) -> Tensor:
    """CLIP's normalisation of (B, 3, H, W) in [0, 1]."""
    return (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def flip_and_crop(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Random horizontal flip, zero padding of 10 pixels at 384 rows (scaled to the height), random crop."""
    b, _, h, w = pixels.shape
    pixels = torch.where((torch.rand(b, generator=generator) < 0.5).view(-1, 1, 1, 1), pixels.flip(3), pixels)
    pad = max(1, round(10 * h / 384))
    padded = torch.nn.functional.pad(pixels, (pad,) * 4)
    corners = torch.randint(0, 2 * pad + 1, (b, 2), generator=generator).tolist()
    return torch.stack([padded[k, :, y : y + h, x : x + w] for k, (y, x) in enumerate(corners)])


def erase(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Random erasing as in RDE: half of the images lose a rectangle of 2 to 40 % (scale), filled with the mean."""
    b, _, h, w = pixels.shape
    out = pixels.clone()
    for k in range(b):
        u = torch.rand(5, generator=generator).tolist()
        if u[0] >= 0.5:
            continue
        area, ratio = h * w * (0.02 + u[1] * 0.38), 0.3 * (3.3 / 0.3) ** u[2]
        rows, columns = min(h, round((area * ratio) ** 0.5)), min(w, round((area / ratio) ** 0.5))
        top, left = int(u[3] * (h - rows + 1)), int(u[4] * (w - columns + 1))
        out[k, :, top : top + rows, left : left + columns] = 0.0
    return out
