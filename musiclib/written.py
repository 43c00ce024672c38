"""Which files of a folder we wrote ourselves, so that only those are ever deleted or replaced.

The folder keeps a list of names and SHA-256; a file that was changed since, or that is not on it, is somebody else's.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from musiclib import files

MARK = ".written.json"


def written(folder: str | os.PathLike) -> set[Path]:
    """The files of `folder` that are on its list and still have the content that was written."""
    folder = Path(folder)
    listed = files.read_json(folder / MARK)
    if not isinstance(listed, dict):
        return set()
    return {folder / name for name, digest in listed.items() if digest_of(folder / name) == digest}


def note(path: str | os.PathLike) -> None:
    """Put a file that was just written on its folder's list."""
    path = Path(path)
    listed = files.read_json(path.parent / MARK)
    listed = listed if isinstance(listed, dict) else {}
    files.write_json(path.parent / MARK, dict(sorted({**listed, path.name: digest_of(path)}.items())))


def clear(folder: str | os.PathLike, keep: set[str] | None = None) -> None:
    """Delete the files that we wrote, but those called `keep`, and take them off the list. Nothing else is touched."""
    folder, keep = Path(folder), keep or set()
    listed = files.read_json(folder / MARK)
    if not isinstance(listed, dict):
        return
    for path in written(folder):
        if path.name not in keep:
            path.unlink(missing_ok=True)
    files.write_json(folder / MARK, {name: digest for name, digest in listed.items() if name in keep})


def digest_of(path: Path) -> str | None:
    """None for what is no readable file of this very folder."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
