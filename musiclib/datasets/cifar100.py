"""CIFAR-100: 50,000 + 10,000 colour images, 32 x 32, of 100 fine classes, from the pickled or the binary files."""

from __future__ import annotations

import os
from pathlib import Path

from musiclib.datasets.cifar import binary_batches, check_counts, contents, python_batches
from musiclib.datasets.origin import Arrays, Origin
from musiclib.datasets.sources import DatasetMissing, download, file_digest

NAMES = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can "
    "castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin "
    "elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard "
    "lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear "
    "pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark "
    "shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone "
    "television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
)
CLASSES = tuple(NAMES.split())
EACH = {"train": 500, "test": 100}
PICKLES_MD5 = {"train": "16019d7e3df5f24257cddd939b257f8d", "test": "f0ef6b0ae62326f3e7ffdfab6717acfc"}  # torchvision's
URL = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
MD5 = "eb9058c3a382ffc7106e4002c42a8d85"  # printed on https://www.cs.toronto.edu/~kriz/cifar.html
PYTHON_ARCHIVE, BINARY_ARCHIVE = "cifar-100-python.tar.gz", "cifar-100-binary.tar.gz"
FOLDERS = (".", "cifar100", "cifar-100", "CIFAR100", "cifar-100-python", "cifar-100-binary")
REMEDY = (
    f"pass download=True (169 MB from {URL}, checked), or put that archive, {BINARY_ARCHIVE}, or one of them unpacked "
    "(cifar-100-python, cifar-100-binary) into ROOT/cifar100 and name ROOT by root=, --data-root or MUSICLIB_DATA"
)


def find(split: str, root: Path, *, download: bool = False, verify: bool = True, samples: int | None = None) -> Origin:
    """CIFAR-100 as (N, 3, 32, 32) in the published order, with the 100 fine classes.

    Looks in `root`, ROOT/cifar100, ROOT/cifar-100, ROOT/CIFAR100, and in cifar-100-python and cifar-100-binary in each
    of them, for the pickled file, the binary file, and the archives of both. `download=True` fetches the archive of the
    pickles into ROOT/cifar100. `verify=False` accepts another number of images than 500 and 100 a class, and pickles
    that are not the published ones. samples: train on this many, see `fewer`.
    """
    folders = [root / name for name in FOLDERS]
    folders += [folder / name for folder in folders[:4] for name in FOLDERS[4:]]
    origin = next((found for folder in folders if (found := _find(folder, split))), None)
    if origin is None and download:
        origin = _fetch(root)
    if origin is None:
        raise DatasetMissing("cifar100", folders[: len(FOLDERS)], REMEDY)
    binary = origin.suffix == ".bin" or origin.name == BINARY_ARCHIVE

    def read() -> Arrays:
        archived = origin.name in (PYTHON_ARCHIVE, BINARY_ARCHIVE)
        place, name = origin if archived else origin.parent, f"{split}.bin" if binary else split
        if binary:
            images, labels = binary_batches(contents(place, [name]), len(CLASSES), label_bytes=2)
        else:
            md5 = PICKLES_MD5 if verify else None
            images, labels = python_batches(contents(place, [name], md5), len(CLASSES), "fine_labels")
        if verify:
            check_counts(origin, split, labels, len(CLASSES), EACH[split])
        return images, labels, CLASSES

    return Origin(
        "cifar100", split, [origin], origin.parent, root, read,
        settings={"verify": verify}, classes=CLASSES, store=True, samples=samples,
    )  # fmt: skip


def _find(folder: Path, split: str) -> Path | None:
    """The file of a split in `folder`, or an archive that holds it. A file called train says little by itself: the
    list of names that is published with it has to lie beside it."""
    for name, beside in ((split, "meta"), (f"{split}.bin", "fine_label_names.txt")):
        if os.path.isfile(folder / name) and os.path.isfile(folder / beside):
            return folder / name
    archives = (folder / name for name in (PYTHON_ARCHIVE, BINARY_ARCHIVE))
    return next((archive for archive in archives if os.path.isfile(archive)), None)


def _fetch(root: Path) -> Path:
    def check(path: Path) -> str | None:
        found = file_digest(path, "md5")
        return None if found == MD5 else f"md5 is {found}, the publisher prints {MD5}"

    return download(URL, root / "cifar100" / PYTHON_ARCHIVE, check=check)
