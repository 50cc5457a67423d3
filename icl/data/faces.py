"""No published picture shows a face: photographs become mosaics, and drawn pedestrians lose the rows of their heads.

No detector is asked where the faces are, so none can miss one. OpenCV's cascades and people detector, the only ones that a
package carries whole, found real faces seen from the front, but 57 % of the heads of drawn pedestrians who fill the frame and
87 % of smaller ones, for 160 MB and a second a picture.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

CELLS = 24
"""Cells of a photograph's mosaic along its longer side."""
CELL = 8
"""Pixels of a cell as shown."""
HEAD = 0.3
"""Rows of a drawn pedestrian's picture, as a share of its height, that hold the head under every camera of SynthPEDES."""
HEIGHT = 96


def masked(image: Image.Image, drawn: bool = False) -> np.ndarray:
    """A picture as it may be published, in its own aspect.

    A photograph becomes a mosaic of `CELLS` cells along its longer side, wherever the face is: a face that takes up to a third
    of that side has at most 9 x 9 cells, one of a person who fills the picture about 4. A larger face, of a portrait, keeps
    more, and clothes can tell who somebody is: neither is promised.

    Args:
        image: RGB. drawn: a pedestrian that this project drew, in a frame of its generator: only the head's rows are masked.

    Returns:
        (H, W, 3) uint8; H or W is `CELLS` x `CELL` for a photograph, H is `HEIGHT` for a drawn pedestrian.
    """
    return _without_head(image) if drawn else _mosaic(image)


def _mosaic(image: Image.Image) -> np.ndarray:
    longer = max(image.size)
    columns, rows = (max(1, round(side * CELLS / longer)) for side in image.size)
    return np.asarray(image.resize((columns, rows), Image.Resampling.BOX)).repeat(CELL, 0).repeat(CELL, 1)


def _without_head(image: Image.Image) -> np.ndarray:
    """The head's rows reduced to three cells across and two down."""
    image = image.resize((max(1, round(image.width * HEIGHT / image.height)), HEIGHT))
    bottom = round(HEAD * HEIGHT)
    head = image.crop((0, 0, image.width, bottom)).resize((3, 2), Image.Resampling.BOX)
    image.paste(head.resize((image.width, bottom), Image.Resampling.NEAREST), (0, 0))
    return np.asarray(image)
