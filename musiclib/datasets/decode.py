"""Image files to one uint8 array, in worker processes, with a bar."""

from __future__ import annotations

import io
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor
from tqdm import tqdm

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm")
CHUNK = 250  # images a task: large enough to hide the traffic between processes, small enough for an even bar
PARALLEL_FROM = 4 * CHUNK  # below this, starting processes costs more than it saves


def decode_images(
    sources: Sequence[Path | bytes],
    *,
    size: int,
    channels: int = 3,
    resize: bool = True,
    workers: int | None = None,
    description: str = "decoding",
) -> UInt8[Tensor, "n c size size"]:
    """Decode files (paths) or encoded images (bytes) to (N, C, size, size) uint8, in the order given.

    `resize=True` scales the shorter side to `size` (antialiased bicubic) and cuts the centre; `False` demands images
    that have `size` already. EXIF orientation is applied; 1 channel means luminance. `workers` processes decode (the
    number of usable cores when None; one or few images: this process). A file that is no image is a ValueError that
    names it. JPEG decoders may differ in the last bit from one machine to the next, and so may what this returns.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 or 3, got {channels}")
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    count = len(sources)
    out = np.empty((count, channels, size, size), dtype=np.uint8)
    tasks = [(sources[i : i + CHUNK], size, channels, resize) for i in range(0, count, CHUNK)]
    done = 0
    for part in _progress(_run(tasks, workers or usable_cores(), count), len(tasks), count, description):
        out[done : done + len(part)] = part
        done += len(part)
    return torch.from_numpy(out)


def usable_cores() -> int:
    """Cores that this process may use (a container or taskset may grant fewer than the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run(tasks: list[tuple], workers: int, count: int) -> Iterator[np.ndarray]:
    workers = min(workers, len(tasks))
    if workers <= 1 or count < PARALLEL_FROM:
        yield from map(_decode_chunk, tasks)
    elif sys.platform == "linux":
        # Forked, because a spawned child would run the caller's script a second time when that has no __main__ guard.
        # The children touch Pillow and numpy alone, so the threads that torch left behind do not matter to them.
        with multiprocessing.get_context("fork").Pool(workers) as pool:
            yield from pool.imap(_decode_chunk, tasks)
    else:
        with ThreadPoolExecutor(workers) as pool:
            yield from pool.map(_decode_chunk, tasks)


def _decode_chunk(task: tuple[Sequence[Path | bytes], int, int, bool]) -> np.ndarray:
    sources, size, channels, resize = task
    out = np.empty((len(sources), channels, size, size), dtype=np.uint8)
    for row, source in enumerate(sources):
        image = open_image(source, "RGB" if channels == 3 else "L")
        if resize:
            image = centre_square(image, size)
        elif image.size != (size, size):
            raise ValueError(f"{_name(source)} has {image.size[0]} x {image.size[1]} pixels, expected {size} x {size}")
        pixels = np.asarray(image)
        out[row] = pixels.transpose(2, 0, 1) if channels == 3 else pixels[None]  # (h, w, c) -> (c, h, w)
    return out


def open_image(source: Path | bytes, mode: str = "RGB") -> Image.Image:
    """Read one image whole, turn it upright, convert it to `mode`; a ValueError that names the file when it cannot."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            return ImageOps.exif_transpose(image).convert(mode)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{_name(source)} cannot be decoded as an image: {error}") from error


def centre_square(image: Image.Image, size: int, resize_to: int | None = None) -> Image.Image:
    """Scale the shorter side to `resize_to` (default: `size`), then cut the central size x size pixels."""
    width, height = image.size
    side = min(width, height) * size / (resize_to or size)  # the square that becomes the result, in source pixels
    left, top = (width - side) / 2, (height - side) / 2
    if (width, height) == (size, size) and side == size:
        return image
    return image.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))


def _name(source: Path | bytes) -> str:
    return str(source) if isinstance(source, Path) else f"an archived image of {len(source)} bytes"


def _progress(parts: Iterable[np.ndarray], chunks: int, count: int, description: str) -> Iterator[np.ndarray]:
    """A bar on a terminal, a line every ten seconds elsewhere, nothing for a handful of images."""
    if sys.stderr.isatty():
        with tqdm(total=count, unit="image", desc=description, disable=chunks < 4) as bar:
            for part in parts:
                yield part
                bar.update(len(part))
        return
    done, last = 0, time.monotonic()
    for part in parts:
        yield part
        done += len(part)
        if time.monotonic() - last >= 10.0:
            last = time.monotonic()
            print(f"{description}: {done} of {count} images", file=sys.stderr, flush=True)
