"""Any folder of images, decoded into memory: CLASS/*.jpg, with or without train/ and a test folder above."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from musiclib.datasets.cache import cache_folder
from musiclib.datasets.decode import damaged_images, decode_images
from musiclib.datasets.identity import content_hash, reader_version
from musiclib.datasets.layout import REMEDY, Split, locate, split_files
from musiclib.datasets.origin import Arrays, Origin
from musiclib.datasets.sources import DatasetUnusable, shown
from musiclib.datasets.storage import read_note, write_note

__all__ = ["LARGEST", "REMEDY", "find", "sound_files", "split_files"]

LARGEST = 16 * 2**30  # bytes of decoded pixels that are still held in memory
DAMAGED = ("refuse", "skip")


def find(
    split: str,
    root: Path,
    path: str,
    *,
    size: int = 64,
    channels: int = 3,
    test_fraction: float = 0.2,
    workers: int | None = None,
    damaged: str = "refuse",
    samples: int | None = None,
) -> Origin:
    """The images of a tree as (N, channels, size, size): shorter side scaled to `size`, centre cut out.

    Layouts, classes and splits: `musiclib.datasets.layout`. Without train/ every class gives `test_fraction` of its
    images to the test split, always the same ones. A set that would not fit in memory is a ValueError; read it with
    `musiclib.datasets.stream`. damaged: 'refuse' makes a file that cannot be decoded an error that names it, 'skip'
    leaves such files out and lists them. samples: train on this many, see `fewer`.
    """
    folder = locate(path, root)
    files, labels, classes = split_files(folder, split, test_fraction)
    if check_damaged(damaged) == "skip":
        files, labels, classes = sound_files((files, labels, classes), folder, root, workers)
    pixels = len(files) * channels * size * size
    if pixels > LARGEST:
        raise ValueError(
            f"{len(files)} images at size={size} take {pixels / 2**30:.0f} GiB, more than {LARGEST / 2**30:.0f} GiB: "
            "choose a smaller size, or read the tree with musiclib.datasets.stream"
        )

    def read() -> Arrays:
        description = f"{shown(folder.name)} {split}"
        images = decode_images(files, size=size, channels=channels, workers=workers, description=description)
        return images, labels, classes

    return Origin(
        f"folder:{folder}", split, files, folder, root, read,
        settings={"size": size, "channels": channels}, labels=labels, classes=classes, store=True, samples=samples,
    )  # fmt: skip


def check_damaged(damaged: str) -> str:
    if damaged not in DAMAGED:
        raise ValueError(f"damaged must be {' or '.join(map(repr, DAMAGED))}, got {damaged!r}")
    return damaged


def sound_files(found: Split, folder: Path, root: Path, workers: int | None = None) -> Split:
    """The split without the files that cannot be decoded, which a warning lists; a class that loses all of its images
    is an error. Everything is decoded once for it, and the result is remembered for this state of the files."""
    files, labels, classes = found
    cache = cache_folder(root)
    content, _ = content_hash(files, folder, cache)
    note = cache and cache / f"damaged-{content[:16]}.json"
    listed = read_note(note, f"{content} {reader_version()}")
    if listed is None:
        listed = [[row, words] for row, words in damaged_images(files, workers=workers).items()]
        write_note(note, f"{content} {reader_version()}", listed)
    if not listed:
        return found
    words = "; ".join(words for _, words in listed[:20]) + ("; ..." if len(listed) > 20 else "")
    warnings.warn(f"folder:{shown(folder)}: {len(listed)} damaged file(s) left out: {words}", stacklevel=4)
    bad = {row for row, _ in listed}
    rows = [row for row in range(len(files)) if row not in bad]
    kept = None if labels is None else labels[torch.tensor(rows, dtype=torch.int64)]
    lost = [] if labels is None else sorted(set(labels.tolist()) - set(kept.tolist()))
    if lost or not rows:
        names = f"the class {shown(classes[lost[0]])}" if lost else shown(folder)
        raise DatasetUnusable(f"every image of {names} is damaged: {listed[0][1]}")
    return [files[row] for row in rows], kept, classes
