"""Images in memory: CLIP's normalisation, and the training augmentations of RDE on whole batches."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from icl.data.pictures import load_image
from icl.progress import progress

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Augmentation:
    """Draws of RDE's image augmentations for B images; applied to any part of them alike.

    Attributes:
        flip: (B,) bool. corners: (B, 2) top and left of the crop, of the padded image.
        boxes: (B, 4) top, left, rows, columns of the erased rectangle; no rows: none. pad: pixels on each side.
    """

    flip: Tensor
    corners: Tensor
    boxes: Tensor
    pad: int

    @classmethod
    def draw(cls, count: int, height: int, width: int, generator: torch.Generator) -> Augmentation:
        """Flip half; pad by 10 pixels at 384 rows (scaled to the height) and crop; erase in half a rectangle of 2 to 40 %."""
        pad = max(1, round(10 * height / 384))
        flip = torch.rand(count, generator=generator) < 0.5
        corners = torch.randint(0, 2 * pad + 1, (count, 2), generator=generator)
        boxes = [_rectangle(torch.rand(5, generator=generator).tolist(), height, width) for _ in range(count)]
        return cls(flip, corners, torch.tensor(boxes), pad)

    def part(self, share: slice) -> Augmentation:
        """The draws of some of the images."""
        return Augmentation(self.flip[share], self.corners[share], self.boxes[share], self.pad)

    def move(self, pixels: Tensor) -> Tensor:
        """Flip, pad with black and crop (B, 3, H, W) in [0, 1]."""
        _, _, h, w = pixels.shape
        pixels = torch.where(self.flip.to(pixels.device).view(-1, 1, 1, 1), pixels.flip(3), pixels)
        padded = torch.nn.functional.pad(pixels, (self.pad,) * 4)
        if not len(pixels):
            return pixels  # a process' share of a small batch
        return torch.stack([padded[k, :, y : y + h, x : x + w] for k, (y, x) in enumerate(self.corners.tolist())])

    def erase(self, pixels: Tensor) -> Tensor:
        """Fill the rectangles of normalised pixels with the mean."""
        out = pixels.clone()
        for k, (top, left, rows, columns) in enumerate(self.boxes.tolist()):
            out[k, :, top : top + rows, left : left + columns] = 0.0
        return out


def _rectangle(u: list[float], height: int, width: int) -> tuple[int, int, int, int]:
    """Top, left, rows and columns from five uniform draws; the first says whether there is a rectangle."""
    if u[0] >= 0.5:
        return 0, 0, 0, 0
    area, ratio = height * width * (0.02 + u[1] * 0.38), 0.3 * (3.3 / 0.3) ** u[2]
    rows, columns = min(height, round((area * ratio) ** 0.5)), min(width, round((area / ratio) ** 0.5))
    return int(u[3] * (height - rows + 1)), int(u[4] * (width - columns + 1)), rows, columns


class ImageStore:
    """Images of a benchmark, resized and kept in memory as uint8, so that no epoch decodes a file twice.

    Args:
        threads: files decoded side by side.
    """

    def __init__(self, root: Path, names: list[str], height: int, width: int, threads: int = 4) -> None:
        self.pixels = torch.empty(len(names), 3, height, width, dtype=torch.uint8)

        def read(k: int) -> None:
            self.pixels[k] = fitted(load_image(root / names[k]), height, width)

        with ThreadPoolExecutor(threads) as pool:
            for _ in progress(pool.map(read, range(len(names))), len(names), "reading images"):
                pass

    @classmethod
    def of(cls, pixels: Tensor) -> ImageStore:
        """Images (N, 3, H, W) uint8 that were read already."""
        store = cls.__new__(cls)
        store.pixels = pixels
        return store

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(
        self, rows: Tensor, augmentation: Augmentation | None = None, device: torch.device | str = "cpu"
    ) -> Tensor:
        """Normalised pixels (B, 3, H, W), augmented where draws are given; uint8 goes to the device, floats are made there."""
        pixels = self.pixels[rows].to(device, non_blocking=True).float() / 255
        if augmentation is not None:
            pixels = augmentation.move(pixels)
        pixels = normalise(pixels)
        return augmentation.erase(pixels) if augmentation is not None else pixels


def fitted(image: Image.Image, height: int, width: int) -> Tensor:
    """An RGB image at a model's size: (3, H, W) uint8."""
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def normalise(pixels: Tensor) -> Tensor:
    """CLIP's normalisation of (B, 3, H, W) in [0, 1]."""
    mean, std = (torch.tensor(v, device=pixels.device).view(3, 1, 1) for v in (MEAN, STD))
    return (pixels - mean) / std
