"""Whether a PNG file holds as many pixels as it announces: Pillow takes what is missing for zeros, without a word."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # a pixel, by colour type
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7: first column, first row, steps between columns, between rows."""


def check_pixels(content: bytes) -> None:
    """ValueError when the packed pixels of a PNG file are damaged or fewer than its header announces.

    Source: PNG specification (third edition), 11.2.1 (IHDR), 8.1 (interlacing), 7.2 (scanlines), 10 (compression).
    """
    chunks = _chunks(content)
    kind, header = next(chunks, (b"", b""))
    if kind != b"IHDR" or len(header) < 13 or header[9] not in SAMPLES:
        raise ValueError("it has no header")
    wanted = _size(int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big"), header)
    unpacked, found = zlib.decompressobj(), 0
    try:
        for kind, data in chunks:
            while kind == b"IDAT" and data and found < wanted:
                found += len(unpacked.decompress(data, 1 << 20))
                data = unpacked.unconsumed_tail
        while found < wanted and (rest := unpacked.decompress(unpacked.unconsumed_tail, 1 << 20)):
            found += len(rest)
    except zlib.error as error:
        raise ValueError(f"its pixels are damaged ({error})") from error
    if found < wanted:
        raise ValueError(f"it holds {found} bytes of pixels, its header announces {wanted}")


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        yield content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        at += 12 + length


def _size(width: int, height: int, header: bytes) -> int:
    """Bytes of all scanlines, each with the byte that names its filter."""
    bits = header[8] * SAMPLES[header[9]]
    passes = PASSES if header[12] else ((0, 0, 1, 1),)
    total = 0
    for left, top, across, down in passes:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total
