"""MedMNIST: small biomedical images in one .npz file a set, 28 x 28 (or 64, 128, 224), grey or in colour."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from musiclib.datasets.origin import Arrays, Origin
from musiclib.datasets.sources import DatasetMissing, DatasetUnusable, one_line, read_file, shown

PUBLISHED = 28  # pixels; files of other sizes have them in their names
FOLDERS = (".", "medmnist", "MedMNIST")
REMEDY = (
    "fetch {file} from https://zenodo.org/records/10519652 (or with the package medmnist) into ROOT/medmnist and name "
    "ROOT by root=, --data-root or MUSICLIB_DATA"
)


def find(split: str, root: Path, name: str, *, size: int = PUBLISHED, samples: int | None = None) -> Origin:
    """The set medmnist:NAME (pathmnist, bloodmnist, organamnist ...) as (N, 1 or 3, size, size), in published order.

    Looks in `root`, ROOT/medmnist and ROOT/MedMNIST for NAME.npz, or NAME_SIZE.npz for a size other than 28. The
    published validation part is left alone. Classes are called by their numbers. Sets with several labels an image
    (chestmnist) and volumes (organmnist3d ...) are refused. samples: train on this many, see `fewer`.
    """
    if not re.fullmatch(r"[a-z0-9]+", name):
        raise ValueError(f"medmnist:NAME needs the name of a set in small letters, such as pathmnist, got {name!r}")
    file = f"{name}.npz" if size == PUBLISHED else f"{name}_{size}.npz"
    folders = [root / place for place in FOLDERS]
    path = next((folder / file for folder in folders if os.path.isfile(folder / file)), None)
    if path is None:
        raise DatasetMissing(f"medmnist:{name}", [folder / file for folder in folders], REMEDY.format(file=file))

    def read() -> Arrays:
        return parse_npz(read_file(path), split, shown(path), size)

    return Origin(f"medmnist:{name}", split, [path], path.parent, root, read, settings={"size": size}, samples=samples)


def parse_npz(
    content: bytes, split: str, name: str = "the .npz data", size: int = PUBLISHED
) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """(images (N, C, size, size) uint8, labels (N,) int64, classes '0', '1', ...) of one split. The classes are those
    of all splits. Nothing is unpickled. DatasetUnusable, naming the file, for anything else."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            pixels = arrays[f"{split}_images"]
            labels = {part: arrays[f"{part}_labels"] for part in ("train", "val", "test")}
        if not all(isinstance(values, np.ndarray) for values in (pixels, *labels.values())):
            raise ValueError("a member is no array")
    except Exception as error:
        raise DatasetUnusable(f"{name} cannot be read as a MedMNIST file ({one_line(error)}); get it again") from error
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    if pixels.dtype != np.uint8 or pixels.shape[1:3] != (size, size) or pixels.shape[3:] not in ((1,), (3,)):
        raise DatasetUnusable(
            f"{name} holds images of {pixels.dtype} {pixels.shape}, expected uint8 (N, {size}, {size}) or "
            f"(N, {size}, {size}, 3)"
        )
    for part, values in labels.items():
        if values.ndim > 1 and values.shape[1] != 1:
            raise DatasetUnusable(f"{name} has {values.shape[1]} labels an image; sets with one are read")
        if values.dtype.kind not in "ui" or not values.size or int(values.min()) < 0 or int(values.max()) > 1000:
            raise DatasetUnusable(f"{name} holds {part} labels that are no class numbers")
    chosen = labels[split].reshape(-1).astype(np.int64)
    if len(chosen) != len(pixels):
        raise DatasetUnusable(f"{name} holds {len(pixels)} {split} images and {len(chosen)} labels")
    classes = tuple(str(number) for number in range(1 + max(int(values.max()) for values in labels.values())))
    images = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))  # (n, h, w, c) -> (n, c, h, w)
    return images, torch.from_numpy(chosen), classes
