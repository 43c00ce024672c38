"""Handwritten digits that ship with scikit-learn: 1,797 images, no network and no file needed."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Int, UInt8
from sklearn.datasets import load_digits

from musiclib.datasets.imageset import ImageSet, stratified_indices

TEST_FRACTION = 0.25
SPLIT_SEED = 0


def load(split: str) -> ImageSet:
    """The digits as (N, 1, 16, 16): 1,346 for training and 451, a quarter of every class, for testing.

    The split is stratified, made here (the set has none of its own) and always the same. The source has 8 x 8 pixels
    with values 0..16; `upsample` doubles the side.
    """
    source = load_digits()
    images = torch.from_numpy(upsample(source.images.astype(np.int64)))[:, None]  # (n, 16, 16) -> (n, 1, 16, 16)
    labels = torch.from_numpy(source.target.astype(np.int64))
    everything = ImageSet("digits", split, images, labels, tuple(str(digit) for digit in range(10)))
    kept, held = stratified_indices(labels, TEST_FRACTION, SPLIT_SEED)
    return everything.subset(kept if split == "train" else held)


def upsample(values: Int[np.ndarray, "n h w"]) -> UInt8[np.ndarray, "n 2*h 2*w"]:
    """Double the side bilinearly and stretch 0..16 to 0..255, in whole numbers throughout (exact on every machine).

    A new pixel lies a quarter of an old one away from the old centre, so along each axis it is 3/4 the nearest value
    plus 1/4 the next one (the border repeats itself); both axes give sixteenths, and 16 x 16 = 256 maps to 255.
    """
    for axis in (1, 2):
        padded = np.pad(values, [(1, 1) if i == axis else (0, 0) for i in range(3)], mode="edge")
        length = values.shape[axis]
        before = padded.take(range(length), axis)
        after = padded.take(range(2, length + 2), axis)
        pair = np.stack((3 * values + before, 3 * values + after), axis=axis + 1)
        values = pair.reshape(*values.shape[:axis], 2 * length, *values.shape[axis + 1 :])  # interleave the pair
    return ((values * 255 + 128) // 256).astype(np.uint8)
