"""Arrays of real numbers out of MATLAB files of version 5 (MATLAB 5 to 7.2), bounds checked at every step.

A file is a header of 128 bytes and one element a variable, packed by zlib or not. An element is a type, a size and that
many bytes; those of a variable are its flags, its sizes, its name and its numbers, in columns. Numbers may be stored in
a smaller type than the one that they have. Source: "MAT-File Format" (MathWorks), chapter 1.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

HEADER = 128
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
MATRIX, COMPRESSED = 14, 15
COMPLEX = 0x0800


def read_matlab(content: bytes, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The named variables of a file. ValueError, in one line, for a damaged file, a missing variable, and one that is
    no array of real numbers."""
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise ValueError("it is no MATLAB file of version 5")
    version = int(np.frombuffer(content, order + "u2", 1, 124)[0])
    if version != 0x0100:
        raise ValueError(f"it is a MATLAB file of version {version >> 8}.{version & 255}; save it with -v7")
    found: dict[str, np.ndarray] = {}
    for kind, body in _elements(content[HEADER:], order):
        if kind == COMPRESSED:
            kind, body = _inflated(body, order)
        if kind == MATRIX:
            name, array = _variable(body, order, names)
            if array is not None:
                found[name] = array
        if len(found) == len(names):
            return found
    raise ValueError(f"it lacks the variable {next(name for name in names if name not in found)!r}")


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """(type, data) of the elements that follow one another in `content`."""
    at = 0
    while at < len(content):
        if at + 8 > len(content):
            raise ValueError("its end is missing")
        kind, size = (int(number) for number in np.frombuffer(content, order + "u4", 2, at))
        start = at + 8
        if kind >> 16:  # up to four bytes lie in the place of the size
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
            if size > 4:
                raise ValueError(f"it holds an element of {size} bytes in the place of 4")
        if start + size > len(content):
            raise ValueError("its end is missing")
        yield kind, content[start : start + size]
        at = at + 8 if start == at + 4 else start + size + (0 if kind == COMPRESSED else -size % 8)


def _inflated(body: bytes, order: str) -> tuple[int, bytes]:
    """The one element that a packed element holds, never more than it announces."""
    try:
        stream = zlib.decompressobj()
        head = stream.decompress(body, 8)
        if len(head) < 8:
            raise ValueError("it holds a packed variable of less than 8 bytes")
        kind, size = (int(number) for number in np.frombuffer(head, order + "u4", 2))
        data = stream.decompress(stream.unconsumed_tail, size) if size else b""
        rest = stream.decompress(stream.unconsumed_tail, 1)
    except zlib.error as error:
        raise ValueError(f"it holds a damaged packed variable ({error})") from error
    if len(data) != size or rest or not stream.eof:
        raise ValueError(f"it holds a packed variable that announces {size} bytes and has another number of them")
    return kind, data


def _variable(body: bytes, order: str, names: Sequence[str]) -> tuple[str, np.ndarray | None]:
    """(name, array) of one variable; None for a variable that is none of `names`."""
    parts = list(_elements(body, order))
    if len(parts) < 3 or len(parts[0][1]) != 8 or parts[1][0] != 5 or len(parts[1][1]) % 4:
        raise ValueError("it holds a variable without flags, sizes and name")
    flags = int(np.frombuffer(parts[0][1], order + "u4", 1)[0])
    shape = [int(length) for length in np.frombuffer(parts[1][1], order + "i4")]
    name = parts[2][1].decode("latin-1")
    if name not in names:
        return name, None
    if flags & 0xFF not in CLASSES or flags & COMPLEX or len(parts) != 4 or parts[3][0] not in STORED:
        raise ValueError(f"its variable {name!r} is no array of real numbers")
    stored, meant = np.dtype(order + STORED[parts[3][0]]), np.dtype(CLASSES[flags & 0xFF])
    size = len(parts[3][1])
    if not 2 <= len(shape) <= 8 or min(shape) < 0 or math.prod(shape) * stored.itemsize != size:
        raise ValueError(f"its variable {name!r} has {size} bytes for an array of shape {tuple(shape)}")
    values = np.frombuffer(parts[3][1], stored).reshape(shape, order="F")
    made = values.astype(meant)
    if stored != meant and not np.array_equal(made, values):
        raise ValueError(f"its variable {name!r} holds numbers that do not fit its type")
    return name, made
