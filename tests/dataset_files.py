"""Small files in the true formats of published sets, for tests of readers and for damaging them."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def python2(values: dict[str, Any]) -> bytes:
    """The pickle that Python 2's cPickle wrote with protocol 2, as in cifar-10-batches-py: its strings are BINSTRINGs,
    and so are the pixels."""

    def string(text):
        raw = text if isinstance(text, bytes) else text.encode()
        return b"U" + bytes([len(raw)]) + raw if len(raw) < 256 else b"T" + struct.pack("<I", len(raw)) + raw

    def number(value):
        return b"K" + bytes([value]) if value < 256 else b"J" + struct.pack("<i", value)

    def array(value):
        kind = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        shape = number(value.shape[0]) + number(value.shape[1]) + b"\x86"
        state = b"(K\x01" + shape + b"q\x07" + kind + b"\x89" + string(value.tobytes()) + b"tb"
        return b"cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87R" + state

    def any_value(value):
        if isinstance(value, np.ndarray):
            return array(value)
        if isinstance(value, list):
            return b"](" + b"".join(map(any_value, value)) + b"e"
        return number(value) if isinstance(value, int) else string(value)

    items = b"".join(string(key) + any_value(value) for key, value in values.items())
    return b"\x80\x02}q\x01(" + items + b"u."
