"""CIFAR-10: 50,000 + 10,000 colour images, 32 x 32, from an image tree, the binary batches, the pickled batches, or an
archive of one of them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from musiclib.datasets.cifar import binary_batches, check_counts, contents, python_batches
from musiclib.datasets.decode import decode_images
from musiclib.datasets.origin import Arrays, Origin
from musiclib.datasets.picture import SUFFIXES
from musiclib.datasets.scan import LeftOut, walk
from musiclib.datasets.sources import DatasetMissing, DatasetUnusable, download, file_digest, shown, tar_members

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
COUNT = {"train": 50_000, "test": 10_000}
BATCHES = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}
PICKLES = {split: tuple(name.removesuffix(".bin") for name in names) for split, names in BATCHES.items()}
PICKLES_MD5 = {  # as in torchvision.datasets.cifar
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"  # printed on https://www.cs.toronto.edu/~kriz/cifar.html
BINARY_ARCHIVE = "cifar-10-binary.tar.gz"
PYTHON_ARCHIVE = "cifar-10-python.tar.gz"
IMAGE_ARCHIVES = tuple(
    f"{stem}.{suffix}"
    for stem in ("cifar10-images", "cifar10", "cifar-10-images")
    for suffix in ("tar.xz", "tar", "tar.gz", "tgz", "tar.bz2")
)
FOLDERS = (".", "cifar10", "cifar-10", "CIFAR10", "cifar-10-batches-bin", "cifar-10-batches-py")
REMEDY = (
    f"pass download=True (162 MB from {URL}, checked), or put that archive, its *.bin files, cifar-10-batches-py, a "
    "tree train/CLASS/*.jpg|png + test/CLASS/*, or such a tree as cifar10-images.tar[.xz|.gz] into ROOT/cifar10 and "
    "name ROOT by root=, --data-root or MUSICLIB_DATA"
)


def find(
    split: str,
    root: Path,
    *,
    download: bool = False,
    verify: bool = True,
    workers: int | None = None,
    samples: int | None = None,
) -> Origin:
    """CIFAR-10 as (N, 3, 32, 32) with the classes in their usual order.

    Looks in `root`, ROOT/cifar10, ROOT/cifar-10, ROOT/CIFAR10, ROOT/cifar-10-batches-bin and ROOT/cifar-10-batches-py,
    in each for the image tree, the binary batches, the pickled batches, an archive of the tree, the archives of the
    batches. Images of a tree come sorted by class and file name, those of the batches in the published order, and a
    JPEG tree has lost a little in compression: the checksum tells the sources apart. `download=True` fetches the binary
    archive into ROOT/cifar10 when nothing else is there. `verify=False` accepts another number of images than 5,000 and
    1,000 a class, and pickles that are not the published ones. Archives are read in memory; nothing is unpacked.
    samples: train on this many, see `fewer`.
    """
    folders = [root / name for name in FOLDERS]
    origin = _find(folders, split)
    if origin is None and download:
        origin = _fetch(root)
    if origin is None:
        raise DatasetMissing("cifar10", folders, REMEDY)
    files, batches = _files(origin, split)

    def read() -> Arrays:
        if batches is None:
            images, labels = _from_images(origin, files, split, workers)
        elif batches == BATCHES[split]:
            images, labels = parse_batches(contents(origin, batches))
        else:
            md5 = PICKLES_MD5 if verify else None
            images, labels = python_batches(contents(origin, batches, md5), len(CLASSES), "labels")
        if verify:
            check_counts(origin, split, labels, len(CLASSES), COUNT[split] // len(CLASSES))
        return images, labels, CLASSES

    base = origin if origin.is_dir() else origin.parent
    return Origin(
        "cifar10", split, files, base, root, read,
        settings={"verify": verify}, classes=CLASSES, store=True, samples=samples,
    )  # fmt: skip


def parse_batches(batches: Iterable[tuple[str, bytes]]) -> tuple[Tensor, Tensor]:
    """(images (N, 3, 32, 32) uint8, labels (N,) int64) of binary batches given as (name, content), in that order."""
    return binary_batches(batches, len(CLASSES))


def _is_tree(folder: Path, split: str) -> bool:
    return all(os.path.isdir(folder / split / name) for name in CLASSES)


def _holds(folder: Path, names: Iterable[str]) -> bool:
    return all(os.path.isfile(folder / name) for name in names)


def _find(folders: list[Path], split: str) -> Path | None:
    """The first folder that holds the tree or the batches, or the first archive of one of them."""
    for folder in folders:
        if _is_tree(folder, split) or _holds(folder, BATCHES[split]) or _holds(folder, PICKLES[split]):
            return folder
        for name in (*IMAGE_ARCHIVES, BINARY_ARCHIVE, PYTHON_ARCHIVE):
            if os.path.isfile(folder / name):
                return folder / name
    return None


def _files(origin: Path, split: str) -> tuple[list[Path], tuple[str, ...] | None]:
    """(the files that are read, the names of the batches among or in them; None for a tree or an archive of one)."""
    if not origin.is_dir():
        kinds = {BINARY_ARCHIVE: BATCHES[split], PYTHON_ARCHIVE: PICKLES[split]}
        return [origin], kinds.get(origin.name)
    if _is_tree(origin, split):
        left = LeftOut()
        files = [path for name in CLASSES for path in walk(origin / split / name, left)]
        if str(left):
            warnings.warn(f"{shown(origin / split)}: left out {left}", stacklevel=4)
        return files, None
    names = BATCHES[split] if _holds(origin, BATCHES[split]) else PICKLES[split]
    return [origin / name for name in names], names


def _from_images(origin: Path, files: list[Path], split: str, workers: int | None) -> tuple[Tensor, Tensor]:
    """The images of a tree, or of an archive of one, sorted by class and name."""
    if origin.is_dir():
        sources = [(path.relative_to(origin / split).parts[0], path) for path in files]
    else:
        sources = _members(origin, split)
    labels = torch.tensor([CLASSES.index(name) for name, _ in sources])
    encoded = [source for _, source in sources]
    return decode_images(encoded, size=32, resize=False, workers=workers, description=f"cifar10 {split}"), labels


def _members(archive: Path, split: str) -> list[tuple[str, tuple[str, bytes]]]:
    """(class, (name for messages, encoded image)) of an archived tree [TOP/]SPLIT/CLASS/FILE, sorted."""

    def wanted(path: PurePosixPath) -> bool:
        return (
            path.parts[-3:-2] == (split,)
            and path.parent.name in CLASSES
            and path.suffix.lower() in SUFFIXES
            and not path.name.startswith(".")
        )

    members = sorted(tar_members(archive, wanted), key=lambda item: (CLASSES.index(item[0].parent.name), item[0].name))
    if not members:
        raise DatasetUnusable(f"{shown(archive)} holds no {split}/CLASS/*.jpg|png of the classes {', '.join(CLASSES)}")
    return [(path.parent.name, (f"{shown(archive)}: {shown(str(path))}", data)) for path, data in members]


def _fetch(root: Path) -> Path:
    def check(path: Path) -> str | None:
        found = file_digest(path, "md5")
        return None if found == MD5 else f"md5 is {found}, the publisher prints {MD5}"

    return download(URL, root / "cifar10" / BINARY_ARCHIVE, check=check)
