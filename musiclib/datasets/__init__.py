"""Where images come from.

    from musiclib.datasets import load, validation_split
    train = load("cifar10", "train", root="data")       # ImageSet: images (N, C, H, W) uint8, labels (N,), classes
    train, validation = validation_split(train, 0.1)

Names: attributes (rendered, known factors), digits (ships with scikit-learn), fashion_mnist, cifar10, and
folder:PATH for any tree of images. Trees too large for memory are read by `musiclib.datasets.stream`.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from musiclib.datasets import attributes, cifar10, digits, fashion_mnist, folders
from musiclib.datasets.imageset import ImageSet, validation_split
from musiclib.datasets.sources import DatasetMissing, data_root

__all__ = ["NAMES", "SPLITS", "DatasetMissing", "ImageSet", "load", "validation_split"]

NAMES = ("attributes", "digits", "fashion_mnist", "cifar10")
SPLITS = ("train", "test")
LOADERS = {"attributes": attributes.load, "digits": digits.load, "fashion_mnist": fashion_mnist.load}
LOADERS |= {"cifar10": cifar10.load}


def load(name: str, split: str = "train", *, root: str | Path | None = None, **options: Any) -> ImageSet:
    """A set of images, decoded, in memory.

    name     'attributes', 'digits', 'fashion_mnist', 'cifar10' or 'folder:PATH' (PATH absolute, or relative to the
             working directory, or to the root)
    split    'train' or 'test'
    root     the folder to look in; default $MUSICLIB_DATA, else ./data. Sets that ship or are rendered ignore it.
    options  those of the set's own `load` (attributes: samples, seed, size, label, probabilities, fixed, ...)

    What had to be decoded is cached on disk, see `musiclib.datasets.cache`. Raises DatasetMissing (a
    FileNotFoundError) when there are no data, ValueError for an unknown name, split or option.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(map(repr, SPLITS))}, got {split!r}")
    given: dict[str, Any] = {}
    if name.startswith("folder:"):
        loader, given = folders.load, {"path": name.removeprefix("folder:")}
    elif name in LOADERS:
        loader = LOADERS[name]
    else:
        raise ValueError(f"unknown dataset {name!r}; choose one of {', '.join(NAMES)} or folder:PATH")
    parameters = inspect.signature(loader).parameters
    known = [key for key, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            choices = ", ".join(known) if known else "none"
            raise ValueError(f"unknown option {option!r} of dataset {name!r}; its options are: {choices}")
    if "root" in parameters:
        given["root"] = data_root(root)
    return loader(split, **given, **options)
