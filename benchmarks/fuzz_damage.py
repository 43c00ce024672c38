"""Damage to files, as disks, networks and programs that stop half-way do it, and worse; one generator decides."""

from __future__ import annotations

import random
import struct

KINDS = ("flip", "cut", "splice", "header")
HEADER = 160  # bytes at the start in which numbers are overwritten: sizes, counts, offsets, types
EDGES = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def damage(content: bytes, other: bytes, rng: random.Random) -> tuple[str, bytes]:
    """(kind of damage, the damaged content); `other` is a file of the same format, from which pieces are taken."""
    kind = rng.choice(KINDS)
    return kind, globals()[f"_{kind}"](content, other, rng)


def _flip(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """One to 64 bits turned over, few more often than many."""
    changed = bytearray(content)
    for _ in range(2 ** rng.randint(0, 6)):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """The end is missing, or overwritten by zeros, as after a power cut."""
    at = rng.randrange(len(content) + 1)
    return content[:at] + (b"\0" * (len(content) - at) if rng.random() < 0.3 else b"")


def _splice(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """A piece is left out, doubled, moved, or replaced by a piece of another file."""
    first, last = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    start, stop = sorted(rng.randrange(len(other) + 1) for _ in range(2))
    piece = rng.choice((b"", content[first:last] * 2, other[start:stop], rng.randbytes(rng.randint(1, 40))))
    if rng.random() < 0.3:
        return content[:first] + piece + content[first:]
    return content[:first] + piece + content[last:]


def _header(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """One to four numbers near the start become extreme ones, in either order of bytes."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        width, order = rng.choice((1, 2, 4, 8)), rng.choice("<>")
        at = rng.randrange(max(1, min(HEADER, len(changed)) - width + 1))
        code = {1: "B", 2: "H", 4: "I", 8: "Q"}[width]
        value = rng.choice((*EDGES, rng.getrandbits(8 * width))) % (1 << (8 * width))
        changed[at : at + width] = struct.pack(order + code, value)
    return bytes(changed)
