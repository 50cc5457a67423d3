"""Read a picture file; what can be wrong with one ends in an InputError that names it. Neither torch nor pandas."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from icl.data.colours import as_shown
from icl.errors import InputError

MAX_PIXELS = 89_478_485
"""Pixels of an image at most: 268 MB as RGB, and Pillow's own bound."""
MAX_ASPECT = 200
"""Longer side by shorter side, at most: beyond it, image processors of Qwen-VL models give up."""
RESTORE = "Restore the image and run again."


def load_image(path: Path, content: BinaryIO | None = None) -> Image.Image:
    """Read a picture of any format and mode that Pillow decodes, as the RGB that a viewer shows (`colours.as_shown`).

    PostScript is refused: a program of its own would have to run it.

    Args:
        content: the file, where it is open already, or never was one; the path then only names it.

    Raises:
        InputError: missing, no file, not to be read, damaged, or of more than `MAX_PIXELS`; names the file.
    """
    path = Path(path)
    if content is None:
        require_file(path)
    try:
        with Image.open(path if content is None else content) as image:
            _require_size(path, image)
            if image.format == "EPS":
                raise InputError(str(path), "PostScript", "an image of pixels", "Convert it to PNG or JPEG.")
            shown = as_shown(image)
    except InputError:
        raise
    except PermissionError as error:
        raise _not_to_be_read(path) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path, str(error)) from error
    except Exception as error:  # damaged files make Pillow's readers raise whatever they meet
        what = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        raise InputError(str(path), f"a corrupt image ({what})", "a readable image", RESTORE) from error
    _require_size(path, shown)
    return shown


def require_file(path: Path) -> None:
    """That a path is a plain file: a pipe or a device would be read for ever.

    Raises:
        InputError: it is not, or may not be looked at.
    """
    try:
        mode = path.stat().st_mode
    except PermissionError as error:
        raise _not_to_be_read(path) from error
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise InputError(str(path), "no such file", "an image", RESTORE) from error
    if not stat.S_ISREG(mode):
        raise InputError(str(path), "a folder" if stat.S_ISDIR(mode) else "no plain file", "an image file", RESTORE)


def _require_size(path: Path, image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(path, f"{image.width} x {image.height} pixels")
    if not image.width or not image.height:
        raise InputError(str(path), f"{image.width} x {image.height} pixels", "at least one pixel", RESTORE)


def _too_large(path: Path, found: str) -> InputError:
    return InputError(str(path), found, f"at most {MAX_PIXELS:,} pixels", "Scale the image down.")


def _not_to_be_read(path: Path) -> InputError:
    return InputError(str(path), "a file that may not be read", "an image", "Give this user the right to read it.")


def within_aspect(image: Image.Image) -> Image.Image:
    """The image, its longer side pressed together where it is more than `MAX_ASPECT` times the shorter one."""
    limit = MAX_ASPECT * min(image.size)
    if max(image.size) <= limit:
        return image
    return image.resize((min(image.width, limit), min(image.height, limit)))
