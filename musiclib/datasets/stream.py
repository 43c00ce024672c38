"""Trees of JPEGs too large for memory (ImageNet): decoded and cropped by worker processes, batch by batch.

    stream = ImageStream("/data/imagenet", "train", size=224, batch=256, workers=16, seed=0)
    crops = dataclasses.replace(view_config, crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0))    # the crop is done already
    for epoch in range(epochs):
        for index, x1, x2, labels in stream.batches(epoch):
            x1 = augment(x1.to(device), crops, generator)         # musiclib.views: flip, colours, blur, normalised
            x2 = augment(x2.to(device), crops, generator)

A worker reads a file once, decodes it at the smallest JPEG scale that still has as many pixels as both crops need, and
cuts two random resized crops. What is cheap on the device (flip, colours, blur) is left to `musiclib.views`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from musiclib.datasets.decode import centre_square, open_image
from musiclib.datasets.folders import REMEDY, split_files
from musiclib.datasets.imageset import random_words
from musiclib.datasets.sources import DatasetMissing

ORDER_STREAM, CROP_STREAM = 0, 1
ATTEMPTS = 10  # crops drawn before the largest central one is taken
CENTRE = 256 / 224  # plain images: shorter side scaled to 256/224 of the size, then the centre is cut out
ORIENTATION = 0x0112  # EXIF tag; values 5..8 exchange width and height


class ImageStream:
    """The images of a tree as batches of uint8 crops, the same for the same seed whatever the number of workers.

    folder          holds CLASS/* or train/CLASS/* with test|val|validation/CLASS/*, as in `musiclib.datasets.folders`
    size            side of the crops in pixels
    batch           images of a step over ALL processes; a multiple of `world`
    crop_scale      area of a crop as a share of the image, uniform in this range
    crop_ratio      width / height of a crop, uniform in the logarithm
    seed            order and crops depend on (seed, epoch, position in the tree) and on nothing else
    workers         decoding processes of this process; 0 decodes in line
    rank, world     this process's number and their count: each gets its own consecutive rows of the same global batch

    `len(stream)` is the number of images; `.labels` (N,) and `.classes` are known before anything is decoded.
    """

    def __init__(
        self,
        folder: str | Path,
        split: str = "train",
        *,
        size: int = 224,
        batch: int = 256,
        crop_scale: tuple[float, float] = (0.2, 1.0),
        crop_ratio: tuple[float, float] = (3 / 4, 4 / 3),
        seed: int = 0,
        workers: int = 4,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if split not in ("train", "test"):
            raise ValueError(f"split must be 'train' or 'test', got {split!r}")
        if size < 1 or workers < 0 or seed < 0:
            raise ValueError(f"size >= 1, workers >= 0 and seed >= 0 are needed, got {size}, {workers} and {seed}")
        if not 0 <= rank < world:
            raise ValueError(f"rank must lie in 0..world-1, got rank={rank}, world={world}")
        if batch < 1 or batch % world:
            raise ValueError(f"batch must be a positive multiple of world={world}, got {batch}")
        if not 0 < crop_scale[0] <= crop_scale[1] <= 1:
            raise ValueError(f"crop_scale must satisfy 0 < low <= high <= 1, got {crop_scale}")
        if not 0 < crop_ratio[0] <= crop_ratio[1]:
            raise ValueError(f"crop_ratio must satisfy 0 < low <= high, got {crop_ratio}")
        place = Path(folder).expanduser().absolute()
        if not place.is_dir():
            raise DatasetMissing(f"folder:{folder}", [place], REMEDY)
        self.files, self.labels, self.classes = split_files(place, split)
        if len(self.files) < batch and split == "train":
            raise ValueError(
                f"batch={batch} is more than the {len(self.files)} images of {place}; choose a smaller one"
            )
        self.size, self.batch, self.seed, self.workers = size, batch, seed, workers
        self.crop_scale, self.crop_ratio, self.rank, self.world = crop_scale, crop_ratio, rank, world

    def __len__(self) -> int:
        return len(self.files)

    @property
    def steps(self) -> int:
        """Batches an epoch; what does not fill a last batch is left out (other images every epoch)."""
        return len(self) // self.batch

    def order(self, epoch: int) -> Int64[np.ndarray, "n"]:
        """The permutation of all positions in this epoch."""
        return np.argsort(random_words(len(self), self.seed, ORDER_STREAM, epoch), kind="stable")

    def batches(
        self, epoch: int, start: int = 0
    ) -> Iterator[tuple[Int64[Tensor, "b"], UInt8[Tensor, "b 3 s s"], UInt8[Tensor, "b 3 s s"], Int64[Tensor, "b"]]]:
        """(positions in the tree, first crops, second crops, labels) of this process's rows, from step `start` on.

        Resuming in the middle of an epoch with `start` yields the same batches as an epoch that ran through.
        """
        own = self.batch // self.world
        rows = self.order(epoch)[: self.steps * self.batch].reshape(self.steps, self.world, own)[start:, self.rank]
        return self._decoded(_Crops(self, epoch), rows)

    def plain(self, batch: int | None = None) -> Iterator[tuple[Tensor, UInt8[Tensor, "b 3 s s"], Tensor]]:
        """(positions, images, labels) of all images in order, unaugmented, the last batch as short as it is.

        Shorter side scaled to 256/224 of `size`, centre cut out. Ignores rank and world.
        """
        step = batch or self.batch
        rows = [np.arange(first, min(first + step, len(self))) for first in range(0, len(self), step)]
        return self._decoded(_Plain(self), rows)

    def _decoded(self, dataset: Dataset, rows: np.ndarray | list[np.ndarray]) -> Iterator[tuple[Tensor, ...]]:
        # The sampler's items are whole batches: a worker makes one at a time and nothing is collated afterwards.
        return iter(
            DataLoader(
                dataset,
                batch_size=None,
                sampler=list(rows),
                num_workers=self.workers,
                pin_memory=torch.cuda.is_available(),
                # A generator of its own: the loader would otherwise draw its workers' seed from torch's global one.
                generator=torch.Generator().manual_seed(self.seed),
            )
        )


class _Crops(Dataset):
    def __init__(self, stream: ImageStream, epoch: int) -> None:
        self.stream, self.epoch = stream, epoch

    def __getitem__(self, positions: np.ndarray) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        stream, size = self.stream, self.stream.size
        views = np.empty((2, len(positions), 3, size, size), dtype=np.uint8)
        for row, position in enumerate(positions):
            words = random_words(2 * (2 * ATTEMPTS + 2), stream.seed, CROP_STREAM, self.epoch, int(position))
            uniform = (words >> np.uint64(11)).astype(np.float64).reshape(2, -1) * 2.0**-53
            for view, crop in enumerate(
                two_crops(stream.files[position], size, uniform, stream.crop_scale, stream.crop_ratio)
            ):
                views[view, row] = crop
        index = torch.from_numpy(np.asarray(positions))
        return index, torch.from_numpy(views[0]), torch.from_numpy(views[1]), stream.labels[index]


class _Plain(Dataset):
    def __init__(self, stream: ImageStream) -> None:
        self.stream = stream

    def __getitem__(self, positions: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        size = self.stream.size
        images = np.empty((len(positions), 3, size, size), dtype=np.uint8)
        for row, position in enumerate(positions):
            image = centre_square(open_image(self.stream.files[position]), size, round(size * CENTRE))
            images[row] = np.asarray(image).transpose(2, 0, 1)  # (h, w, c) -> (c, h, w)
        index = torch.from_numpy(np.asarray(positions))
        return index, torch.from_numpy(images), self.stream.labels[index]


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
    path: Path, size: int, uniform: np.ndarray, scale: tuple[float, float], ratio: tuple[float, float]
) -> list[UInt8[np.ndarray, "3 s s"]]:
    """Two random resized crops of one file, bilinear and antialiased, as (3, size, size) uint8."""
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(ORIENTATION, 1) >= 5
            width, height = image.size[::-1] if turned else image.size
            boxes = [draw_crop(width, height, row, scale, ratio) for row in uniform]
            # The decoder may shrink by 2, 4 or 8 on its way as long as no crop has to be enlarged for it.
            need = max(max(size / (right - left), size / (bottom - top)) for left, top, right, bottom in boxes)
            if need < 1:
                image.draft(None, tuple(math.ceil(side * need) for side in image.size))
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be decoded as an image: {error}") from error
    across, down = upright.width / width, upright.height / height
    crops = []
    for left, top, right, bottom in boxes:
        # min: the product may exceed the width by a rounding error, which Pillow refuses
        box = (left * across, top * down, min(right * across, upright.width), min(bottom * down, upright.height))
        crop = upright.resize((size, size), Image.Resampling.BILINEAR, box=box)
        crops.append(np.asarray(crop).transpose(2, 0, 1))  # (h, w, c) -> (c, h, w)
    return crops
