"""No published picture shows a face: the rows of a pedestrian's picture where one can be are masked."""

from __future__ import annotations

import numpy as np
from PIL import Image

FACE = (0.0, 0.22)
"""Rows of a pedestrian's picture, as shares of its height, in which a face can be: these are masked."""
HEIGHT = 96
WIDEST = 8
"""Width by height of a shown picture, at most: wider ones are pressed together."""


def masked(image: Image.Image) -> np.ndarray:
    """The picture at a fixed height, with the head's rows reduced to three blocks across."""
    width = max(1, round(image.width * HEIGHT / image.height))
    image = image.resize((min(width, WIDEST * HEIGHT), HEIGHT))
    top, bottom = (round(share * HEIGHT) for share in FACE)
    head = image.crop((0, top, image.width, bottom)).resize((3, 2), Image.Resampling.BOX)
    image.paste(head.resize((image.width, bottom - top), Image.Resampling.NEAREST), (0, top))
    return np.asarray(image)
