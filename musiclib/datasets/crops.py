"""Random resized crops of one file, decoded no larger than they need."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from musiclib.datasets.picture import Source, decoding, opened, orientation, upright

ATTEMPTS = 10  # crops drawn before the largest central one is taken


def draw_crop(
    width: int, height: int, uniform: np.ndarray, scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of a random resized crop in pixels, from 2 * ATTEMPTS + 2 uniform numbers in [0, 1).

    Area and aspect ratio are drawn until the crop fits; after ATTEMPTS misses the largest central crop whose ratio
    lies in the range is taken. The place is uniform. Pixels are not rounded: the resampling takes fractions.
    """
    for area_draw, ratio_draw in uniform[: 2 * ATTEMPTS].reshape(-1, 2):
        area = width * height * (scale[0] + (scale[1] - scale[0]) * area_draw)
        aspect = math.exp(math.log(ratio[0]) + math.log(ratio[1] / ratio[0]) * ratio_draw)
        w, h = math.sqrt(area * aspect), math.sqrt(area / aspect)
        if w <= width and h <= height:
            left, top = (width - w) * uniform[-2], (height - h) * uniform[-1]
            return left, top, left + w, top + h
    aspect = min(max(width / height, ratio[0]), ratio[1])
    w, h = min(width, height * aspect), min(height, width / aspect)
    left, top = (width - w) / 2, (height - h) / 2
    return left, top, left + w, top + h


def two_crops(
    path: Source, size: int, uniform: np.ndarray, scale: tuple[float, float], ratio: tuple[float, float]
) -> list[UInt8[np.ndarray, "3 s s"]]:
    """Two random resized crops of one file, bilinear and antialiased, as (3, size, size) uint8.

    The boxes are drawn in the upright picture. DatasetUnusable, naming the file, when it cannot be decoded.
    """
    with decoding(path), opened(path) as image:
        jpeg = image.format in ("JPEG", "MPO")  # the only ones that can be decoded smaller
        if not jpeg:
            image = upright(image)
        turned = jpeg and orientation(image) >= 5  # 5..8 exchange width and height
        width, height = image.size[::-1] if turned else image.size
        boxes = [draw_crop(width, height, row, scale, ratio) for row in uniform]
        if jpeg:
            # The decoder may shrink by 2, 4 or 8 on its way as long as no crop has to be enlarged for it.
            need = max(max(size / (right - left), size / (bottom - top)) for left, top, right, bottom in boxes)
            if need < 1:
                image.draft(None, tuple(math.ceil(side * need) for side in image.size))
            image = upright(image)
        across, down = image.width / width, image.height / height
        return [_cut(image, size, box, across, down) for box in boxes]


def _cut(image: Image.Image, size: int, box: tuple[float, ...], across: float, down: float) -> np.ndarray:
    left, top, right, bottom = box
    # min: the product may exceed the width by a rounding error, which Pillow refuses
    box = (left * across, top * down, min(right * across, image.width), min(bottom * down, image.height))
    crop = image.resize((size, size), Image.Resampling.BILINEAR, box=box)
    return np.asarray(crop).transpose(2, 0, 1)  # (h, w, c) -> (c, h, w)
