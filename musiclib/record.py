"""Records: one JSON object a run, from which every table and figure is made, and where each number came from.

Files are written so that a reader never meets half of one: whole objects by renaming a finished temporary file,
lines by appending under a lock. Both are flushed to the disk before the call returns.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import musiclib

SCHEMA = 1
"""Version of the record's layout."""

PACKAGE = Path(musiclib.__file__).resolve().parent


class FolderInUse(RuntimeError):
    """Another process writes to the folder."""


def now() -> str:
    """The time in UTC, ISO 8601 to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def sources_hash(package: Path = PACKAGE) -> str:
    """12 hexadecimal digits over names and contents of every Python file of the library: what code really ran.

    Unlike the commit it is right in a dirty checkout and in an installed copy.
    """
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def git_state(folder: Path = PACKAGE) -> dict[str, Any]:
    """{"commit", "dirty"} of the checkout that holds `folder`; both None outside one, or without git."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    try:
        # A checkout that merely contains the environment the library is installed in says nothing about the library.
        git("ls-files", "--error-unmatch", "__init__.py")
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


def processor() -> str:
    """The processor's name, as far as the system tells."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def provenance(device: torch.device | str = "cpu") -> dict[str, Any]:
    """{"environment": versions, device, threads, platform; "code": commit, dirty flag, hash of the sources}."""
    device = torch.device(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return {
        "environment": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "musiclib": musiclib.__version__,
            "device": device.type,
            "device_name": name,
            "threads": torch.get_num_threads(),
            "platform": platform.platform(),
        },
        "code": {**git_state(), "sources": sources_hash()},
    }


def peak_memory_mb(device: torch.device | str = "cpu") -> float:
    """Highest memory so far in MiB: allocated on a CUDA device since its counter was reset, or resident in this
    process."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB here
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


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
    except (OSError, ValueError):
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
    """All readable JSON lines of a file, in order, without those that a crash cut short. Empty for a missing file."""
    records = []
    with contextlib.suppress(FileNotFoundError):
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                records.append(json.loads(line))
    return records


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
