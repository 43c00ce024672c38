"""Fashion-MNIST: 60,000 + 10,000 grey images of clothes, 28 x 28, read from the four IDX files."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from pathlib import Path

import numpy as np
import torch

from musiclib.datasets.origin import Arrays, Origin
from musiclib.datasets.sources import DatasetMissing, DatasetUnusable, download, one_line, read_file

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # where Debian's package dataset-fashion-mnist puts them
MIRROR = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
PREFIX = {"train": "train", "test": "t10k"}
# sha256 of the unpacked files. The publisher prints md5 sums of his .gz files; Debian packs the same content anew.
CONTENT = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
REMEDY = (
    "on Debian or Ubuntu `apt-get install dataset-fashion-mnist`; elsewhere pass download=True (about 30 MB, checked), "
    f"or put the four *-ubyte.gz files of {MIRROR} (or of https://github.com/zalandoresearch/fashion-mnist) into "
    "ROOT/fashion_mnist and name ROOT by root=, --data-root or MUSICLIB_DATA"
)


def find(split: str, root: Path, *, download: bool = False, verify: bool = True, samples: int | None = None) -> Origin:
    """Fashion-MNIST as (N, 1, 28, 28), in the order of the published files.

    Looks in `root`, ROOT/fashion_mnist, ROOT/fashion-mnist, ROOT/FashionMNIST/raw and the folder of Debian's package,
    for raw or gzipped files. `download=True` fetches what is missing into ROOT/fashion_mnist. `verify=False` accepts
    other content in the same format; otherwise content that is not Fashion-MNIST (MNIST uses the same file names) is
    a DatasetUnusable. samples: train on this many, see `fewer`.
    """
    images_name, labels_name = f"{PREFIX[split]}-images-idx3-ubyte", f"{PREFIX[split]}-labels-idx1-ubyte"
    folders = [root, root / "fashion_mnist", root / "fashion-mnist", root / "FashionMNIST" / "raw", SYSTEM_FOLDER]
    files = _find(folders, images_name, labels_name)
    if files is None and download:
        files = (_fetch(root, images_name), _fetch(root, labels_name))
    if files is None:
        raise DatasetMissing("fashion_mnist", folders, REMEDY)
    images_file, labels_file = files

    def read() -> Arrays:
        pixels = parse_idx(_content(images_file, images_name if verify else None), 3, images_file)
        labels = parse_idx(_content(labels_file, labels_name if verify else None), 1, labels_file)
        if len(pixels) != len(labels):
            raise DatasetUnusable(f"{images_file} holds {len(pixels)} images but {labels_file} {len(labels)} labels")
        if pixels.shape[1] != pixels.shape[2]:
            raise DatasetUnusable(f"{images_file} holds images of {pixels.shape[1]} x {pixels.shape[2]}, not square")
        if labels.max() >= len(CLASSES):
            raise DatasetUnusable(f"{labels_file} holds the label {labels.max()}, Fashion-MNIST has 0..9")
        return torch.from_numpy(pixels)[:, None], torch.from_numpy(labels.astype(np.int64)), CLASSES

    return Origin(
        "fashion_mnist", split, files, images_file.parent, root, read,
        settings={"verify": verify}, classes=CLASSES, store=True, samples=samples,
    )  # fmt: skip


def parse_idx(content: bytes, dimensions: int, origin: Path | str = "the IDX data") -> np.ndarray:
    """An array out of the IDX format, unsigned bytes: two zero bytes, type 8, rank, big-endian sizes, then the values.

    Raises DatasetUnusable, naming `origin`, when type or rank is another one or the length does not fit the sizes.
    """
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes((0, 0, 8, dimensions)):
        raise DatasetUnusable(
            f"{origin} is no IDX file of unsigned bytes with {dimensions} dimension(s): it begins with "
            f"{content[:4].hex(' ') or 'nothing'}, expected 00 00 08 0{dimensions}"
        )
    shape = tuple(int(length) for length in np.frombuffer(content, dtype=">u4", count=dimensions, offset=4))
    if len(content) - start != math.prod(shape):
        raise DatasetUnusable(f"{origin} announces {shape} values but holds {len(content) - start} bytes; get it again")
    if not math.prod(shape):
        raise DatasetUnusable(f"{origin} holds no values: its sizes are {shape}")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape).copy()  # writable, owns its memory


def _find(folders: list[Path], *names: str) -> tuple[Path, ...] | None:
    """The named files (raw before gzipped) of the first folder that holds all of them."""
    for folder in folders:
        found = [next((p for p in (folder / name, folder / f"{name}.gz") if os.path.isfile(p)), None) for name in names]
        if all(found):
            return tuple(path for path in found if path is not None)
    return None


def _fetch(root: Path, name: str) -> Path:
    def check(path: Path) -> str | None:
        try:
            _content(path, name, gzipped=True)
        except DatasetUnusable as error:
            return str(error)
        return None

    return download(f"{MIRROR}{name}.gz", root / "fashion_mnist" / f"{name}.gz", check=check)


def _content(path: Path, published: str | None, *, gzipped: bool | None = None) -> bytes:
    """The unpacked bytes of a file; with `published`, DatasetUnusable unless they are those of the published file."""
    content = read_file(path)
    if gzipped or (gzipped is None and path.suffix == ".gz"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DatasetUnusable(f"{path} is a damaged gzip file ({one_line(error)}); get it again") from error
    if published is not None and hashlib.sha256(content).hexdigest() != CONTENT[published]:
        raise DatasetUnusable(
            f"{path} does not hold Fashion-MNIST's {published} (sha256 differs): damaged, or another set with the same "
            "file names, such as MNIST. Replace it, or pass verify=False to read it as it is"
        )
    return content
