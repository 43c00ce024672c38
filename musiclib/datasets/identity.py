"""What a set of images is made from, in one number: the content of its files, wherever they lie and whenever written.

Reading every file to hash it costs about as much as one epoch spends on reading, so it is done once: the result is
noted in the cache beside the files' status (path, size, times of change of content and of status, inode). A program can
set a file's time of modification back, but not the time of its last change of status, and a file that is replaced has
another inode; where any of them differs the content is hashed again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import features
from torch import Tensor

from musiclib.datasets.sources import DatasetUnusable, shown, tell
from musiclib.datasets.storage import locked, read_note, write_note

SETTLED = 2.0  # seconds after which a file's times tell a second change from the first
BLOCK = 8 * 2**20  # bytes read at a time
PORTION = 4096  # files that are queued for reading at a time
THREADS = 8  # reading waits for the disk, and hashing lets other threads run


@functools.cache
def reader_version() -> str:
    """Changes with every change of the code that reads data, and with the library that decodes images."""
    digest = hashlib.sha256(f"{PIL.__version__} {features.version('jpg')} {np.__version__}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def relative_names(files: Sequence[Path], base: Path) -> list[str]:
    """The names of the files below `base`, with '/' on every system."""
    start = os.path.join(base, "")
    return [os.fspath(path).removeprefix(start).replace(os.sep, "/") for path in files]


def file_status(files: Sequence[Path], base: Path) -> tuple[str, float]:
    """(one hash over name, size, times and inode of every file, seconds since the last of them changed)."""
    digest, newest = hashlib.sha256(), 0
    for name, path in zip(relative_names(files, base), files, strict=True):
        try:
            s = os.stat(path)
        except OSError as error:
            raise DatasetUnusable(f"{shown(path)} cannot be read: {error.strerror}") from error
        digest.update(os.fsencode(name) + f"\0{s.st_size} {s.st_mtime_ns} {s.st_ctime_ns} {s.st_ino}\n".encode())
        newest = max(newest, s.st_ctime_ns)
    return digest.hexdigest(), time.time() - newest / 1e9


def content_hash(files: Sequence[Path], base: Path, cache: Path | None) -> tuple[str, str]:
    """(sha256 over the relative name and the content of every file, in order; the `file_status` that it holds for).

    cache: the folder that remembers it; None reads the files every time. Of several processes that ask at once, one
    reads and the others wait for it. DatasetUnusable when a file cannot be read, or changes meanwhile.
    """
    names = "\0".join(relative_names(files, base))
    key = hashlib.sha256(os.fsencode(os.path.join(base, "")) + b"\0" + os.fsencode(names)).hexdigest()[:16]
    note = cache and cache / f"content-{key}.json"
    status, _ = file_status(files, base)
    known = read_note(note, status)
    if known is not None:
        return known, status
    if note is None:
        return _read_all(files, base, status), status
    with locked(note.with_suffix(".lock"), f"reading {shown(base)}"):
        status, age = file_status(files, base)
        known = read_note(note, status)
        if known is None:
            known = _read_all(files, base, status)
            # Files written a moment ago may be written again without a trace in their times.
            if age > SETTLED:
                write_note(note, status, known)
        return known, status


def _read_all(files: Sequence[Path], base: Path, status: str) -> str:
    total = hashlib.sha256()
    done, last = 0, time.monotonic()
    with ThreadPoolExecutor(min(THREADS, len(files) or 1)) as pool:
        for start in range(0, len(files), PORTION):
            part = files[start : start + PORTION]
            for name, (size, content) in zip(relative_names(part, base), pool.map(_read_one, part), strict=True):
                total.update(os.fsencode(name) + f"\0{size}\0".encode() + content)
                done += size
            if time.monotonic() - last >= 10.0:
                last = time.monotonic()
                tell(f"reading {shown(base)}: {done / 1e9:.1f} GB")
    unchanged(files, base, status)
    return total.hexdigest()


def _read_one(path: Path) -> tuple[int, bytes]:
    digest, size = hashlib.sha256(), 0
    try:
        with open(path, "rb") as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise DatasetUnusable(f"{shown(path)} cannot be read: {error.strerror}") from error
    return size, digest.digest()


def unchanged(files: Sequence[Path], base: Path, status: str) -> None:
    """DatasetUnusable unless the files are as they were when `status` was taken."""
    if file_status(files, base)[0] != status:
        raise DatasetUnusable(f"files of {shown(base)} changed while they were read; start again when all are there")


def identify(
    content: str, kind: str, settings: Mapping[str, Any], classes: Sequence[str], labels: Tensor | None
) -> str:
    """One number for what decides a set: content of its files, reader and its settings, classes, labels in order."""
    parts = [content, kind, dict(settings), list(classes), labels is None]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
    if labels is not None:
        digest.update(np.ascontiguousarray(labels.numpy().astype("<i8")))
    return digest.hexdigest()
