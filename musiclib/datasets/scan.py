"""What lies in a folder: the one look at file systems that every loader takes.

Hidden names (a leading dot) and the folders that storage systems add (`@eaDir` holds thumbnails of every picture beside
it) are passed over. Links are followed; a broken one is an error, one that leads back to a folder it lies in is ended
and counted. A picture is a regular file with a suffix that is read here. What else is there is counted by its suffix,
so that nothing is left out without a word. Names are whatever the file system admits.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from musiclib.datasets.picture import SUFFIXES
from musiclib.datasets.sources import DatasetUnusable, shown

SYSTEM_FOLDERS = ("@eaDir", "#recycle", "__MACOSX", "lost+found", "$RECYCLE.BIN", "System Volume Information")


@dataclass
class LeftOut:
    """What was seen and is in no set: files by suffix, pictures that belong to no class, links that go in circles,
    folders that are no part of a split."""

    others: Counter[str] = field(default_factory=Counter)
    loose: int = 0
    circles: int = 0
    unlisted: int = 0
    beside: list[str] = field(default_factory=list)

    def clear(self) -> None:
        self.others.clear()
        self.beside.clear()
        self.loose = self.circles = self.unlisted = 0

    def add(self, other: LeftOut) -> None:
        self.others += other.others
        self.beside += other.beside
        self.loose, self.circles = self.loose + other.loose, self.circles + other.circles
        self.unlisted += other.unlisted

    def __str__(self) -> str:
        parts = []
        if self.others:
            kinds = ", ".join(f"{shown(suffix)} {count}" for suffix, count in self.others.most_common(8))
            more = ", ..." if len(self.others) > 8 else ""
            parts.append(f"{self.others.total()} file(s) that are no pictures ({kinds}{more})")
        if self.loose:
            parts.append(f"{self.loose} picture(s) outside the class folders")
        if self.unlisted:
            parts.append(f"{self.unlisted} picture(s) without an annotation")
        if self.beside:
            more = ", ..." if len(self.beside) > 5 else ""
            parts.append(f"the folder(s) {', '.join(map(shown, self.beside[:5]))}{more}, which are no split")
        if self.circles:
            parts.append(f"{self.circles} link(s) to a folder that they lie in")
        return "; ".join(parts)


@dataclass(frozen=True)
class Folder:
    """One folder: its sub-folders and its pictures, both sorted by name."""

    folders: tuple[Path, ...]
    pictures: tuple[Path, ...]


def look(folder: Path, left: LeftOut) -> Folder:
    """The sub-folders and pictures that lie in `folder` itself; the rest goes to `left`.

    DatasetUnusable when it cannot be read, or holds a link that leads nowhere.
    """
    above = [_place(parent) for parent in (folder, *folder.parents)]
    folders, pictures = [], []
    for entry, inside in _entries(folder, left):
        if not inside:
            pictures.append(Path(entry.path))
        elif entry.is_symlink() and _place(entry.path) in above:
            left.circles += 1
        else:
            folders.append(Path(entry.path))
    return Folder(tuple(sorted(folders)), tuple(sorted(pictures)))


def walk(folder: Path, left: LeftOut) -> list[Path]:
    """All pictures below `folder`, at any depth, sorted by name."""
    found, waiting = [], [(os.fspath(folder), tuple(_place(parent) for parent in folder.parents))]
    while waiting:
        place, above = waiting.pop()
        above = (*above, _place(place))
        for entry, inside in _entries(place, left):
            if not inside:
                found.append(entry.path)
            elif entry.is_symlink() and _place(entry.path) in above:
                left.circles += 1
            else:
                waiting.append((entry.path, above))
    return [Path(path) for path in sorted(found, key=lambda path: path.split(os.sep))]


def _entries(folder: str | Path, left: LeftOut) -> Iterator[tuple[os.DirEntry, bool]]:
    """(entry, whether it is a folder) for every picture and sub-folder of a folder, in no order."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name in SYSTEM_FOLDERS:
                    continue
                if entry.is_dir():
                    yield entry, True
                elif entry.is_symlink() and not os.path.exists(entry.path):
                    raise DatasetUnusable(
                        f"{shown(entry.path)} is a link to {shown(os.readlink(entry.path))}, which is not there; "
                        "mend the link or remove it"
                    )
                elif entry.is_file() and os.path.splitext(entry.name)[1].lower() in SUFFIXES:
                    yield entry, False
                else:
                    left.others[os.path.splitext(entry.name)[1].lower() or "no suffix"] += 1
    except OSError as error:
        raise DatasetUnusable(f"the folder {shown(folder)} cannot be read: {error.strerror}") from error


def _place(folder: str | Path) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino
