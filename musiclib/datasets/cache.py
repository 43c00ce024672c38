"""Decoded sets on disk: one safetensors file a set, written whole or not at all, checked when it is read.

A set is decoded once. The file carries the fingerprint of what decides it (content of the files it is made from,
classes, labels, options and version of the reader) and a checksum of what it holds; when either does not hold, the set
is decoded again and the file replaced. Where nothing can be written the set is decoded every time, with a warning.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Int64, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from musiclib.datasets.imageset import content_checksum
from musiclib.datasets.sources import absolute, shown
from musiclib.datasets.storage import locked, replacing

FORMAT = "2"  # raise it when the meaning of the stored arrays changes


class Decoded(NamedTuple):
    images: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, "n"] | None
    classes: tuple[str, ...]
    checksum: str


def cache_folder(root: Path) -> Path | None:
    """$MUSICLIB_CACHE, else ROOT/.musiclib when ROOT is a folder one can write in, else ~/.cache/musiclib; None: none.

    The folder exists and is writable when this returns. A $MUSICLIB_CACHE that cannot be used is an error; a user
    without a home folder has no ~/.cache.
    """
    named = os.environ.get("MUSICLIB_CACHE")
    if named:
        with contextlib.suppress(ValueError):  # a ~ without a home folder
            if _usable(folder := absolute(named)):
                return folder
        raise PermissionError(f"MUSICLIB_CACHE={shown(named)} cannot be created or written to; name another folder")
    if os.path.isdir(root) and _usable(root / ".musiclib"):
        return root / ".musiclib"
    with contextlib.suppress(ValueError):
        home = absolute(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "musiclib"
        return home if _usable(home) else None
    return None


def _usable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def cached(
    folder: Path | None,
    name: str,
    *,
    source: str,
    fingerprint: str,
    build: Callable[[], tuple[Tensor, Tensor | None, tuple[str, ...]]],
) -> Decoded:
    """The set that `build()` makes, from the cache when its copy is sound and fresh, else built and stored.

    `source` says what the set is made from and how (path and options) and picks the file; `fingerprint` says in what
    state the source is. Of several processes that ask at once, one builds and the others wait for it. Where the cache
    cannot be written the set is built in memory and a warning says so.
    """
    if folder is None:
        warnings.warn(
            f"no writable cache folder: {shown(name)} is decoded anew every time; set MUSICLIB_CACHE to a folder",
            stacklevel=3,
        )
        return _built(build)
    plain_name = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:80]
    path = folder / f"{plain_name}-{hashlib.sha256(os.fsencode(source)).hexdigest()[:12]}.safetensors"
    stored = _read(path, fingerprint)
    if stored is not None:
        return stored
    with locked(path.with_suffix(".lock"), f"decoding {shown(name)}"):
        stored = _read(path, fingerprint)  # somebody may have built it while this process waited
        if stored is not None:
            return stored
        decoded = _built(build)
        try:
            _write(path, decoded, fingerprint)
        except (OSError, SafetensorError) as error:
            warnings.warn(f"{shown(name)} was decoded but could not be cached at {path}: {error}", stacklevel=3)
        return decoded


def _built(build: Callable[[], tuple[Tensor, Tensor | None, tuple[str, ...]]]) -> Decoded:
    images, labels, classes = build()
    return Decoded(images, labels, tuple(classes), content_checksum(images, labels))


def _read(path: Path, fingerprint: str) -> Decoded | None:
    """What the file holds, or None when it is absent, stale or damaged (then it has to be built again)."""
    if not os.path.exists(path):
        return None
    try:
        with safe_open(str(path), framework="pt") as stored:
            meta = stored.metadata() or {}
            if meta.get("format") != FORMAT or meta.get("fingerprint") != fingerprint:
                return None
            images = stored.get_tensor("images")
            labels = stored.get_tensor("labels") if "labels" in stored.keys() else None  # noqa: SIM118
        checksum = content_checksum(images, labels)
        if checksum != meta["checksum"] or _seal(checksum, fingerprint, meta["classes"]) != meta["seal"]:
            return None
        return Decoded(images, labels, tuple(json.loads(meta["classes"])), checksum)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError):
        return None


def _write(path: Path, decoded: Decoded, fingerprint: str) -> None:
    classes = json.dumps(decoded.classes)
    meta = {
        "format": FORMAT,
        "fingerprint": fingerprint,
        "checksum": decoded.checksum,
        "classes": classes,
        "seal": _seal(decoded.checksum, fingerprint, classes),
    }
    tensors = {"images": decoded.images.contiguous()}
    if decoded.labels is not None:
        tensors["labels"] = decoded.labels.contiguous()
    with replacing(path) as partial:
        save_file(tensors, str(partial), metadata=meta)


def _seal(checksum: str, fingerprint: str, classes: str) -> str:
    return hashlib.sha256("\n".join((checksum, fingerprint, classes)).encode()).hexdigest()
