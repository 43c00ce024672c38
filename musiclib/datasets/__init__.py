"""Where images come from.

    from musiclib.datasets import load, validation_split
    train = load("cifar10", "train", root="data")       # ImageSet: images (N, C, H, W) uint8, labels (N,), classes
    train, validation = validation_split(train, 0.1)

Names: attributes and attributes_wide (rendered, known factors), digits (ships with scikit-learn), fashion_mnist,
cifar10, cifar100, svhn, stl10, medmnist:NAME, folder:PATH for any tree of images, and package.module:load for a set of
your own (`musiclib.datasets.outside`). Trees too large for memory are read by `musiclib.datasets.stream`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from musiclib import plugins
from musiclib.datasets import (
    attributes,
    attributes_wide,
    cifar10,
    cifar100,
    digits,
    fashion_mnist,
    folders,
    medmnist,
    stl10,
    svhn,
)
from musiclib.datasets.imageset import ImageSet, validation_split, warn_of_one_class
from musiclib.datasets.options import check_options
from musiclib.datasets.origin import Origin
from musiclib.datasets.outside import outside_set
from musiclib.datasets.sources import DatasetMissing, DatasetUnusable, Unlabelled, data_root
from musiclib.datasets.workers import LostWorker

__all__ = [
    "NAMES",
    "PREFIXES",
    "SPLITS",
    "DatasetMissing",
    "DatasetUnusable",
    "ImageSet",
    "LostWorker",
    "Unlabelled",
    "from_files",
    "identity",
    "known",
    "load",
    "validation_split",
]

SPLITS = ("train", "test")
MADE = {"attributes": attributes.load, "attributes_wide": attributes_wide.load, "digits": digits.load}
READ = {"cifar100": cifar100.find, "svhn": svhn.find, "stl10": stl10.find}
READ |= {"fashion_mnist": fashion_mnist.find, "cifar10": cifar10.find}
NAMED = {"folder": folders.find, "medmnist": medmnist.find}
NAMES = ("cifar100", "svhn", "stl10", "attributes_wide", "attributes", "digits", "fashion_mnist", "cifar10")
PREFIXES = ("medmnist:NAME", "folder:PATH")


def load(name: str, split: str = "train", *, root: str | Path | None = None, **options: Any) -> ImageSet:
    """A set of images, decoded, in memory.

    name     one of NAMES, 'medmnist:NAME', 'folder:PATH' (PATH absolute, or relative to the working directory, or to
             the root), or 'package.module:load' (`musiclib.datasets.outside`)
    split    'train' or 'test'
    root     the folder to look in; default $MUSICLIB_DATA, else ./data. Sets that ship or are rendered ignore it.
    options  those of the set's own `load` or `find` (attributes: samples, seed, size, label, ...)

    What had to be decoded is cached on disk, see `musiclib.datasets.cache`. Raises DatasetMissing (a
    FileNotFoundError) when there are no data, DatasetUnusable (a ValueError) for data that cannot be used as they are,
    ValueError for an unknown name, split or option, LostWorker when a decoding process is killed.
    """
    found = _found(name, split, root, options)
    whole = found.load() if isinstance(found, Origin) else found
    warn_of_one_class(name, whole.classes)
    return whole


def identity(name: str, split: str = "train", *, root: str | Path | None = None, **options: Any) -> str:
    """What decides the set that `load` would return for the same arguments, as 64 hexadecimal digits: its `identity`.

    Files are not decoded for it, and read only where the cache does not know them in the state in which they are. The
    same data under another path have the same identity; another pixel, label, class name or option has another.
    """
    return _found(name, split, root, options).identity


def known(name: str) -> bool:
    """Whether `load` has a reader for this name (which says nothing about whether the data are there)."""
    return name in NAMES or (name.partition(":")[0] in NAMED and ":" in name) or _outside(name)


def _outside(name: str) -> bool:
    """Whether a name is a dotted path; 'cifar10:x' is a mistake and no module of somebody's."""
    return plugins.is_path(name) and name.partition(":")[0] not in NAMES


def from_files(name: str) -> bool:
    """Whether a set comes from files that may change, other than those that are rendered or ship with a package."""
    return name.partition(":")[0] not in MADE


def _found(name: str, split: str, root: str | Path | None, options: dict[str, Any]) -> Origin | ImageSet:
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(map(repr, SPLITS))}, got {split!r}")
    if not known(name):
        choices = ", ".join((PREFIXES[0], *NAMES))
        raise ValueError(f"unknown dataset {name!r}; choose one of {choices} or {PREFIXES[1]}")
    if _outside(name):
        return outside_set(name, split, data_root(root), options)
    kind, _, rest = name.partition(":")
    function = (MADE | READ | NAMED)[kind]
    check_options(function, options, name)
    if kind in MADE:
        return function(split, **options)
    return function(split, data_root(root), *([rest] if kind in NAMED else []), **options)
