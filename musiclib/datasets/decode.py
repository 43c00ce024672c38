"""Image files to one uint8 array, in worker processes, with a bar."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from musiclib.datasets.picture import SUFFIXES, Source, decoding, name_of, open_image, opened, upright
from musiclib.datasets.sources import DatasetUnusable, tell
from musiclib.datasets.workers import shared_bytes, spread, usable_cores

__all__ = ["CHUNK", "PARALLEL_FROM", "SUFFIXES", "centre_square", "damaged_images", "decode_images", "open_image"]

CHUNK = 250  # images a task: large enough to hide the traffic between processes, small enough for an even bar
PARALLEL_FROM = 4 * CHUNK  # below this, starting processes costs more than it saves


def decode_images(
    sources: Sequence[Source],
    *,
    size: int,
    channels: int = 3,
    resize: bool = True,
    workers: int | None = None,
    description: str = "decoding",
) -> UInt8[Tensor, "n c size size"]:
    """Decode files (paths) or encoded images (bytes, or name and bytes) to (N, C, size, size) uint8, in their order.

    `resize=True` scales the shorter side to `size` (antialiased bicubic) and cuts the centre; `False` demands images
    that have `size` already. EXIF orientation is applied; 1 channel means luminance; `musiclib.datasets.picture` has
    the rules for other modes. `workers` processes decode (the number of usable cores when None; one or few images: this
    process). A file that is no image is a DatasetUnusable (a ValueError) that names it, a lost process a LostWorker.
    JPEG decoders may differ in the last bit from one machine to the next, and so may what this returns.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 or 3, got {channels}")
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    _check_workers(workers)
    out = shared_bytes(len(sources), channels, size, size)

    def decode_chunk(first: int, last: int) -> None:
        for row in range(first, last):
            image = open_image(sources[row], "RGB" if channels == 3 else "L")
            if resize:
                with decoding(sources[row]):
                    image = centre_square(image, size)
            elif image.size != (size, size):
                raise DatasetUnusable(
                    f"{name_of(sources[row])} has {image.size[0]} x {image.size[1]} pixels, expected {size} x {size}"
                )
            pixels = np.asarray(image)
            out[row] = pixels.transpose(2, 0, 1) if channels == 3 else pixels[None]  # (h, w, c) -> (c, h, w)

    for _ in _in_chunks(decode_chunk, sources, workers, description):
        pass
    return torch.from_numpy(out)


def damaged_images(sources: Sequence[Source], *, workers: int | None = None) -> dict[int, str]:
    """Position -> what is wrong, for every image that cannot be decoded; nothing is kept of the others. Want of memory
    is no damage, and raised."""
    _check_workers(workers)

    def examine(first: int, last: int) -> dict[int, str]:
        found = {}
        for row in range(first, last):
            try:
                with decoding(sources[row]), opened(sources[row]) as image:
                    image.draft(None, (1, 1))  # a JPEG is read whole at any scale, and fastest at the smallest
                    upright(image)
            except DatasetUnusable as error:
                if isinstance(error.__cause__, MemoryError):
                    raise
                found[row] = str(error)
        return found

    found: dict[int, str] = {}
    for part in _in_chunks(examine, sources, workers, "looking for damaged images"):
        found |= part
    return dict(sorted(found.items()))


def centre_square(image: Image.Image, size: int, resize_to: int | None = None) -> Image.Image:
    """Scale the shorter side to `resize_to` (default: `size`), then cut the central size x size pixels."""
    width, height = image.size
    side = min(width, height) * size / (resize_to or size)  # the square that becomes the result, in source pixels
    left, top = (width - side) / 2, (height - side) / 2
    if (width, height) == (size, size) and side == size:
        return image
    return image.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))


def _check_workers(workers: int | None) -> None:
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")


def _in_chunks(work, sources: Sequence[Source], workers: int | None, description: str) -> Iterator:
    """What `work(first, last)` returns for consecutive pieces of the sources, as they are finished."""
    count = len(sources)
    edges = [(first, min(first + CHUNK, count)) for first in range(0, count, CHUNK)]
    workers = (workers or usable_cores()) if count >= PARALLEL_FROM else 1

    def says(i: int) -> str:
        return f"the images {name_of(sources[edges[i][0]])} to {name_of(sources[edges[i][1] - 1])}"

    parts = spread(lambda i: work(*edges[i]), len(edges), workers, says)
    sizes = ((result, edges[i][1] - edges[i][0]) for i, result in parts)
    yield from _progress(sizes, len(edges), count, description)


def _progress(parts: Iterable[tuple], chunks: int, count: int, description: str) -> Iterator:
    """The results, with a bar on a terminal, a line every ten seconds elsewhere, nothing for a handful of images."""
    if sys.stderr is not None and sys.stderr.isatty():
        with tqdm(total=count, unit="image", desc=description, disable=chunks < 4) as bar:
            for result, size in parts:
                yield result
                bar.update(size)
        return
    done, last = 0, time.monotonic()
    for result, size in parts:
        yield result
        done += size
        if time.monotonic() - last >= 10.0:
            last = time.monotonic()
            tell(f"{description}: {done} of {count} images")
