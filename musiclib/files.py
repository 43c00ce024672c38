"""Files that a reader never meets half written, and folders that have one writer at a time.

Whole objects are written by renaming a finished temporary file, lines by appending under a lock. Both are flushed to
the disk before the call returns.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch


class FolderInUse(RuntimeError):
    """Another process writes to the folder."""


def jsonable(value: Any) -> Any:
    """`value` with tensors, arrays and numpy numbers as plain values, and nan or infinity as None, which JSON lacks."""
    if isinstance(value, dict):
        return {str(key): jsonable(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(v) for v in value]
    if isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
        return jsonable(value.tolist())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write `value` as JSON, all of it or nothing, replacing what was there."""
    write_text(path, json.dumps(jsonable(value), indent=1, allow_nan=False) + "\n")


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file, all of it or nothing, replacing what was there."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_json(path: str | os.PathLike) -> Any | None:
    """The JSON value in `path`; None where the file is missing or not JSON, as after a crash of another program."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def append_line(path: str | os.PathLike, value: dict[str, Any], *, once: bool = False) -> None:
    """Append `value` as one JSON line, under a lock, so that runs side by side may share the file.

    once: leave the file alone when the very same line is already in it. A last line that a crash
    cut short is completed with a line break first, so that it spoils no record but itself.
    """
    line = json.dumps(jsonable(value), allow_nan=False, separators=(",", ":")).encode() + b"\n"
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        before = file.read() if once else b""
        if once and line in before.splitlines(keepends=True):
            return
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                line = b"\n" + line
        file.write(line)  # one write at the end of the file, whatever the position
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: str | os.PathLike) -> list[dict[str, Any]]:
    """All lines of a file that are JSON objects, in order, without those that a crash cut short. Empty for a missing
    file."""
    records = []
    with contextlib.suppress(FileNotFoundError):
        for line in Path(path).read_bytes().split(b"\n"):
            with contextlib.suppress(ValueError, RecursionError):
                records.append(json.loads(line))
    return [record for record in records if isinstance(record, dict)]


@contextlib.contextmanager
def exclusive(folder: str | os.PathLike, *, wait: bool = False) -> Iterator[None]:
    """Hold `folder` for one writer; FolderInUse at once when another process has it, or wait for its turn. Freed even
    by SIGKILL."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            raise FolderInUse(f"folder {folder} is in use by another run; wait for it or choose another one") from None
        yield
