"""Decoded sets on disk: one safetensors file a set, written whole or not at all, checked when it is read.

A set is decoded once. The file carries the fingerprint of its source (names, sizes and times of the files it was made
from) and the checksum of its content; when either does not hold, the set is decoded again and the file replaced.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Int64, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from musiclib.datasets.imageset import content_checksum

try:
    import fcntl
except ImportError:  # Windows: two processes may then decode the same set; the file stays whole
    fcntl = None

FORMAT = "1"  # raise it when the meaning of the stored arrays changes


class Decoded(NamedTuple):
    images: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, "n"]
    classes: tuple[str, ...]
    checksum: str


def cache_folder(root: Path) -> Path | None:
    """$MUSICLIB_CACHE, else ROOT/.musiclib when ROOT is a folder one can write in, else ~/.cache/musiclib; None: none.

    The folder exists and is writable when this returns. A $MUSICLIB_CACHE that cannot be used is an error.
    """
    named = os.environ.get("MUSICLIB_CACHE")
    if named:
        folder = Path(named).expanduser().absolute()
        if not _usable(folder):
            raise PermissionError(f"MUSICLIB_CACHE={named} cannot be created or written to; name another folder")
        return folder
    if root.is_dir() and _usable(root / ".musiclib"):
        return root / ".musiclib"
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "musiclib"
    return home if _usable(home) else None


def _usable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def fingerprint_files(files: Iterable[Path], base: Path) -> str:
    """One hash over the relative name, size and modification time of every file: changes when the source does."""
    digest = hashlib.sha256()
    for path in files:
        status = path.stat()
        digest.update(f"{path.relative_to(base).as_posix()}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def cached(
    folder: Path | None,
    name: str,
    *,
    source: str,
    fingerprint: str,
    build: Callable[[], tuple[Tensor, Tensor, tuple[str, ...]]],
) -> Decoded:
    """The set that `build()` makes, from the cache when its copy is sound and fresh, else built and stored.

    `source` says what the set is made from and how (path and options) and picks the file; `fingerprint` says in what
    state the source is. Of several processes that ask at once, one builds and the others wait for it. Where the cache
    cannot be written the set is built in memory and a warning says so.
    """
    if folder is None:
        warnings.warn(
            f"no writable cache folder: {name} is decoded anew every time; set MUSICLIB_CACHE to a folder", stacklevel=3
        )
        return _built(build)
    path = folder / f"{name}-{hashlib.sha256(source.encode()).hexdigest()[:12]}.safetensors"
    stored = _read(path, fingerprint)
    if stored is not None:
        return stored
    with _locked(path.with_suffix(".lock")):
        stored = _read(path, fingerprint)  # somebody may have built it while this process waited
        if stored is not None:
            return stored
        decoded = _built(build)
        try:
            _write(path, decoded, fingerprint, source)
        except OSError as error:
            warnings.warn(f"{name} was decoded but could not be cached at {path}: {error}", stacklevel=3)
        return decoded


def _built(build: Callable[[], tuple[Tensor, Tensor, tuple[str, ...]]]) -> Decoded:
    images, labels, classes = build()
    return Decoded(images, labels, tuple(classes), content_checksum(images, labels))


def _read(path: Path, fingerprint: str) -> Decoded | None:
    """What the file holds, or None when it is absent, stale or damaged (then it has to be built again)."""
    if not path.exists():
        return None
    try:
        with safe_open(str(path), framework="pt") as stored:
            meta = stored.metadata() or {}
            if meta.get("format") != FORMAT or meta.get("fingerprint") != fingerprint:
                return None
            images, labels = stored.get_tensor("images"), stored.get_tensor("labels")
        checksum = content_checksum(images, labels)
        if checksum != meta["checksum"]:
            return None
        return Decoded(images, labels, tuple(json.loads(meta["classes"])), checksum)
    except (SafetensorError, OSError, KeyError, ValueError):
        return None


def _write(path: Path, decoded: Decoded, fingerprint: str, source: str) -> None:
    meta = {
        "format": FORMAT,
        "source": source,
        "fingerprint": fingerprint,
        "checksum": decoded.checksum,
        "classes": json.dumps(decoded.classes),
    }
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    partial = Path(name)
    try:
        tensors = {"images": decoded.images.contiguous(), "labels": decoded.labels.contiguous()}
        save_file(tensors, str(partial), metadata=meta)
        with partial.open("rb+") as stream:
            os.fsync(stream.fileno())
        partial.chmod(0o644)  # mkstemp makes it private; a shared data folder is meant to be shared
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an advisory lock on `path`; without it (no fcntl, a file system that has none) go on unlocked."""
    with contextlib.ExitStack() as stack:
        if fcntl is not None:
            with contextlib.suppress(OSError):
                stream = stack.enter_context(path.open("a"))
                fcntl.flock(stream, fcntl.LOCK_EX)
        yield
