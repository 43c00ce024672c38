"""Checkpoints: one folder a save, tensors in safetensors, the rest in JSON; never half-written, never unpickled.

    <folder>/step-000001200/tensors.safetensors
    <folder>/step-000001200/state.json       # everything that is not a tensor, the SHA-256 of it and of the tensor file

A save is written into a temporary folder, flushed to the disk and renamed, so a reader (or a run that is killed at any
moment) sees a complete checkpoint or none. The newest two are kept: when the newest turns out damaged the one before it
still resumes the run.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

FORMAT = 2  # 1 had no `seal`
TENSORS, STATE = "tensors.safetensors", "state.json"


class CheckpointDamaged(RuntimeError):
    """There are checkpoints, and none of them can be read."""


class CheckpointForeign(RuntimeError):
    """The checkpoint belongs to another configuration."""


def save(folder: str | os.PathLike, state: dict[str, Any], *, step: int, owner: str, keep: int = 2) -> Path:
    """Write `state` as the checkpoint of step `step` and return its folder.

    state: dictionaries with string keys and lists, nested as you like; leaves are tensors or JSON values. owner: the
    configuration hash, checked by `load`. keep: complete checkpoints that stay, newest first. Tensors are stored by
    value: two names of one storage come back as two tensors.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    rest = _split(state, (), tensors)
    target = folder / f"step-{step:09d}"
    temporary = folder / f".writing-{secrets.token_hex(4)}"
    temporary.mkdir()
    try:
        safetensors.torch.save_file(tensors, temporary / TENSORS)
        (temporary / TENSORS).chmod(temporary.stat().st_mode & 0o666)  # as the umask has it; safetensors takes 0600
        body = {"format": FORMAT, "owner": owner, "step": step, "sha256": _sha256(temporary / TENSORS), "state": rest}
        body["seal"] = _seal(body)
        (temporary / STATE).write_text(json.dumps(body, allow_nan=False), encoding="utf-8")
        for name in (TENSORS, STATE):
            _flush(temporary / name)
        _flush(temporary)
        if target.exists():  # saved before at this very step: the fresh one replaces it
            shutil.rmtree(target)
        os.replace(temporary, target)
        _flush(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for old in complete(folder)[keep:]:
        shutil.rmtree(old, ignore_errors=True)
    for leftover in folder.glob(".writing-*"):  # of a run that was killed while saving; the folder has one writer
        shutil.rmtree(leftover, ignore_errors=True)
    return target


def complete(folder: str | os.PathLike) -> list[Path]:
    """Checkpoint folders in `folder`, newest first; empty where there is none."""
    return sorted((p for p in Path(folder).glob("step-*") if p.is_dir()), reverse=True)


def load(folder: str | os.PathLike, *, owner: str | None = None) -> dict[str, Any] | None:
    """The newest readable checkpoint's state, tensors on the CPU; None where no checkpoint was ever written.

    A damaged one (missing file, wrong checksum, broken JSON) is passed over for the one before it. CheckpointDamaged
    when there are checkpoints but none is readable; CheckpointForeign when `owner` is given and the checkpoint was
    saved by another. What this user may not read, or the disk does not give, is not damaged: an OSError at once.
    """
    found = complete(folder)
    reasons = []
    for path in found:
        try:
            return _read(path, owner)
        except CheckpointForeign:
            raise
        except OSError as error:
            if not isinstance(error, (FileNotFoundError, NotADirectoryError, IsADirectoryError)):
                raise OSError(
                    error.errno, f"checkpoint cannot be read ({error.strerror}); nothing says that it is damaged",
                    error.filename or str(path),
                ) from error  # fmt: skip
            reasons.append(f"{path.name}: {error}")
        except (ValueError, KeyError, TypeError, RecursionError, safetensors.SafetensorError) as error:
            reasons.append(f"{path.name}: {error}")
    if found:
        raise CheckpointDamaged(
            f"no checkpoint in {folder} can be read ({'; '.join(reasons)}). Remove the folder to start the run afresh."
        )
    return None


def _read(path: Path, owner: str | None) -> dict[str, Any]:
    body = json.loads((path / STATE).read_text(encoding="utf-8"))
    if body["format"] not in (1, FORMAT):
        raise ValueError(f"format {body['format']!r}, this version reads {FORMAT}")
    if body["format"] == FORMAT and body.pop("seal") != _seal(body):
        raise ValueError(f"{STATE} does not have the checksum that it names")
    if owner is not None and body["owner"] != owner:
        raise CheckpointForeign(
            f"checkpoint {path} belongs to the configuration {body['owner']}, this run is {owner}. "
            "Choose another output folder, or remove this one to start afresh."
        )
    if _sha256(path / TENSORS) != body["sha256"]:
        raise ValueError(f"{TENSORS} does not have the checksum that {STATE} names")
    return _join(body["state"], safetensors.torch.load_file(path / TENSORS))


def _split(value: Any, path: tuple[str, ...], tensors: dict[str, Tensor]) -> Any:
    """`value` with every tensor moved into `tensors` under its path, a reference {"@": path} left in its place."""
    name = "/".join(path)
    if isinstance(value, Tensor):
        tensors[name] = value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        return {"@": name}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or key == "@" or "/" in key:
                raise TypeError(f"state key {key!r} under {name!r}: keys are strings without '/', and not '@'")
        return {key: _split(v, (*path, key), tensors) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_split(v, (*path, str(i)), tensors) for i, v in enumerate(value)]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"state value {name!r} is a {type(value).__name__}; it has to be a tensor or a JSON value")


def _join(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict):
        return tensors[value["@"]] if "@" in value else {key: _join(v, tensors) for key, v in value.items()}
    return [_join(v, tensors) for v in value] if isinstance(value, list) else value


def _seal(body: dict[str, Any]) -> str:
    """SHA-256 of everything else in state.json."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Make what was written to a file or folder survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
