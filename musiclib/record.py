"""Records: one JSON object a run, from which every table and figure is made; here, where each number came from."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

import musiclib

SCHEMA = 1
"""Version of the record's layout."""

PACKAGE = Path(musiclib.__file__).resolve().parent


def now() -> str:
    """The time in UTC, ISO 8601 to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def sources_hash(place: Path = PACKAGE) -> str:
    """12 hexadecimal digits over names and contents of every Python file of the library: what code really ran.

    place: another folder, or one file. Unlike the commit it is right in a dirty checkout and in an installed copy.
    """
    digest = hashlib.sha256()
    folder, sources = (place.parent, [place]) if place.is_file() else (place, sorted(place.rglob("*.py")))
    for path in sources:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
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
    try:
        import resource
    except ImportError:  # not on Windows
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB here
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
