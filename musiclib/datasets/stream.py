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

from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from torch import Tensor

from musiclib.datasets.cache import cache_folder
from musiclib.datasets.crops import ATTEMPTS, draw_crop, two_crops
from musiclib.datasets.decode import centre_square, open_image
from musiclib.datasets.folders import check_damaged, sound_files
from musiclib.datasets.identity import content_hash, identify
from musiclib.datasets.imageset import random_words, warn_of_one_class
from musiclib.datasets.layout import REMEDY, split_files
from musiclib.datasets.loader import loaded
from musiclib.datasets.picture import decoding
from musiclib.datasets.sources import DatasetMissing, absolute, data_root

__all__ = ["ATTEMPTS", "ImageStream", "draw_crop", "two_crops"]

ORDER_STREAM, CROP_STREAM = 0, 1
CENTRE = 256 / 224  # plain images: shorter side scaled to 256/224 of the size, then the centre is cut out


class ImageStream:
    """The images of a tree as batches of uint8 crops, the same for the same seed whatever the number of workers.

    folder          holds CLASS/* or train/CLASS/* with test|val|valid|validation/CLASS/* and other layouts, see
                    `musiclib.datasets.layout`
    size            side of the crops in pixels
    batch           images of a step over ALL processes; a multiple of `world`
    crop_scale      area of a crop as a share of the image, uniform in this range
    crop_ratio      width / height of a crop, uniform in the logarithm
    seed            order and crops depend on (seed, epoch, position in the tree) and on nothing else
    workers         decoding processes of this process; 0 decodes in line
    rank, world     this process's number and their count: each gets its own consecutive rows of the same global batch
    damaged         'refuse': a file that cannot be decoded is an error that names it, when it is met; 'skip': all files
                    are decoded once before (remembered in the cache), and damaged ones are listed and left out

    `len(stream)` is the number of images; `.labels` (N,) (None without class folders) and `.classes` are known before
    anything is decoded. A decoding process that is lost ends the iteration with `musiclib.datasets.workers.LostWorker`.
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
        damaged: str = "refuse",
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
        place = absolute(folder)
        if not place.is_dir():
            raise DatasetMissing(f"folder:{folder}", [place], REMEDY)
        found = split_files(place, split)
        if check_damaged(damaged) == "skip":
            found = sound_files(found, place, data_root(None), max(workers, 1))
        self.files, self.labels, self.classes = found
        warn_of_one_class(f"folder:{folder}", self.classes)
        if len(self.files) < batch and split == "train":
            raise ValueError(
                f"batch={batch} is more than the {len(self.files)} images of {place}; choose a smaller one"
            )
        self.size, self.batch, self.seed, self.workers = size, batch, seed, workers
        self.crop_scale, self.crop_ratio, self.rank, self.world = crop_scale, crop_ratio, rank, world
        self.folder, self.split = place, split

    @cached_property
    def identity(self) -> str:
        """One number for everything that decides the images and labels, wherever they lie: the content of all files is
        read for it, once for every state in which they are (`musiclib.datasets.identity`)."""
        content, _ = content_hash(self.files, self.folder, cache_folder(data_root(None)))
        return identify(content, "imagenet", {"split": self.split}, self.classes, self.labels)

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
    ) -> Iterator[
        tuple[Int64[Tensor, "b"], UInt8[Tensor, "b 3 s s"], UInt8[Tensor, "b 3 s s"], Int64[Tensor, "b"] | None]
    ]:
        """(positions in the tree, first crops, second crops, labels) of this process's rows, from step `start` on.

        Resuming in the middle of an epoch with `start` yields the same batches as an epoch that ran through.
        """
        own = self.batch // self.world
        rows = self.order(epoch)[: self.steps * self.batch].reshape(self.steps, self.world, own)[start:, self.rank]
        for positions, pixels in self._decoded(partial(self._crops, epoch), 2, rows):  # pixels (b, 2, 3, s, s)
            yield positions, *pixels.unbind(1), self._labels(positions)

    def plain(self, batch: int | None = None) -> Iterator[tuple[Tensor, UInt8[Tensor, "b 3 s s"], Tensor | None]]:
        """(positions, images, labels) of all images in order, unaugmented, the last batch as short as it is.

        Shorter side scaled to 256/224 of `size`, centre cut out. Ignores rank and world.
        """
        step = batch or self.batch
        rows = [np.arange(first, min(first + step, len(self))) for first in range(0, len(self), step)]
        for positions, pixels in self._decoded(self._centre, 1, rows):
            yield positions, pixels[:, 0], self._labels(positions)

    def _crops(self, epoch: int, position: int) -> UInt8[np.ndarray, "2 3 s s"]:
        words = random_words(2 * (2 * ATTEMPTS + 2), self.seed, CROP_STREAM, epoch, position)
        uniform = (words >> np.uint64(11)).astype(np.float64).reshape(2, -1) * 2.0**-53
        return np.stack(two_crops(self.files[position], self.size, uniform, self.crop_scale, self.crop_ratio))

    def _centre(self, position: int) -> UInt8[np.ndarray, "1 3 s s"]:
        path = self.files[position]
        with decoding(path):
            image = centre_square(open_image(path), self.size, round(self.size * CENTRE))
        return np.asarray(image).transpose(2, 0, 1)[None]  # (h, w, c) -> (1, c, h, w)

    def _labels(self, positions: Tensor) -> Tensor | None:
        return None if self.labels is None else self.labels[positions]

    def _decoded(self, decode, views, rows) -> Iterator[tuple[Tensor, Tensor]]:
        shape = (views, 3, self.size, self.size)
        return loaded(decode, shape, rows, workers=self.workers, name=str(self.folder))
