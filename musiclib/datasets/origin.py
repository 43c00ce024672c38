"""A set of images before anything is read: where it comes from, what decides it, and how to read it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from musiclib.datasets.cache import Decoded, cache_folder, cached
from musiclib.datasets.identity import content_hash, identify, reader_version, unchanged
from musiclib.datasets.imageset import ImageSet, content_checksum, fewer

Arrays = tuple[Tensor, Tensor | None, tuple[str, ...]]
"""(images (N, C, H, W) uint8, labels (N,) int64 or None, names of the classes)"""


@dataclass(frozen=True)
class Origin:
    """Files of one split of a set, and how they become arrays.

    name, split    of the set
    files, base    what is read, in order, and the folder that names are relative to
    root           where data are looked for; the cache lies there
    read           makes the arrays
    settings       options of the reader that decide the arrays
    labels, classes   where they are known from the names of files and folders
    store          keep the arrays in the cache: for files that take long to decode
    samples        train on this many of them, see `musiclib.datasets.imageset.fewer`
    """

    name: str
    split: str
    files: Sequence[Path]
    base: Path
    root: Path
    read: Callable[[], Arrays]
    settings: Mapping[str, Any] = field(default_factory=dict)
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    store: bool = False
    samples: int | None = None

    @cached_property
    def state(self) -> tuple[str, str]:
        """(content of the files as one number, their status when it was taken)."""
        return content_hash(self.files, self.base, cache_folder(self.root))

    @property
    def identity(self) -> str:
        """One number for everything that decides the set, the same wherever the files lie. Nothing is decoded for it;
        the files are read unless the cache remembers them in the state in which they are."""
        chosen = {"samples": self.samples} if self.split == "train" and self.samples is not None else {}
        return self._identity({**self.settings, "split": self.split, **chosen})

    def _identity(self, settings: Mapping[str, Any]) -> str:
        return identify(self.state[0], self.name.partition(":")[0], settings, self.classes, self.labels)

    def load(self) -> ImageSet:
        """The decoded set."""
        if self.store:
            images, labels, classes, checksum = self._stored()
        else:
            images, labels, classes = self._read()
            checksum = content_checksum(images, labels)
        whole = ImageSet(self.name, self.split, images, labels, classes, checksum=checksum)
        return dataclasses.replace(fewer(whole, self.samples), identity=self.identity)

    def _read(self) -> Arrays:
        status = self.state[1]
        arrays = self.read()
        unchanged(self.files, self.base, status)
        return arrays

    def _stored(self) -> Decoded:
        """The whole set from the cache: any number of samples may be taken of it."""
        settings = {**self.settings, "split": self.split}
        return cached(
            cache_folder(self.root),
            f"{self.name.partition(':')[0]}-{self.base.name}-{self.split}",
            source=f"{self.base}\0{json.dumps(settings, sort_keys=True)}",
            fingerprint=f"{self._identity(settings)} {reader_version()}",
            build=self._read,
        )
