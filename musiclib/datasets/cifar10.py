"""CIFAR-10: 50,000 + 10,000 colour images, 32 x 32, from an image tree, an archive of one, or the binary batches."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from musiclib.datasets.cache import cache_folder, cached, fingerprint_files
from musiclib.datasets.decode import SUFFIXES, decode_images
from musiclib.datasets.imageset import ImageSet, fewer
from musiclib.datasets.sources import DatasetMissing, download, file_digest, tar_members

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
COUNT = {"train": 50_000, "test": 10_000}
BATCHES = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}
RECORD = 1 + 3 * 32 * 32  # a label, then the red, green and blue planes
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"  # printed on https://www.cs.toronto.edu/~kriz/cifar.html
BINARY_ARCHIVE = "cifar-10-binary.tar.gz"
IMAGE_ARCHIVES = tuple(
    f"{stem}.{suffix}"
    for stem in ("cifar10-images", "cifar10", "cifar-10-images")
    for suffix in ("tar.xz", "tar", "tar.gz", "tgz", "tar.bz2")
)
REMEDY = (
    f"pass download=True (162 MB from {URL}, checked), or put that archive, its *.bin files, a tree "
    "train/CLASS/*.jpg|png + test/CLASS/*, or such a tree as cifar10-images.tar[.xz|.gz] into ROOT/cifar10 and name "
    "ROOT by root=, --data-root or MUSICLIB_DATA. (cifar-10-batches-py holds pickles, which are not read.)"
)


def load(
    split: str,
    root: Path,
    *,
    download: bool = False,
    verify: bool = True,
    workers: int | None = None,
    samples: int | None = None,
) -> ImageSet:
    """CIFAR-10 as (N, 3, 32, 32) with the classes in their usual order.

    Looks in `root`, ROOT/cifar10, ROOT/cifar-10, ROOT/CIFAR10 and ROOT/cifar-10-batches-bin, in each for the image
    tree, the binary batches, an archive of the tree, the archive of the batches. Images of a tree come sorted by class
    and file name, those of the batches in the published order, and a JPEG tree has lost a little in compression: the
    checksum tells the sources apart. `download=True` fetches the binary archive into ROOT/cifar10 when nothing else
    is there. `verify=False` accepts another number of images than 5,000 and 1,000 a class. Archives are read in
    memory; nothing is unpacked. samples: train on this many, see `fewer`.
    """
    folders = [root, root / "cifar10", root / "cifar-10", root / "CIFAR10", root / "cifar-10-batches-bin"]
    origin = _find(folders, split)
    if origin is None and download:
        origin = _fetch(root)
    if origin is None:
        raise DatasetMissing("cifar10", folders, REMEDY)
    if origin.is_file():
        files = [origin]
    elif _is_tree(origin, split):
        files = tree_files(origin / split)
    else:
        files = [origin / name for name in BATCHES[split]]

    def build() -> tuple[Tensor, Tensor, tuple[str, ...]]:
        if origin.is_file():
            images, labels = _from_archive(origin, split, workers)
        elif files[0].suffix == ".bin":
            images, labels = parse_batches((str(path), path.read_bytes()) for path in files)
        else:
            labels = torch.tensor([CLASSES.index(path.parent.name) for path in files])
            images = decode_images(files, size=32, resize=False, workers=workers, description=f"cifar10 {split}")
        if verify:
            counts = torch.bincount(labels, minlength=10)
            if counts.tolist() != [COUNT[split] // 10] * 10:
                raise ValueError(
                    f"{origin} holds {counts.tolist()} {split} images a class, CIFAR-10 has {COUNT[split] // 10} of "
                    "each: incomplete? Get it again, or pass verify=False to read it as it is"
                )
        return images, labels, CLASSES

    base = origin if origin.is_dir() else origin.parent
    decoded = cached(
        cache_folder(root),
        f"cifar10-{split}",
        source=f"{origin} {split} verify={verify}",
        fingerprint=fingerprint_files(files, base),
        build=build,
    )
    found = ImageSet("cifar10", split, decoded.images, decoded.labels, decoded.classes, checksum=decoded.checksum)
    return fewer(found, samples)


def parse_batches(batches: Iterable[tuple[str, bytes]]) -> tuple[Tensor, Tensor]:
    """(images (N, 3, 32, 32) uint8, labels (N,) int64) of binary batches given as (name, content), in that order."""
    parts = []
    for name, content in batches:
        if not content or len(content) % RECORD:
            raise ValueError(f"{name} has {len(content)} bytes, no whole number of {RECORD}-byte records; get it again")
        records = np.frombuffer(content, dtype=np.uint8).reshape(-1, RECORD)
        if records[:, 0].max() > 9:
            raise ValueError(f"{name} holds the label {records[:, 0].max()}, CIFAR-10 has 0..9; is it CIFAR-100?")
        parts.append(records)
    records = np.concatenate(parts)
    images = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).copy())  # planes of one record, row by row
    return images, torch.from_numpy(records[:, 0].astype(np.int64))


def tree_files(folder: Path) -> list[Path]:
    """The image files of CLASS folders, sorted by class and name."""
    files = (path for name in CLASSES for path in sorted((folder / name).iterdir()))
    return [path for path in files if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]


def _is_tree(folder: Path, split: str) -> bool:
    return all((folder / split / name).is_dir() for name in CLASSES)


def _find(folders: list[Path], split: str) -> Path | None:
    """The first folder that holds the tree or the batches, or the first archive of one of them."""
    for folder in folders:
        if _is_tree(folder, split) or all((folder / name).is_file() for name in BATCHES[split]):
            return folder
        for name in (*IMAGE_ARCHIVES, BINARY_ARCHIVE):
            if (folder / name).is_file():
                return folder / name
    return None


def _from_archive(archive: Path, split: str, workers: int | None) -> tuple[Tensor, Tensor]:
    if archive.name == BINARY_ARCHIVE:
        batches = {path.name: data for path, data in tar_members(archive, lambda path: path.name in BATCHES[split])}
        missing = [name for name in BATCHES[split] if name not in batches]
        if missing:
            raise ValueError(f"{archive} lacks {', '.join(missing)}; get it again")
        return parse_batches((name, batches[name]) for name in BATCHES[split])

    def wanted(path: PurePosixPath) -> bool:  # [TOP/]SPLIT/CLASS/FILE
        return (
            path.parts[-3:-2] == (split,)
            and path.parent.name in CLASSES
            and path.suffix.lower() in SUFFIXES
            and not path.name.startswith(".")
        )

    members = sorted(tar_members(archive, wanted), key=lambda item: (CLASSES.index(item[0].parent.name), item[0].name))
    if not members:
        raise ValueError(f"{archive} holds no {split}/CLASS/*.jpg|png with the classes {', '.join(CLASSES)}")
    labels = torch.tensor([CLASSES.index(path.parent.name) for path, _ in members])
    encoded = [data for _, data in members]
    return decode_images(encoded, size=32, resize=False, workers=workers, description=f"cifar10 {split}"), labels


def _fetch(root: Path) -> Path:
    def check(path: Path) -> str | None:
        found = file_digest(path, "md5")
        return None if found == MD5 else f"md5 is {found}, the publisher prints {MD5}"

    return download(URL, root / "cifar10" / BINARY_ARCHIVE, check=check)
