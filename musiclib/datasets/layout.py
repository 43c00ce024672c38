"""Trees of images: which files, labels and classes make up a split, in the layouts that people have.

    CLASS/*                                        split by class, always the same way
    train/CLASS/*  with  test|val|valid|validation/CLASS/*      in upper, lower or mixed case
    train/CLASS/*, val/CLASS/*, test/*             ILSVRC: a test folder without class folders is passed over
    train/CLASS/images/*, val/images/* with val/val_annotations.txt         Tiny-ImageNet
    train.X1/CLASS/* ... train.X4/CLASS/*, val.X/CLASS/*        ImageNet-100 in parts
    *  or  train/*                                 no class folders: pictures without labels

Classes are the folder names of the training part, sorted. A class folder without a picture is an error that names it,
and what is left out is told in one line.
"""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from musiclib.datasets.imageset import stratified_indices
from musiclib.datasets.scan import Folder, LeftOut, look, walk
from musiclib.datasets.sources import DatasetMissing, DatasetUnusable, Unlabelled, shown

TRAIN_NAME = "train"
TRAIN_PART = re.compile(r"train\.x\d+")
TEST_NAMES = ("test", "val", "valid", "validation", "val.x")
ANNOTATIONS = "val_annotations.txt"
REMEDY = (
    "name a folder that holds CLASS/*.jpg|png (or train/CLASS/* and test/CLASS/*; without class folders it can be "
    "trained on, not scored), as folder:PATH"
)
NO_LABELS = (
    "has no class folders and so no labels: it can be trained on (--no-evaluate), not scored or split into classes; "
    "score the encoder on a labelled set"
)

Split = tuple[list[Path], Int64[Tensor, "n"] | None, tuple[str, ...]]


def split_files(folder: Path, split: str, test_fraction: float = 0.2) -> Split:
    """(files, labels, classes) of one split of a tree; files sorted by class and name. Without class folders labels
    are None and there is no test split (Unlabelled)."""
    left, left_in_train = LeftOut(), LeftOut()
    top = look(folder, left)
    names = {path.name.casefold() for path in top.folders}
    train = _training_parts(top)
    inner = [look(part, left_in_train) for part in train]
    if any(part.folders for part in inner) or (train and names <= {TRAIN_NAME, *TEST_NAMES}):
        left.loose += len(top.pictures)
        left.beside += [p.name for p in top.folders if p not in train and p.name.casefold() not in TEST_NAMES]
        left.add(left_in_train)
        left = left if split == "train" else LeftOut()
        found = _given_split(folder, top, train, inner, split, left)
    elif top.folders and names <= set(TEST_NAMES):
        raise DatasetMissing(f"folder:{shown(folder)} ({split})", [folder / TRAIN_NAME], REMEDY)
    else:
        found = _own_split(folder, top, split, test_fraction, left)
    if not found[0]:
        raise DatasetMissing(f"folder:{shown(folder)} ({split})", [folder], REMEDY)
    if str(left):
        warnings.warn(f"folder:{shown(folder)} ({split}): left out {left}", stacklevel=3)
    return found


def _training_parts(top: Folder) -> list[Path]:
    """The folder called train in any case, else those of a training set in parts."""
    train = _named(top, TRAIN_NAME)
    return [train] if train else [path for path in top.folders if TRAIN_PART.fullmatch(path.name.casefold())]


def _given_split(folder: Path, top: Folder, train: list[Path], inner: list[Folder], split: str, left: LeftOut) -> Split:
    """The split that the tree makes itself."""
    classes = tuple(sorted({path.name for part in inner for path in part.folders}))
    if split == "train":
        pictures = [path for part in inner for path in part.pictures]
        if not classes:
            return pictures, None, ()
        left.loose += len(pictures)
        return _labelled(train, classes, classes, left)
    if not classes:
        raise Unlabelled(f"{shown(train[0])} {NO_LABELS}")
    passed_over = []
    for name in TEST_NAMES:
        part = _named(top, name)
        if part is None:
            passed_over.append(f"{folder / name}")
            continue
        if (part / ANNOTATIONS).is_file():
            return _annotated(part, classes, left)
        held = look(part, left)
        present = tuple(path.name for path in held.folders)
        strange = [name for name in present if name not in classes]
        if len(strange) < len(present):
            if strange:
                names = ", ".join(map(shown, strange))
                raise DatasetUnusable(f"{shown(part)} holds the class folder(s) {names} that train/ does not have")
            left.loose += len(held.pictures)
            return _labelled([part], classes, present, left)
        left.clear()
        what = f"the folder(s) {', '.join(map(shown, strange[:5]))}" if strange else "no folders"
        passed_over.append(f"{part} (has {what}, none of the classes of {train[0]})")
    raise DatasetMissing(f"folder:{shown(folder)} (test)", passed_over, REMEDY)


def _own_split(folder: Path, top: Folder, split: str, test_fraction: float, left: LeftOut) -> Split:
    """A split made here: every class gives `test_fraction` of its pictures to the test set."""
    if not top.folders:
        if split == "test" and top.pictures:
            raise Unlabelled(f"{shown(folder)} {NO_LABELS}")
        return list(top.pictures), None, ()
    left.loose += len(top.pictures)
    classes = tuple(path.name for path in top.folders)
    files, labels, _ = _labelled([folder], classes, classes, left)
    kept, held = stratified_indices(labels, test_fraction, seed=0)
    if split == "test":
        if not len(held):
            raise DatasetUnusable(f"{shown(folder)} has one picture a class and none to hold out: add a test/ folder")
        _tell_missing(
            f"the part of {shown(folder)} that is held out", classes, {classes[i] for i in labels[held].tolist()}
        )
    chosen = kept if split == "train" else held
    return [files[i] for i in chosen.tolist()], labels[chosen], classes


def _labelled(parts: list[Path], classes: tuple[str, ...], present: tuple[str, ...], left: LeftOut) -> Split:
    """The pictures of the class folders `present` in all of the parts of a set, numbered as in `classes`."""
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        if name in present:
            before = left.others.total()
            folders = [part / name for part in parts if len(parts) == 1 or os.path.isdir(part / name)]
            found = [path for folder in folders for path in walk(folder, left)]
            if not found:
                others = left.others.total() - before
                raise DatasetUnusable(
                    f"the class {shown(name)} has no pictures: {shown(folders[0])} "
                    + (f"holds {others} file(s) of other kinds; " if others else "is empty; ")
                    + "remove the folder, or fill it"
                )
            files += found
            labels += [label] * len(found)
    _tell_missing(shown(parts[0]), classes, present)
    return files, torch.tensor(labels, dtype=torch.int64), classes


def _tell_missing(what: str, classes: tuple[str, ...], present: Collection[str]) -> None:
    missing = [name for name in classes if name not in present]
    if missing:
        more = ", ..." if len(missing) > 5 else ""
        warnings.warn(
            f"{what} lacks {len(missing)} of {len(classes)} classes of the training set: "
            f"{', '.join(map(shown, missing[:5]))}{more}",
            stacklevel=6,
        )


def _annotated(folder: Path, classes: tuple[str, ...], left: LeftOut) -> Split:
    """The pictures that `val_annotations.txt` lists: a line each, name and class first, separated by tabs."""
    pictures = {path.name: path for path in walk(folder, left)}
    left.others -= Counter({".txt": 1})  # the list itself
    list_file = folder / ANNOTATIONS
    try:
        lines = list_file.read_text("utf-8", "surrogateescape").split("\n")
    except OSError as error:
        raise DatasetUnusable(f"{shown(list_file)} cannot be read: {error.strerror}") from error
    found: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        name, *rest = line.split("\t")
        problem = None
        if not rest:
            problem = "has no tab between a file's name and its class"
        elif rest[0] not in classes:
            problem = f"names the class {shown(rest[0])} that train/ does not have"
        elif name not in pictures:
            problem = f"names the picture {shown(name)}, which is not there"
        elif name in found:
            problem = f"names the picture {shown(name)} a second time"
        if problem:
            raise DatasetUnusable(f"line {number} of {shown(list_file)} {problem}")
        found[name] = classes.index(rest[0])
    left.unlisted += len(pictures) - len(found)
    order = sorted(found, key=lambda name: (found[name], name))
    return [pictures[name] for name in order], torch.tensor([found[name] for name in order]), classes


def _named(folder: Folder, name: str) -> Path | None:
    """The sub-folder of that name in any case; DatasetUnusable where several differ in case alone."""
    found = [path for path in folder.folders if path.name.casefold() == name]
    if len(found) > 1:
        raise DatasetUnusable(
            f"{shown(found[0].parent)} holds {' and '.join(path.name for path in found)}: which of them is meant?"
        )
    return found[0] if found else None


def locate(path: str, root: Path) -> Path:
    """The folder that folder:PATH means: PATH itself, else PATH below the root."""
    places = [Path(os.path.expanduser(path)).absolute(), root / path]
    looked = []
    for place in places:
        if path and os.path.isdir(place):
            return place
        try:
            looked.append(f"{place} (a file, not a folder)" if place.exists() else place)
        except (OSError, ValueError) as error:
            looked.append(f"{place} ({getattr(error, 'strerror', None) or error})")
    raise DatasetMissing(f"folder:{shown(path)}", looked, REMEDY)
