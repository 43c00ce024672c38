"""One picture: read from a file or from bytes, turned upright, as 8-bit RGB or luminance.

Pillow's modes become 8-bit RGB by these rules (1 channel: the luma of that, 0.299 R + 0.587 G + 0.114 B):

1, L, RGB, YCbCr, HSV   as Pillow converts them
LA, RGBA, RGBX, La, RGBa, P, PA   the stored colours; alpha and transparency are dropped, palettes looked up
CMYK                    R = 255 - min(255, C + K) and so on, without colour profiles
I;16 (all byte orders)  grey of 9 to 16 bits: v >> (bits - 8); inverted where TIFF says that 0 is white
I from PNG and PPM      16-bit grey in a wider container: v >> 8
I elsewhere, F, LAB, others   refused: no fixed range, or no rule

Of several frames or pages the first is read. The EXIF orientation is applied where it is one of 1..8; any other value,
and EXIF data that cannot be read, are ignored. PNG files are held against their check sums and their size, which
Pillow skips.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from musiclib.datasets.png import check_pixels
from musiclib.datasets.sources import DatasetUnusable, one_line, read_file, shown

Image.init()
# Formats that begin with a signature of their own. Pillow knows others, some of which take any bytes for an image (TGA)
# or start programs (EPS), whatever the file is called.
FORMATS = ("JPEG", "MPO", "PNG", "BMP", "WEBP", "PPM", "GIF", "TIFF", "JPEG2000", "AVIF")
FORMATS = tuple(name for name in FORMATS if name in Image.OPEN)
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"),
    *(".gif", ".tif", ".tiff", ".jp2", ".j2k", ".avif"),
)
SUFFIXES = tuple(suffix for suffix in SUFFIXES if Image.EXTENSION.get(suffix) in FORMATS)
PLAIN = ("1", "L", "LA", "La", "RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "CMYK", "YCbCr", "HSV")
ORIENTATION, BITS_PER_SAMPLE, PHOTOMETRIC = 0x0112, 258, 262  # tags of EXIF and TIFF
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Source = Path | bytes | tuple[str, bytes]
"""A file, an encoded picture, or an encoded picture with a name to call it by."""


def open_image(source: Source, mode: str = "RGB") -> Image.Image:
    """Read one picture whole, turn it upright, convert it to `mode` ('RGB' or 'L'); DatasetUnusable that names it when
    it cannot be decoded."""
    with decoding(source), opened(source) as image:
        return upright(image, mode)


@contextlib.contextmanager
def decoding(source: Source) -> Iterator[None]:
    """Whatever goes wrong in the block becomes a DatasetUnusable in one line, with the name of the picture."""
    try:
        yield
    except DatasetUnusable:
        raise
    except Exception as error:
        words = f"it has none of the formats {', '.join(FORMATS)}"
        words = words if isinstance(error, UnidentifiedImageError) else one_line(error)
        raise DatasetUnusable(f"{name_of(source)} cannot be decoded as an image: {words}") from error


def name_of(source: Source) -> str:
    """What a picture is called in messages."""
    if isinstance(source, bytes):
        return f"an encoded image of {len(source)} bytes"
    return shown(source[0] if isinstance(source, tuple) else source)


@contextlib.contextmanager
def opened(source: Source) -> Iterator[Image.Image]:
    """The picture with its size and mode known and its pixels not yet decoded."""
    if isinstance(source, Path):
        content = read_file(source)
    else:
        content = source if isinstance(source, bytes) else source[1]
    with warnings.catch_warnings():
        # What Pillow has to say about odd metadata would come once from every process and never name the file.
        warnings.filterwarnings("ignore", module="PIL")
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.format == "PNG":
                image.verify()  # reads the check sums of all chunks and leaves the image unusable
                check_pixels(content)
            else:
                yield image
                return
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            yield image


def upright(image: Image.Image, mode: str = "RGB") -> Image.Image:
    """The pixels of an opened picture, turned as its EXIF orientation says, in `mode`. ValueError for a mode without a
    rule."""
    image.load()
    turn = TURNS.get(orientation(image))
    flat = _eight_bits(image, mode)
    return flat if turn is None else flat.transpose(turn)


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where it is missing or damaged.

    Before the pixels are loaded it says what is to be done for JPEG only: TIFF files Pillow turns itself on loading.
    """
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _eight_bits(image: Image.Image, mode: str) -> Image.Image:
    found = image.mode
    if found.startswith("I;16") or (found == "I" and image.format in ("PNG", "PPM")):
        return _grey(image).convert(mode)
    if found not in PLAIN:
        raise ValueError(f"mode {found} has no fixed range of values; convert it to 8 or 16 bits a channel")
    image.info.pop("transparency", None)
    if found in ("RGBa", "La"):
        image = image.convert(found.upper())
    if mode == "L" and found not in ("1", "L", "LA", "La"):
        image = image.convert("RGB")
    return image.convert(mode)


def _grey(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(BITS_PER_SAMPLE, (16,))[0]
    values = np.clip(values >> (bits - 8), 0, 255).astype(np.uint8)
    return Image.fromarray(255 - values if tags.get(PHOTOMETRIC) == 0 else values)
