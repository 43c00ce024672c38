"""Files that a reader never meets half written, and folders that have one writer at a time.

Whole objects are written by renaming a finished temporary file, lines by appending under a lock. Both are flushed to
the disk before the call returns.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
"""What the system answers where another process has the lock; anything else means that there are no locks."""


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
    temporary = path.parent / f".{path.name}-{secrets.token_hex(4)}"  # with the permissions of the umask
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
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
        lock(file, wait=True)
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


def lock(file: Any, *, wait: bool = False) -> bool:
    """Take the system's lock on an open file, held until it is closed; False where another process has it.

    Where the file system has no locks (some network file systems) or the system has none, a warning says so and True
    comes back: one writer is then what the caller has to see to.
    """
    try:
        if fcntl is None:
            raise OSError(errno.ENOSYS, "this system has no flock")
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in TAKEN:
            return False
        warnings.warn(
            f"{Path(file.name).parent} lies where files cannot be locked ({error.strerror}): see to it that only one "
            "run writes there",
            stacklevel=3,
        )
    return True


@contextlib.contextmanager
def exclusive(folder: str | os.PathLike, *, wait: bool = False) -> Iterator[None]:
    """Hold `folder` for one writer; FolderInUse at once when another process has it, or wait for its turn. Freed even
    by SIGKILL."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as file:
        if not lock(file, wait=wait):
            raise FolderInUse(f"folder {folder} is in use by another run; wait for it or choose another one")
        yield
