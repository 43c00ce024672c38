"""Any folder of images: CLASS/*.jpg, with or without train/ and test|val|validation/ above the classes."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from musiclib.datasets.cache import cache_folder, cached, fingerprint_files
from musiclib.datasets.decode import SUFFIXES, decode_images
from musiclib.datasets.imageset import ImageSet, stratified_indices
from musiclib.datasets.sources import DatasetMissing

TEST_FOLDERS = ("test", "val", "validation")
REMEDY = "name a folder that holds CLASS/*.jpg|png (or train/CLASS/* and test/CLASS/*), as folder:PATH"
LARGEST = 16 * 2**30  # bytes of decoded pixels that are still held in memory


def load(
    split: str,
    root: Path,
    path: str,
    *,
    size: int = 64,
    channels: int = 3,
    test_fraction: float = 0.2,
    workers: int | None = None,
) -> ImageSet:
    """The images of a tree as (N, channels, size, size): shorter side scaled to `size`, centre cut out.

    With train/ and test|val|validation/ the split is the tree's; without them every class gives `test_fraction` of its
    images to the test split, always the same ones. Where train/ stands alone, the test split is DatasetMissing. Classes
    are the folder names of the whole tree, sorted. A set that would not fit in memory is a ValueError; read it with
    `musiclib.datasets.stream`.
    """
    folder = _locate(path, root)
    files, labels, classes = split_files(folder, split, test_fraction)
    pixels = len(files) * channels * size * size
    if pixels > LARGEST:
        raise ValueError(
            f"{len(files)} images at size={size} take {pixels / 2**30:.0f} GiB, more than {LARGEST / 2**30:.0f} GiB: "
            "choose a smaller size, or read the tree with musiclib.datasets.stream"
        )

    def build() -> tuple[Tensor, Tensor, tuple[str, ...]]:
        images = decode_images(
            files, size=size, channels=channels, workers=workers, description=f"{folder.name} {split}"
        )
        return images, labels, classes

    decoded = cached(
        cache_folder(root),
        f"folder-{folder.name}-{split}",
        source=f"{folder} {split} size={size} channels={channels} test_fraction={test_fraction}",
        fingerprint=fingerprint_files(files, folder),
        build=build,
    )
    name = f"folder:{folder}"
    return ImageSet(name, split, decoded.images, decoded.labels, decoded.classes, checksum=decoded.checksum)


def split_files(
    folder: Path, split: str, test_fraction: float = 0.2
) -> tuple[list[Path], Int64[Tensor, "n"], tuple[str, ...]]:
    """(files, labels, classes) of one split of a tree, by the rules of `load`; files sorted by class and name."""
    tests = [folder / name for name in TEST_FOLDERS if (folder / name).is_dir()]
    if (folder / "train").is_dir():
        if split == "test" and not tests:
            raise DatasetMissing(f"folder:{folder} (test)", [folder / name for name in TEST_FOLDERS], REMEDY)
        classes = class_names(folder / "train")
        files, labels = scan(folder / "train" if split == "train" else tests[0], classes)
    else:
        classes = class_names(folder)
        files, labels = scan(folder, classes)
        if files:
            kept, held = stratified_indices(labels, test_fraction, seed=0)
            chosen = kept if split == "train" else held
            files, labels = [files[i] for i in chosen.tolist()], labels[chosen]
    if not files:
        raise DatasetMissing(f"folder:{folder} ({split})", [folder], REMEDY)
    return files, labels, classes


def class_names(folder: Path) -> tuple[str, ...]:
    """The sub-folders of a folder, sorted, hidden ones left out."""
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")))


def scan(folder: Path, classes: tuple[str, ...]) -> tuple[list[Path], Int64[Tensor, "n"]]:
    """Image files (any depth) under each class folder and their labels. A folder that is no class is a ValueError."""
    strange = [name for name in class_names(folder) if name not in classes]
    if strange:
        raise ValueError(f"{folder} holds the class folder(s) {', '.join(strange)} that train/ does not have")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(
            path
            for path in (folder / name).rglob("*")
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
        )
        files += found
        labels += [label] * len(found)
    return files, torch.tensor(labels, dtype=torch.int64)


def _locate(path: str, root: Path) -> Path:
    places = [Path(path).expanduser().absolute(), root / path]
    for place in places:
        if path and place.is_dir():
            return place
    raise DatasetMissing(f"folder:{path}", places, REMEDY)
