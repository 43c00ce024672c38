"""STL-10: 5,000 + 8,000 labelled colour images, 96 x 96, and 100,000 without labels, in binary files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from musiclib.datasets.origin import Arrays, Origin
from musiclib.datasets.sources import DatasetMissing, DatasetUnusable, read_file, shown

CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
MD5 = {  # as in torchvision.datasets.stl10
    "train_X.bin": "918c2871b30a85fa023e0c44e0bee87f",
    "train_y.bin": "5a34089d4802c674881badbb80307741",
    "test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
    "test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
    "unlabeled_X.bin": "5242ba1fed5e4be9e1e742405eb56ca4",
}
URL = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
SIDE = 96
FOLDERS = (".", "stl10", "stl10_binary", "stl10/stl10_binary", "STL10/stl10_binary")
REMEDY = (
    f"fetch {URL} (2.6 GB, md5 91f7769df0f17e558f3565bffb0c7dfb), unpack it in ROOT, and name ROOT by root=, "
    "--data-root or MUSICLIB_DATA"
)


def find(
    split: str, root: Path, *, verify: bool = True, unlabelled: bool = False, samples: int | None = None
) -> Origin:
    """STL-10 as (N, 3, 96, 96) in the published order.

    Looks in `root`, ROOT/stl10, and the folder stl10_binary in both. unlabelled: the training set is the 100,000 images
    without labels (2.8 GB), which can be trained on and not scored. `verify=False` accepts other files of this form.
    samples: train on this many, see `fewer`.
    """
    without = unlabelled and split == "train"
    names = ["unlabeled_X.bin"] if without else [f"{split}_X.bin", f"{split}_y.bin"]
    folders = [root / name for name in FOLDERS]
    found = (folder for folder in folders if all(os.path.isfile(folder / name) for name in names))
    folder = next(found, None)
    if folder is None:
        raise DatasetMissing("stl10", [place / name for place in folders for name in names], REMEDY)
    files = [folder / name for name in names]

    def read() -> Arrays:
        raw = [read_file(path, MD5[path.name] if verify else None) for path in files]
        images = parse_images(raw[0], shown(files[0]))
        if without:
            return images, None, ()
        return images, parse_labels(raw[1], len(images), shown(files[1])), CLASSES

    return Origin(
        "stl10", split, files, folder, root, read,
        settings={"verify": verify}, classes=() if without else CLASSES, samples=samples,
    )  # fmt: skip


def parse_images(content: bytes, name: str = "the image file") -> Tensor:
    """(N, 3, 96, 96) uint8 of the three planes of every image, which are stored column by column."""
    size = 3 * SIDE * SIDE
    if not content or len(content) % size:
        raise DatasetUnusable(f"{name} has {len(content)} bytes, no whole number of images of {size}; get it again")
    planes = np.frombuffer(content, dtype=np.uint8).reshape(-1, 3, SIDE, SIDE)
    return torch.from_numpy(np.ascontiguousarray(planes.transpose(0, 1, 3, 2)))  # (n, c, x, y) -> (n, c, y, x)


def parse_labels(content: bytes, count: int, name: str = "the label file") -> Tensor:
    """(N,) int64 in 0..9 of one byte an image, 1..10."""
    values = np.frombuffer(content, dtype=np.uint8).astype(np.int64) - 1
    if len(values) != count:
        raise DatasetUnusable(f"{name} holds {len(values)} labels for {count} images")
    if values.min() < 0 or values.max() >= len(CLASSES):
        raise DatasetUnusable(f"{name} holds labels outside of 1..{len(CLASSES)}")
    return torch.from_numpy(values)
