"""An image of any mode that Pillow decodes, as the 8-bit RGB that a viewer shows.

Pillow's own `convert("RGB")` clips 16-bit values at 255, truncates floats, drops alpha and knows no LAB.
"""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any, cast

import numpy as np
from PIL import Image, ImageCms, ImageOps

PAGE = (255, 255, 255)
"""What is seen through transparent pixels."""
RANGES = (255, 65535)
"""Ranges that integers of 32 bits, and floats above 1, are taken to have: the first that holds them all."""
UNIT = 1.5
"""Floats up to here have the range 0 to 1: what resampling or highlights add above 1 is clipped."""
BITS_PER_SAMPLE, PHOTOMETRIC = 258, 262  # TIFF tags


def as_shown(image: Image.Image) -> Image.Image:
    """The first frame of an open image as RGB, in the orientation that its EXIF data give.

    Integers of up to 16 bits keep the range of their type. For integers of 32 bits and floats, whose range no file states,
    see `_range`. Transparent pixels lie on white. Colours under an ICC profile, or in LAB, become sRGB; a profile that
    cannot be read is left aside, as are EXIF data that cannot be.
    """
    image.load()
    tags, profile = getattr(image, "tag_v2", {}), image.info.get("icc_profile")
    _turn_upright(image)
    if image.mode.startswith("I") or image.mode == "F":
        return _of_deep(image, image.format, tags)
    if not image.has_transparency_data:
        return _to_rgb(image, profile)
    image = image.convert("RGBA")
    page = Image.new("RGB", image.size, PAGE)
    page.paste(_to_rgb(image.convert("RGB"), profile), mask=image.getchannel("A"))
    return page


def _turn_upright(image: Image.Image) -> None:
    """In place, which spares large pictures a copy."""
    with suppress(Exception):  # damaged metadata raise whatever their parser meets; the pixels are whole
        ImageOps.exif_transpose(image, in_place=True)


def _of_deep(image: Image.Image, form: str | None, tags: Any) -> Image.Image:
    """Grey of more than 8 bits: white is the upper end of its range."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=np.inf, neginf=-np.inf)
    low, high = _range(image.mode, form, tags, values[np.isfinite(values)])
    grey = np.rint((np.clip(values, low, high) - low) * (255 / (high - low))).astype(np.uint8)
    if tags.get(PHOTOMETRIC) == 0:  # TIFF: zero is white
        grey = 255 - grey
    return Image.fromarray(grey).convert("RGB")


def _range(mode: str, form: str | None, tags: Any, values: np.ndarray) -> tuple[float, float]:
    """(black, white) of a grey image of more than 8 bits.

    16 bits: that of the type (12 in a TIFF that says so). Else the smallest of 0 to 1 (floats), 0 to 255 and 0 to 65535 that
    holds all values; beyond these, and with negative values, from the lowest value (at most 0) to the highest.
    """
    if mode != "I" and mode != "F":
        return 0, 2 ** int(tags.get(BITS_PER_SAMPLE, (16,))[0]) - 1
    if form in ("PNG", "PPM") and mode == "I":
        return 0, 65535
    low, high = (min(0.0, float(values.min())), float(values.max())) if values.size else (0.0, 1.0)
    if low == 0:
        if mode == "F" and high <= UNIT:
            return 0, 1
        high = next((limit for limit in RANGES if high <= limit), high)
    return low, max(high, low + 1)


def _to_rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Opaque 8-bit colours as sRGB."""
    if image.mode == "LAB":
        found = ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), _srgb(), outputMode="RGB")
        return cast(Image.Image, found)  # None only where it works in place
    if image.mode not in ("L", "CMYK"):
        image = image.convert("RGB")
    managed = _managed(image, profile) if profile else None
    return managed or image.convert("RGB")


def _managed(image: Image.Image, profile: bytes) -> Image.Image | None:
    """The colours of another profile than sRGB in sRGB; None where the profile is sRGB, unreadable, or of another mode."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return None
        return ImageCms.profileToProfile(image, source, _srgb(), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


def _srgb() -> ImageCms.core.CmsProfile:
    """A profile of its own for each image: threads share none."""
    return ImageCms.createProfile("sRGB")
