"""SVHN: house numbers, 32 x 32 in colour, one digit in the middle; 73,257 + 26,032 images in MATLAB files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from musiclib.datasets.matlab import read_matlab
from musiclib.datasets.origin import Arrays, Origin
from musiclib.datasets.sources import DatasetMissing, DatasetUnusable, download, file_digest, one_line, read_file, shown

CLASSES = tuple("0123456789")
URL = "http://ufldl.stanford.edu/housenumbers/"
MD5 = {  # as in torchvision.datasets.svhn
    "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
    "extra_32x32.mat": "a93ce644f1a588dc4d68dda5feec44a7",
}
FOLDERS = (".", "svhn", "SVHN")
REMEDY = (
    f"pass download=True (182 and 64 MB from {URL}, checked), or put train_32x32.mat and test_32x32.mat into ROOT/svhn "
    "and name ROOT by root=, --data-root or MUSICLIB_DATA"
)


def find(
    split: str,
    root: Path,
    *,
    download: bool = False,
    verify: bool = True,
    extra: bool = False,
    samples: int | None = None,
) -> Origin:
    """SVHN's cropped digits as (N, 3, 32, 32) in the published order; the class is the digit.

    Looks in `root`, ROOT/svhn and ROOT/SVHN. extra: the 531,131 easier images of extra_32x32.mat are added to the
    training set, behind the others. `download=True` fetches what is missing into ROOT/svhn. `verify=False` accepts
    other files of this form. samples: train on this many, see `fewer`.
    """
    names = [f"{split}_32x32.mat"] + ["extra_32x32.mat"] * (extra and split == "train")
    folders = [root / name for name in FOLDERS]
    found = (folder for folder in folders if all(os.path.isfile(folder / name) for name in names))
    folder = next(found, None)
    if folder is None and download:
        folder = root / "svhn"
        for name in names:
            _fetch(folder, name)
    if folder is None:
        raise DatasetMissing("svhn", [place / name for place in folders for name in names], REMEDY)
    files = [folder / name for name in names]

    def read() -> Arrays:
        parts = [parse_mat(read_file(path, MD5[path.name] if verify else None), shown(path)) for path in files]
        images, labels = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        return images, labels, CLASSES

    return Origin(
        "svhn", split, files, folder, root, read,
        settings={"verify": verify}, classes=CLASSES, samples=samples,
    )  # fmt: skip


def parse_mat(content: bytes, name: str = "the MATLAB data") -> tuple[Tensor, Tensor]:
    """(images (N, 3, 32, 32) uint8, labels (N,) int64) of X (32, 32, 3, N) and y (N, 1), where 10 stands for the digit
    0. DatasetUnusable, naming the file, for anything else."""
    try:
        values = read_matlab(content, ("X", "y"))
    except Exception as error:
        raise DatasetUnusable(f"{name} cannot be read: {one_line(error)}; get it again") from error
    pixels, digits = values["X"], values["y"]
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[:3] != (32, 32, 3) or not pixels.size:
        raise DatasetUnusable(f"{name} holds X of {pixels.dtype} {pixels.shape}, expected uint8 (32, 32, 3, N)")
    if digits.size != pixels.shape[3]:
        raise DatasetUnusable(f"{name} holds y of {digits.dtype} {digits.shape} for {pixels.shape[3]} images")
    digits = digits.reshape(-1)
    if not np.isin(digits, np.arange(1, 11)).all():
        raise DatasetUnusable(f"{name} holds labels outside of 1..10")
    images = np.ascontiguousarray(pixels.transpose(3, 2, 0, 1))  # (h, w, c, n) -> (n, c, h, w)
    return torch.from_numpy(images), torch.from_numpy(digits.astype(np.int64) % 10)


def _fetch(folder: Path, name: str) -> None:
    def check(path: Path) -> str | None:
        found = file_digest(path, "md5")
        return None if found == MD5[name] else f"md5 is {found}, expected {MD5[name]}"

    download(f"{URL}{name}", folder / name, check=check)
