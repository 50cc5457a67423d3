"""Pictures as people have them: every mode and format that Pillow writes, and what is no picture at all."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from icl.data import pictures
from icl.data.faces import CELL, CELLS, masked
from icl.data.images import ImageStore
from icl.data.pictures import MAX_ASPECT, MAX_PIXELS, load_image, within_aspect
from icl.data.verify import inspect_image
from icl.errors import InputError
from icl.mllm.backends.pictures import encoded_image

Image.init()
WIDTH, HEIGHT_ = 40, 20
GREY = np.tile(np.linspace(0, 255, WIDTH).round().astype(np.uint8), (HEIGHT_, 1))
RGB = np.stack([GREY, GREY[:, ::-1], np.full_like(GREY, 60)], 2)
BLOCKS = np.where(np.indices(GREY.shape).sum(0) // 10 % 2, 255, 0).astype(np.uint8)
ALPHA = np.where(np.arange(HEIGHT_)[:, None] < 10, 255, 64).repeat(WIDTH, 1).astype(np.uint8)
INDEX = (np.arange(WIDTH) // 10).astype(np.uint8)[None].repeat(HEIGHT_, 0)
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 200, 90]], dtype=np.uint8)
LOSSY = {"JPEG": 8, "MPO": 8, "WEBP": 8, "AVIF": 8, "GIF": 8, "BLP": 1}


def grey(values):
    return np.stack([values] * 3, 2)


def on_white(colours):
    share = ALPHA[..., None] / 255
    return colours * share + 255 * (1 - share)


def palette_image():
    image = Image.fromarray(INDEX).convert("P")
    image.putdata(INDEX.ravel().tolist())
    image.putpalette(COLOURS.ravel().tolist())
    return image


def with_alpha(mode):
    return Image.merge(mode, [*Image.fromarray(RGB if mode == "RGBA" else GREY).split(), Image.fromarray(ALPHA)])


def of_mode(mode):
    """(image of the mode, the RGB that a viewer shows)."""
    colours = Image.fromarray(RGB)
    deep = GREY.astype(np.uint16) * 257
    return {
        "1": lambda: (Image.fromarray(BLOCKS).convert("1"), grey(BLOCKS)),
        "L": lambda: (Image.fromarray(GREY), grey(GREY)),
        "P": lambda: (palette_image(), COLOURS[INDEX]),
        "RGB": lambda: (colours, RGB),
        "RGBX": lambda: (colours.convert("RGBX"), RGB),
        "CMYK": lambda: (colours.convert("CMYK"), RGB),
        "YCbCr": lambda: (colours.convert("YCbCr"), RGB),
        "HSV": lambda: (colours.convert("HSV"), RGB),
        "LA": lambda: (with_alpha("LA"), on_white(grey(GREY))),
        "RGBA": lambda: (with_alpha("RGBA"), on_white(RGB)),
        "I;16": lambda: (Image.fromarray(deep), grey(GREY)),
        "I;16B": lambda: (Image.frombytes("I;16B", (WIDTH, HEIGHT_), deep.astype(">u2").tobytes()), grey(GREY)),
        "I": lambda: (Image.fromarray(deep.astype(np.int32)), grey(GREY)),
        "F": lambda: (Image.fromarray(GREY.astype(np.float32) / 255), grey(GREY)),
    }[mode]()


MODES = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV", "LA", "RGBA", "I;16", "I;16B", "I", "F")
DEEP = {"I;16": ("PNG", "TIFF", "IM", "JPEG2000", "PPM"), "I;16B": ("PNG", "TIFF", "IM"), "I": ("TIFF", "IM", "PPM")}
DEEP["F"] = ("TIFF", "IM", "SPIDER", "PPM")
"""Formats that keep these modes: the others write what is above 255 as white themselves."""
NOT_READ = {"PDF", "EPS", "PALM", "GRIB", "BUFR", "HDF5", "WMF", "ICNS"}
"""No pictures, or none that Pillow reads back; ICNS is drawn at other sizes."""
FLATTENED = {("BMP", "RGBA"), ("DIB", "RGBA"), ("PPM", "RGBA"), ("GIF", "RGBA"), ("GIF", "LA")}
"""Pillow's writers drop the alpha, or make it all or nothing."""


def written(form, mode):
    image, _ = of_mode(mode)
    out = io.BytesIO()
    more = {"sizes": [(WIDTH, HEIGHT_)]} if form == "ICO" else {}
    more |= {"irreversible": False} if form == "JPEG2000" else {}
    image.save(out, form, **more)
    return out.getvalue()


def can_write(form, mode):
    if mode in DEEP and form not in DEEP[mode] or form == "SPIDER" and mode not in ("1", "L", "F"):
        return False
    try:
        return bool(written(form, mode))
    except (OSError, ValueError, KeyError, TypeError):  # what Pillow's writers raise for modes that a format lacks
        return False


CASES = [
    (f, m) for f in sorted(set(Image.SAVE) - NOT_READ) for m in MODES if (f, m) not in FLATTENED and can_write(f, m)
]


def put(folder, content, name="picture"):
    (folder / name).write_bytes(content)
    return folder / name


def test_the_walk_covers_the_formats_and_modes():
    assert len(CASES) > 90 and {m for _, m in CASES} == set(MODES)
    assert {"PNG", "JPEG", "TIFF", "GIF", "BMP", "PPM", "TGA", "WEBP"} <= {f for f, _ in CASES}


@pytest.mark.parametrize(("form", "mode"), CASES, ids=[f"{f}-{m}" for f, m in CASES])
def test_colours_are_those_of_the_file(form, mode, tmp_path):
    found = np.asarray(load_image(put(tmp_path, written(form, mode)))).astype(float)
    expected = of_mode(mode)[1]
    assert found.shape == expected.shape
    limit = LOSSY.get(form, 0) + {"YCbCr": 4, "HSV": 6}.get(mode, 1) + 40 * (mode == "1" and form in LOSSY)
    assert np.abs(found - expected).mean() <= limit, (found[0, ::8], expected[0, ::8])


def tiff(bits, photometric, values, samples=1, order="<", kind=1):
    """An uncompressed TIFF of one strip; `values` are its bytes."""
    tags = {256: (3, [WIDTH]), 257: (3, [HEIGHT_]), 258: (3, [bits] * samples), 259: (3, [1]), 262: (3, [photometric])}
    tags |= {277: (3, [samples]), 278: (3, [HEIGHT_]), 279: (4, [len(values)]), 339: (3, [kind] * samples)}
    start = 8 + 2 + 12 * (len(tags) + 1) + 4
    extra, entries = b"", b""
    for tag in sorted([*tags, 273]):
        form, numbers = tags.get(tag, (4, [None]))
        if numbers == [None]:
            entries += struct.pack(order + "HHI", tag, 4, 1) + b"STRP"
            continue
        raw = b"".join(struct.pack(order + {3: "H", 4: "I"}[form], n) for n in numbers)
        if len(raw) > 4:
            raw, extra = struct.pack(order + "I", start + len(extra)), extra + raw
        entries += struct.pack(order + "HHI", tag, form, len(numbers)) + raw.ljust(4, b"\0")
    entries = entries.replace(b"STRP", struct.pack(order + "I", start + len(extra)))
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, len(tags) + 1)
    return head + entries + b"\0\0\0\0" + extra + values


def twelve_bits(values):
    flat = values.astype(int).ravel()
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return b"".join(bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255]) for a, b in pairs)


def png(depth, colour, rows, *chunks, size=(WIDTH, HEIGHT_)):
    """A PNG from its raw rows, with further chunks before them."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + b"".join(chunk(*c) for c in chunks)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def rows_of(values):
    return b"".join(b"\0" + row.tobytes() for row in values)


def floats(values):
    out = io.BytesIO()
    Image.fromarray(np.asarray(values, dtype=np.float32)).save(out, "TIFF")
    return out.getvalue()


def integers(values):
    out = io.BytesIO()
    Image.fromarray(np.asarray(values, dtype=np.int32)).save(out, "TIFF")
    return out.getvalue()


def netpbm(kind, top, values):
    return f"{kind}\n{WIDTH} {HEIGHT_}\n{top}\n".encode() + values.astype(">u2").tobytes()


WIDE = GREY.astype(np.uint16) * 257
RGB16 = RGB.astype(np.uint16) * 257
HOLED = np.where(np.indices(GREY.shape)[0] == 0, np.nan, GREY / 255)
DARK = np.full(GREY.shape, 255, np.uint16)
TENTH = (GREY.astype(int) * 1023 // 255).astype(np.uint16)
RANGES = {
    "PNG, 16-bit grey": (png(16, 0, rows_of(WIDE.astype(">u2"))), grey(GREY)),
    "PNG, 16-bit colours": (png(16, 2, rows_of(RGB16.astype(">u2"))), RGB),
    "PNG, 16-bit grey and alpha": (
        png(16, 4, rows_of(np.stack([WIDE, ALPHA.astype(np.uint16) * 257], 2).astype(">u2"))),
        on_white(grey(GREY)),
    ),
    "PNG, 16-bit colours and alpha": (
        png(16, 6, rows_of(np.concatenate([RGB16, ALPHA[..., None].astype(np.uint16) * 257], 2).astype(">u2"))),
        on_white(RGB),
    ),
    "PNG, 16-bit grey, dark as it is": (png(16, 0, rows_of(DARK.astype(">u2"))), grey(np.ones_like(GREY))),
    "PNG, grey with a transparent value": (
        png(8, 0, rows_of(GREY), (b"tRNS", b"\0\0")),
        grey(np.where(GREY, GREY, 255)),
    ),
    "PNG, palette with alpha": (
        png(8, 3, rows_of(INDEX), (b"PLTE", COLOURS.tobytes()), (b"tRNS", bytes([0, 255]))),
        np.where(INDEX[..., None] == 0, 255, COLOURS[INDEX]),
    ),
    "PNG, colours with a transparent one": (
        png(8, 2, rows_of(COLOURS[INDEX]), (b"tRNS", struct.pack(">HHH", 255, 0, 0))),
        np.where(INDEX[..., None] == 0, 255, COLOURS[INDEX]),
    ),
    "TIFF, 16 bits": (tiff(16, 1, WIDE.tobytes()), grey(GREY)),
    "TIFF, 16 bits, big-endian": (tiff(16, 1, WIDE.astype(">u2").tobytes(), order=">"), grey(GREY)),
    "TIFF, 16 bits, zero is white": (tiff(16, 0, (65535 - WIDE).tobytes()), grey(GREY)),
    "TIFF, 8 bits, zero is white": (tiff(8, 0, (255 - GREY).tobytes()), grey(GREY)),
    "TIFF, 12 bits": (tiff(12, 1, twelve_bits(GREY.astype(int) * 4095 // 255)), grey(GREY)),
    "TIFF, 16-bit colours": (tiff(16, 2, RGB16.tobytes(), samples=3), RGB),
    "TIFF, 16-bit colours, big-endian": (tiff(16, 2, RGB16.astype(">u2").tobytes(), samples=3, order=">"), RGB),
    "TIFF, signed 16 bits": (tiff(16, 1, WIDE.astype(np.int32).clip(0, 32767).astype("<i2").tobytes(), kind=2), None),
    "TIFF, floats to 1": (floats(GREY / 255), grey(GREY)),
    "TIFF, floats to 255": (floats(GREY), grey(GREY)),
    "TIFF, floats to 65535": (floats(WIDE), grey(GREY)),
    "TIFF, floats with highlights": (floats(np.where(GREY == 255, 1.4, GREY / 255)), grey(GREY)),
    "TIFF, negative floats": (floats(GREY / 255 - 0.5), grey(GREY)),
    "TIFF, floats above all ranges": (floats(GREY * 1e6), grey(GREY)),
    "TIFF, NaN is black": (floats(HOLED), grey(np.where(np.isnan(HOLED), 0, GREY))),
    "TIFF, infinite is white": (floats(np.where(GREY == 255, np.inf, GREY / 255)), grey(GREY)),
    "TIFF, nothing but NaN": (floats(np.full(GREY.shape, np.nan)), grey(np.zeros_like(GREY))),
    "TIFF, integers to 255": (integers(GREY), grey(GREY)),
    "TIFF, integers to 65535": (integers(WIDE), grey(GREY)),
    "TIFF, integers above": (integers(GREY.astype(np.int64) * 8_000_000), grey(GREY)),
    "TIFF, equal integers": (integers(np.full(GREY.shape, 10**9)), grey(np.full_like(GREY, 255))),
    "PGM of 10 bits": (netpbm("P5", 1023, TENTH), grey(GREY)),
    "PGM of 16 bits": (netpbm("P5", 65535, WIDE), grey(GREY)),
    "PPM of 16 bits": (netpbm("P6", 65535, RGB16), RGB),
    "plain PGM": (f"P2 2 1 255 {200} {3}".encode(), grey(np.array([[200, 3]]))),
    "BMP with a palette": (None, COLOURS[INDEX]),
}


@pytest.mark.parametrize("name", RANGES)
def test_depths_and_transparent_values_are_read_over_their_range(name, tmp_path):
    content, expected = RANGES[name]
    if content is None:
        out = io.BytesIO()
        palette_image().save(out, "BMP")
        content = out.getvalue()
    found = np.asarray(load_image(put(tmp_path, content))).astype(float)
    if expected is None:
        assert found.min() == 0 and 100 < found.max() < 255, "half of an unsigned range"
    else:
        assert np.abs(found - expected).max() <= 1.01


def test_lab_is_shown_as_its_colours(tmp_path):
    lab = np.stack([GREY, np.zeros_like(GREY), np.zeros_like(GREY)], 2)  # signed in the file
    Image.frombytes("LAB", (WIDTH, HEIGHT_), lab.tobytes()).save(tmp_path / "lab.tif")
    found = np.asarray(load_image(tmp_path / "lab.tif")).astype(int)
    assert np.abs(found - found.mean(2, keepdims=True)).max() <= 3, "a = b = 0 is grey"
    assert found[0, 0].max() <= 2 and found[0, -1].min() >= 253 and (np.diff(found[0, :, 0]) >= 0).all()


CORNERS = np.zeros((HEIGHT_, WIDTH, 3), np.uint8)
CORNERS[:10, :20], CORNERS[:10, 20:], CORNERS[10:, :20] = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(form, orientation, tmp_path):
    turns = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 6: lambda a: np.rot90(a, 1)}
    turns |= {
        5: lambda a: a.transpose(1, 0, 2),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(np.ascontiguousarray(turns[orientation](CORNERS))).save(tmp_path / "x", form, exif=exif)
    found = np.asarray(load_image(tmp_path / "x")).astype(int)
    assert found.shape == CORNERS.shape
    for y, x in ((4, 8), (4, 32), (15, 8), (15, 32)):
        assert np.abs(found[y, x] - CORNERS[y, x]).max() < 60


@pytest.mark.parametrize("exif", [b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0" + bytes(range(200)), b"Exif\0\0", b"x"])
def test_damaged_exif_does_not_lose_the_picture(exif, tmp_path):
    Image.fromarray(RGB).save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(load_image(tmp_path / "x.png"), RGB)


def swapped_profile():
    """sRGB with red and green changing places, under another name."""
    raw = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    raw = raw.replace(b"rXYZ", b"????", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"????", b"gXYZ", 1)
    return raw.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


def test_an_icc_profile_counts_and_a_broken_one_does_not(tmp_path):
    red = Image.new("RGB", (8, 8), (250, 10, 10))
    red.save(tmp_path / "swapped.png", icc_profile=swapped_profile())
    assert np.abs(np.asarray(load_image(tmp_path / "swapped.png"))[0, 0].astype(int) - (10, 250, 10)).max() <= 3
    with_alpha = Image.merge("RGBA", [*red.split(), Image.new("L", (8, 8), 255)])
    with_alpha.save(tmp_path / "alpha.png", icc_profile=swapped_profile())
    assert np.asarray(load_image(tmp_path / "alpha.png"))[0, 0, 1] > 240
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (b"no profile", srgb[:100], srgb[:-30], srgb):
        red.save(tmp_path / "x.png", icc_profile=profile)
        assert np.array_equal(load_image(tmp_path / "x.png"), red)
    Image.fromarray(GREY).save(tmp_path / "grey.png", icc_profile=swapped_profile())
    assert np.array_equal(load_image(tmp_path / "grey.png"), grey(GREY)), "a profile of another mode"


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
def test_the_first_frame_of_a_film_is_shown(form, tmp_path):
    if form not in Image.SAVE_ALL:
        pytest.skip(f"this Pillow writes no {form} of several frames")
    first, *others = (Image.new("RGB", (16, 16), colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250)))
    first.save(tmp_path / "film", form, save_all=True, append_images=others)
    assert np.abs(np.asarray(load_image(tmp_path / "film"))[8, 8].astype(int) - (250, 0, 0)).max() < 10


def bomb_png(width, height):
    return png(8, 2, b"", size=(width, height))


def bmp_head(width, height):
    return (
        b"BM" + struct.pack("<IHHI", 1000, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *[0] * 6)
    )


def long_text():
    return png(8, 0, rows_of(GREY), (b"zTXt", b"note\0\0" + zlib.compress(b"x" * 50_000_000)))


def big_text():
    return png(8, 0, rows_of(GREY), *[(b"tEXt", b"k%d\0" % k + b"x" * 1_000_000) for k in range(70)])


SOME_PNG = png(8, 0, rows_of(GREY))
NO_PICTURES = {
    "200 megapixels of nothing": (bomb_png(20_000, 10_000), "at most 89,478,485 pixels"),
    "4 gigapixels of nothing": (bomb_png(65_535, 65_535), "at most 89,478,485 pixels"),
    "100 megapixels, of which Pillow only warns": (bomb_png(10_000, 10_000), "10000 x 10000 pixels"),
    "a bitmap that claims 4 gigapixels": (bmp_head(65_000, 65_000), "at most 89,478,485 pixels"),
    "a bitmap that claims 25 megapixels in 54 bytes": (bmp_head(5000, 5000), "corrupt"),
    "a bitmap of no rows": (bmp_head(5, 0), "pixel|corrupt"),
    "a PNG of no columns": (bomb_png(0, 10), "pixel|corrupt"),
    "compressed text of 50 MB in a PNG": (long_text(), "corrupt"),
    "70 MB of text in a PNG": (big_text(), "corrupt"),
    "no bytes": (b"", "corrupt"),
    "one byte": (b"\x89", "corrupt"),
    "a text": (b"a man in a red coat", "corrupt"),
    "a web page": (b"<html>404 not found</html>", "corrupt"),
    "an SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "corrupt"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "corrupt"),
    "a PDF": (b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n", "corrupt"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", "PostScript"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "pixel|corrupt"),
    "a HEIC that this Pillow does not read": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50), "corrupt"),
    "a PNG with a wrong checksum": (SOME_PNG[:-20] + b"\xff\xff" + SOME_PNG[-18:], "corrupt"),
    "a PNG cut in its header": (SOME_PNG[:20], "corrupt"),
    "zeros": (bytes(5000), "corrupt"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture_is_refused_by_name(name, tmp_path):
    content, what = NO_PICTURES[name]
    path = put(tmp_path, content, "odd.png")
    with pytest.raises(InputError, match=what) as refused:
        load_image(path)
    assert refused.value.where == str(path) and refused.value.remedy
    assert inspect_image(path) == ("", refused.value.found)


@pytest.mark.parametrize("form", sorted({f for f, m in CASES if m in ("L", "RGB", "1")}))
def test_half_a_file_is_refused_or_whole(form, tmp_path):
    mode = next(m for f, m in CASES if f == form and m in ("L", "RGB", "1"))
    content = written(form, mode)
    for share in (0.1, 0.5, 0.9):
        path = put(tmp_path, content[: int(len(content) * share)])
        try:
            found = load_image(path)
        except InputError as error:
            assert str(path) in str(error)
        else:
            assert found.mode == "RGB" and found.size == (WIDTH, HEIGHT_)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM"])
def test_half_of_a_common_file_is_refused(form, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, form)
    with pytest.raises(InputError, match="corrupt"):
        load_image(put(tmp_path, out.getvalue()[: len(out.getvalue()) // 2]))


def test_what_is_no_file_is_refused_by_name(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    cases = {"": "a folder", "gone.jpg": "no such file", "pipe": "no plain file", "loop": "no such file"}
    cases |= {
        "x" * 300: "no such file",
        "a\0b": "no such file",
        "gone/x.jpg": "no such file",
        "/dev/zero": "no plain file",
    }
    for name, what in cases.items():
        with pytest.raises(InputError, match=what):
            load_image(tmp_path / name)


def test_a_file_that_may_not_be_read_is_named(tmp_path):
    path = put(tmp_path, SOME_PNG)
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # nobody
    try:
        with pytest.raises(InputError, match="may not be read"):
            load_image(path)
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 150), (1, 200), (1, 201), (201, 1), (1, 5000), (70_000, 2), (1, 1_000_000)]
)
def test_thin_pictures_pass_everywhere(size, tmp_path):
    Image.new("RGB", size, (200, 30, 30)).save(tmp_path / "thin.png")
    image = load_image(tmp_path / "thin.png")
    assert image.size == size
    width, height = within_aspect(image).size
    assert max(width, height) <= MAX_ASPECT * min(width, height)
    assert max(size) > MAX_ASPECT * min(size) or (width, height) == size
    assert max(masked(image).shape) == CELLS * CELL
    sent = Image.open(io.BytesIO(encoded_image(tmp_path / "thin.png", 3136)))
    assert max(sent.size) <= MAX_ASPECT * min(sent.size) and sent.width * sent.height <= 3136
    assert ImageStore(tmp_path, ["thin.png"], 24, 8).pixels.shape == (1, 3, 24, 8)


def test_qwens_processor_takes_thin_pictures(tmp_path):
    from transformers import Qwen2VLImageProcessor

    process = Qwen2VLImageProcessor()
    for size in ((1, 1), (1, 5000), (3000, 7)):
        thin = Image.new("RGB", size)
        if max(size) > MAX_ASPECT * min(size):
            with pytest.raises(ValueError, match="aspect ratio"):
                process([thin], return_tensors="pt")
        assert len(process([within_aspect(thin)], return_tensors="pt")["pixel_values"])


def test_a_bad_picture_among_many_is_named_from_the_threads(tmp_path):
    names = [f"{k}.png" for k in range(40)]
    for name in names:
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    put(tmp_path, SOME_PNG[:60], names[23])
    with pytest.raises(InputError, match=r"23\.png: found a corrupt image"):
        ImageStore(tmp_path, names, 8, 8)


SEEDS = [written(form, mode) for form, mode in CASES]
SEEDS += [content for content, _ in RANGES.values() if content] + [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"]


@st.composite
def damaged(draw):
    """A picture of some format with bytes flipped, taken out and put in, and perhaps cut off."""
    content = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        near = draw(st.booleans())  # half of the damage is in the header, where sizes and types are
        place = draw(st.integers(0, max(0, min(len(content), 64 if near else 10**6) - 1)))
        kind = draw(st.sampled_from(["flip", "set", "insert", "delete", "cut", "copy"]))
        if kind == "flip" and content:
            content[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "set" and content:
            content[place : place + 4] = draw(st.sampled_from([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"]))
        elif kind == "insert":
            content[place:place] = draw(st.binary(min_size=1, max_size=8))
        elif kind == "delete":
            del content[place : place + draw(st.integers(1, 32))]
        elif kind == "cut":
            del content[place:]
        else:
            content += content[place : place + 100]
    return bytes(content)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=damaged())
def test_any_bytes_give_a_picture_or_an_input_error(content, tmp_path_factory):
    path = put(tmp_path_factory.getbasetemp(), content, "fuzzed")
    try:
        found = load_image(path)
    except InputError as error:
        assert error.where == str(path) and error.found and error.expected and error.remedy
    else:
        assert found.mode == "RGB" and found.width and found.height
        assert found.width * found.height <= MAX_PIXELS


@pytest.fixture(autouse=True)
def small_bound(request, monkeypatch):
    """Damaged headers claim large pictures: the limit is lowered, so that the test does not spend its time on zeros."""
    if request.node.name.startswith("test_any_bytes"):
        monkeypatch.setattr(pictures, "MAX_PIXELS", 2_000_000)
