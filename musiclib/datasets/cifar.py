"""The two forms in which CIFAR-10 and CIFAR-100 are published, for both: binary records, and Python's pickles."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from musiclib.datasets.sources import DatasetUnusable, check_md5, read_file, shown, tar_members
from musiclib.datasets.unpickle import read_pickle

PIXELS = 3 * 32 * 32  # the red, green and blue planes of an image, row by row


def binary_batches(batches: Iterable[tuple[str, bytes]], classes: int, label_bytes: int = 1) -> tuple[Tensor, Tensor]:
    """(images (N, 3, 32, 32) uint8, labels (N,) int64) of binary batches given as (name, content), in that order.

    A record is `label_bytes` labels, of which the last one counts, and the pixels.
    """
    images, labels = [], []
    record = label_bytes + PIXELS
    for name, content in batches:
        if not content or len(content) % record:
            raise DatasetUnusable(f"{name} has {len(content)} bytes, no whole number of {record}-byte records")
        records = np.frombuffer(content, dtype=np.uint8).reshape(-1, record)
        images.append(records[:, label_bytes:])
        labels.append(_labels(name, records[:, label_bytes - 1], classes))
    return _tensors(images, labels)


def python_batches(batches: Iterable[tuple[str, bytes]], classes: int, key: str) -> tuple[Tensor, Tensor]:
    """The same of the pickled batches: dictionaries with the pixels under 'data' and the labels under `key`."""
    images, labels = [], []
    for name, content in batches:
        batch = read_pickle(name, content)
        pixels, values = batch.get("data"), batch.get(key)
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (PIXELS,):
            raise DatasetUnusable(f"{name} has no array of bytes (N, {PIXELS}) under 'data'")
        whole = isinstance(values, list) and all(type(value) is int for value in values)
        if not whole or len(values) != len(pixels) or not values:
            raise DatasetUnusable(f"{name} has no list of {len(pixels)} whole numbers under {key!r}")
        images.append(pixels)
        labels.append(_labels(name, values, classes))
    return _tensors(images, labels)


def _labels(name: str, values: Iterable[int], classes: int) -> np.ndarray:
    low, high = min(values), max(values)
    if low < 0 or high >= classes:
        raise DatasetUnusable(f"{name} holds the label {high if high >= classes else low}, expected 0..{classes - 1}")
    return np.asarray(values, dtype=np.int64)


def _tensors(images: list[np.ndarray], labels: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    pixels = np.concatenate(images).reshape(-1, 3, 32, 32)
    return torch.from_numpy(pixels), torch.from_numpy(np.concatenate(labels))


def contents(origin: Path, names: Iterable[str], md5: dict[str, str] | None = None) -> list[tuple[str, bytes]]:
    """(name for messages, content) of the named files of a folder, or of an archive of it; `md5`: what they have to
    hash to."""
    md5 = md5 or {}
    if origin.is_dir():
        return [(shown(origin / name), read_file(origin / name, md5.get(name))) for name in names]
    names = list(names)
    found = {path.name: content for path, content in tar_members(origin, lambda path: path.name in names)}
    missing = [name for name in names if name not in found]
    if missing:
        raise DatasetUnusable(f"{shown(origin)} lacks {', '.join(missing)}; get it again")
    named = [(f"{shown(origin)}: {name}", name) for name in names]
    return [(called, check_md5(called, found[name], md5.get(name))) for called, name in named]


def check_counts(origin: Path, split: str, labels: Tensor, classes: int, each: int) -> None:
    """DatasetUnusable unless every class has `each` images."""
    counts = torch.bincount(labels, minlength=classes)
    if counts.tolist() != [each] * classes:
        text = str(counts.tolist()) if classes <= 10 else f"{int(counts.min())} to {int(counts.max())}"
        raise DatasetUnusable(
            f"{shown(origin)} holds {text} {split} images a class, it should have {each} of each: incomplete? Get it "
            "again, or pass verify=False to read it as it is"
        )
