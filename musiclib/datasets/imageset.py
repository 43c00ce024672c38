"""The one shape in which every set of images arrives: uint8 pixels, int64 labels, names, a checksum."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Decoded images in memory, with labels and, where they are known, the factors that made them.

    images          (N, C, H, W) uint8, values 0..255
    labels          (N,) int64 in 0..len(classes)-1; None for a set without labels, which can be trained on, not scored
    classes         the name of every label; () without labels
    factors         for rendered sets: factor name -> (N,) int64 value indices; empty otherwise
    factor_values   factor name -> the names of its values
    checksum        sha256 over shape, images and labels; made here when not given. Two sets with one checksum hold the
                    same pixels and labels in the same order.
    identity        what decides the set, names of the classes included: for a set read from files the same on every
                    machine and known before anything is decoded (`musiclib.datasets.identity`); else of checksum and
                    classes
    """

    name: str
    split: str
    images: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, "n"] | None
    classes: tuple[str, ...]
    factors: Mapping[str, Int64[Tensor, "n"]] = field(default_factory=dict)
    factor_values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    checksum: str = ""
    identity: str = ""

    def __post_init__(self) -> None:
        n = len(self.images)
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise ValueError(
                f"images must be uint8 (N, C, H, W), got {self.images.dtype} of shape {tuple(self.images.shape)}"
            )
        if self.labels is None and self.classes:
            raise ValueError(f"a set without labels has no classes, got {', '.join(self.classes)}")
        if self.labels is not None:
            _check_labels(self.labels, n, self.classes)
        for factor, values in self.factors.items():
            if values.shape != (n,) or factor not in self.factor_values:
                raise ValueError(f"factor {factor!r} needs {n} values and an entry in factor_values")
        if not self.checksum:
            object.__setattr__(self, "checksum", content_checksum(self.images, self.labels))
        if not self.identity:
            words = json.dumps([self.checksum, *self.classes])
            object.__setattr__(self, "identity", hashlib.sha256(words.encode()).hexdigest())

    def __len__(self) -> int:
        return len(self.images)

    @property
    def channels(self) -> int:
        return self.images.shape[1]

    @property
    def size(self) -> int:
        """Height in pixels (every set here is square)."""
        return self.images.shape[2]

    def subset(self, indices: Tensor | np.ndarray | Sequence[int], *, split: str | None = None) -> ImageSet:
        """The images at `indices` (positions, in the order given), with their labels and factors; a copy."""
        positions = torch.as_tensor(indices, dtype=torch.int64)
        if positions.ndim != 1:
            raise ValueError(f"indices must be one list of positions, got shape {tuple(positions.shape)}")
        if len(positions) and not (int(positions.min()) >= 0 and int(positions.max()) < len(self)):
            raise IndexError(
                f"indices must lie in 0..{len(self) - 1}, got {int(positions.min())}..{int(positions.max())}"
            )
        return ImageSet(
            name=self.name,
            split=split or self.split,
            images=self.images[positions],
            labels=None if self.labels is None else self.labels[positions],
            classes=self.classes,
            factors={name: values[positions] for name, values in self.factors.items()},
            factor_values=self.factor_values,
            identity=hashlib.sha256(self.identity.encode() + positions.numpy().astype("<i8").tobytes()).hexdigest(),
        )


def _check_labels(labels: Tensor, count: int, classes: Sequence[str]) -> None:
    if labels.dtype != torch.int64 or labels.shape != (count,):
        raise ValueError(f"labels must be int64 of shape ({count},), got {labels.dtype} of shape {tuple(labels.shape)}")
    if count and not (int(labels.min()) >= 0 and int(labels.max()) < len(classes)):
        raise ValueError(
            f"labels must lie in 0..{len(classes) - 1} ({len(classes)} classes), "
            f"got {int(labels.min())}..{int(labels.max())}"
        )


def content_checksum(images: UInt8[Tensor, "n c h w"], labels: Int64[Tensor, "n"] | None) -> str:
    """sha256 (64 hex digits) over the shape, the pixels and the labels; the same on little- and big-endian machines."""
    digest = hashlib.sha256(",".join(map(str, images.shape)).encode())
    digest.update(np.ascontiguousarray(images.cpu().numpy()))
    if labels is not None:
        digest.update(np.ascontiguousarray(labels.cpu().numpy().astype("<i8")))
    return digest.hexdigest()


def warn_of_one_class(name: str, classes: Sequence[str]) -> None:
    """Says that nothing can be told apart where there is one class: every classifier is right."""
    if len(classes) == 1:
        warnings.warn(f"{name} has one class, {classes[0]}: an accuracy on it is 1 and means nothing", stacklevel=3)


def random_words(count: int, seed: int, *stream: int) -> np.ndarray:
    """`count` uint64 words of numpy's PCG64, seeded by `seed` and the numbers that name the stream.

    Raw words, because numpy promises that those never change, which it does not promise of the Generator's
    distributions. A longer call begins with the words of a shorter one.
    """
    if seed < 0:
        raise ValueError(f"seed must be a non-negative integer, got {seed}")
    return np.random.PCG64(np.random.SeedSequence(seed, spawn_key=stream)).random_raw(count)


def stratified_indices(labels: Int64[Tensor, "n"], fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Positions (kept, held) with `fraction` of every class in `held`; both sorted, disjoint, together everything.

    Class counts are rounded to the nearest whole number, halves up; a class with two or more members has at least one
    on each side, a class with one member stays in `kept`.
    """
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"fraction must lie strictly between 0 and 1, got {fraction}")
    target = labels.cpu().numpy()
    order = np.argsort(random_words(len(target), seed), kind="stable")
    held = np.zeros(len(target), dtype=bool)
    for label in np.unique(target):
        members = order[target[order] == label]
        count = int(np.floor(fraction * len(members) + 0.5))
        if len(members) >= 2:
            count = min(max(count, 1), len(members) - 1)
        else:
            count = 0
        held[members[:count]] = True
    return torch.from_numpy(np.flatnonzero(~held)), torch.from_numpy(np.flatnonzero(held))


def validation_split(imageset: ImageSet, fraction: float = 0.1, seed: int = 0) -> tuple[ImageSet, ImageSet]:
    """Cut a validation set off a training set: (train, validation), stratified by label where there are labels, the
    same for the same seed.

    `fraction` is the share of every class that goes to validation. Choose hyper-parameters on the second set and leave
    the test set for the end.
    """
    kept, held = stratified_indices(_strata(imageset), fraction, seed)
    return imageset.subset(kept), imageset.subset(held, split="validation")


def fewer(imageset: ImageSet, samples: int | None, seed: int = 0) -> ImageSet:
    """About `samples` images of a training set, stratified by label, the same ones for the same seed; the set itself
    for None, for as many as there are, and for every split but 'train': a test set stays whole."""
    if samples is None or imageset.split != "train" or samples == len(imageset):
        return imageset
    if isinstance(samples, bool) or not isinstance(samples, int) or not 0 < samples < len(imageset):
        raise ValueError(f"samples must be a whole number in 1..{len(imageset)}, got {samples!r}")
    return imageset.subset(stratified_indices(_strata(imageset), samples / len(imageset), seed)[1])


def _strata(imageset: ImageSet) -> Tensor:
    return torch.zeros(len(imageset), dtype=torch.int64) if imageset.labels is None else imageset.labels
