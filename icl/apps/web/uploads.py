"""A picture that a person sends: decoded within bounds, kept small and in memory alone.

What a picture claims to be is not looked at, only what it is. Its head tells the number of pixels before any of them is
decoded, so that a small file that unfolds to gigabytes is refused; JPEGs are decoded at a fraction of their size.
"""

from __future__ import annotations

import io
import threading

import numpy as np
from PIL import Image

from icl.data.colours import as_shown
from icl.data.pictures import MAX_ASPECT
from icl.errors import InputError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
LONGEST = 1024
"""Pixels of the longer side that are kept: any retriever here takes fewer."""
PIXELS = {"JPEG": 80_000_000}
"""Pixels at most; a JPEG of that size is decoded at an eighth of its sides."""
OTHER_PIXELS = 24_000_000
_ONE_AT_A_TIME = threading.Lock()
"""Several at once would add up to more memory than one is bounded by."""


def read_photo(content: bytes) -> Image.Image:
    """The picture as RGB, upright, its longer side at most `LONGEST`.

    Raises:
        InputError: no such picture, a broken one, or one of too many pixels.
    """
    with _ONE_AT_A_TIME:
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                _require_size(image)
                image.draft("RGB", (LONGEST, LONGEST))  # JPEG only; others ignore it
                shown = as_shown(image)
                shown.thumbnail((LONGEST, LONGEST))
        except InputError:
            raise
        except Image.DecompressionBombError as error:  # Pillow looks at the head, too
            found = "a picture of far too many pixels"
            raise InputError("photo", found, f"at most {OTHER_PIXELS:,} pixels", "Scale it down.") from error
        except Exception as error:  # Pillow's readers raise whatever a damaged file makes them meet
            found = "a file that is no picture, or a broken one"
            raise InputError("photo", found, f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}", "Send another.") from error
    return Image.fromarray(np.asarray(shown))  # pixels alone: nothing that its file tells of place and time


def _require_size(image: Image.Image) -> None:
    limit = PIXELS.get(image.format or "", OTHER_PIXELS)
    found = f"{image.width} x {image.height} pixels"
    if image.width * image.height > limit:
        raise InputError("photo", found, f"at most {limit:,} pixels", "Scale it down.")
    if not image.width or not image.height or max(image.size) > MAX_ASPECT * min(image.size):
        raise InputError("photo", found, f"sides of at most 1 to {MAX_ASPECT}", "Cut it to the person.")
