"""Files of weights from outside, read without running anything that is in them: a state_dict, wherever it is nested.

    tensors = read_state("resnet50.pth")                  # name -> tensor, as the file names them

Read are safetensors and what `torch.save` writes, the latter with `weights_only=True`: tensors and plain values, and no
object of any class. A file that holds more is refused with the line that makes a readable one of it.
"""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

LARGEST = 16 * 2**30
"""Bytes of a file, and of what it unpacks to: eight times the largest encoder anybody would score here."""

HEADER = 100 * 2**20  # the longest header that safetensors reads
NESTED = (
    "state_dict", "model_state_dict", "model", "backbone", "encoder", "net", "network", "module", "teacher", "student",
)  # fmt: skip
"""Entries under which a state_dict is looked for."""

DEEPEST = 4


class WeightsUnusable(ValueError):
    """The file of weights is damaged, too large, or holds something else than was asked for. One line."""


def read_state(path: str | os.PathLike, part: str | None = None) -> dict[str, Tensor]:
    """The tensors of a state_dict in a file, on the CPU, under the names that they have there.

    part: the entry to take, dots between its levels ('teacher.backbone'); None: the file itself, or the one entry out
    of `NESTED` that holds tensors. Raises WeightsUnusable.
    """
    path = Path(path)
    value, where = _content(path), str(path)
    if part is not None:
        for name in part.split("."):
            if not isinstance(value, dict) or name not in value:
                raise WeightsUnusable(f"{where} has no entry {name!r} (--part {part}); it has {_keys(value)}")
            value, where = value[name], f"{where}, {name}"
    return _state_in(value, where)


def _state_in(value: Any, where: str, depth: int = 0) -> dict[str, Tensor]:
    if isinstance(value, dict) and depth < DEEPEST:
        found = [name for name in NESTED if isinstance(value.get(name), dict) and _holds_tensors(value[name])]
        if len(found) > 1:
            raise WeightsUnusable(f"{where} holds {' and '.join(found)}: choose one with --part")
        if found:
            return _state_in(value[found[0]], f"{where}, {found[0]}", depth + 1)
        tensors = {str(k): v for k, v in value.items() if isinstance(v, Tensor)}
        if tensors:
            return tensors
    raise WeightsUnusable(f"{where} holds no state_dict; it has {_keys(value)}")


def _holds_tensors(value: dict, depth: int = 0) -> bool:
    inner = [v for v in value.values() if isinstance(v, dict)] if depth < DEEPEST else []
    return any(isinstance(v, Tensor) for v in value.values()) or any(_holds_tensors(v, depth + 1) for v in inner)


def _keys(value: Any) -> str:
    if not isinstance(value, dict):
        return f"a {type(value).__name__}"
    return shortened([str(key) for key in value]) if value else "nothing"


def shortened(names: list[str], most: int = 12) -> str:
    """A list of names in one line, the first ones where it is long."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(" ".join(name.split()) for name in names[:most]) + more


def _content(path: Path) -> Any:
    """What a file holds, by what it is and not by its name."""
    if not path.is_file():
        raise WeightsUnusable(f"there is no file {path}")
    size = path.stat().st_size
    if size > LARGEST:
        raise WeightsUnusable(f"{path} has {size / 2**30:.0f} GiB, more than the {LARGEST / 2**30:.0f} that are read")
    try:
        with path.open("rb") as file:
            head = file.read(9)
        if len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") <= min(HEADER, size):
            return safetensors.torch.load_file(path)
        if zipfile.is_zipfile(path):
            _check_archive(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except WeightsUnusable:
        raise
    except Exception as error:  # whatever a damaged file makes of its reader
        raise WeightsUnusable(f"{path} {_why(error)}") from None


def _check_archive(path: Path) -> None:
    """torch stores its archives without compression; one that unpacks to more than it is was made to do harm."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if sum(entry.file_size for entry in entries) > LARGEST or any(entry.compress_type for entry in entries):
        raise WeightsUnusable(f"{path} is a compressed archive, which torch.save does not write; it is not unpacked")


def _why(error: Exception) -> str:
    words = " ".join(str(error).split())
    if refused := re.search(r"GLOBAL ([\w.]+)", words):
        return (
            f"holds more than tensors and plain values ({refused[1]}), and nothing of that kind is unpickled; where "
            "you trust it, save its tensors alone: torch.save(model.state_dict(), FILE)"
        )
    return f"cannot be read as safetensors or as a file of torch.save ({type(error).__name__}: {words[:120]})"
