"""Files on disk that appear whole or not at all, locks between processes, and small notes that may be lost."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows: two processes may then do the same work; every file stays whole
    fcntl = None


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A fresh file beside `path` to write to; it takes the place of `path` when the block ends without an error.

    Its permissions follow the umask, its content is on the disk before it gets its name, and nothing is left behind
    when the block fails.
    """
    partial = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}")
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    permissions = stat.S_IMODE(partial.stat().st_mode)
    try:
        yield partial
        partial.chmod(permissions)  # safetensors puts a private file in its place
        with partial.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, waits_for: str) -> Iterator[None]:
    """Hold an advisory lock on `path`; where there is none (no fcntl, a file system without locks) go on unlocked.

    A process that has to wait says what it waits for. The lock ends with the process that holds it.
    """
    with contextlib.ExitStack() as stack:
        if fcntl is not None:
            with contextlib.suppress(OSError):
                stream = stack.enter_context(path.open("a"))
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    warnings.warn(f"another process is {waits_for}; waiting for it ({path})", stacklevel=4)
                    fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def read_note(path: Path | None, key: str) -> Any:
    """What was noted at `path` under `key`; None for no note, another key, a damaged file."""
    try:
        note = json.loads(path.read_text()) if path is not None else None
    except (OSError, ValueError, RecursionError):
        return None
    return note.get("value") if isinstance(note, dict) and note.get("key") == key else None


def write_note(path: Path | None, key: str, value: Any) -> None:
    """Note `value` under `key` at `path`; where it cannot be written the note is dropped."""
    if path is not None:
        with contextlib.suppress(OSError), replacing(path) as partial:
            partial.write_text(json.dumps({"key": key, "value": value}))
