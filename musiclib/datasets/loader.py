"""Batches that worker processes decode ahead of their use, in a ring of shared memory.

Batch i is made by process i mod W and lies in place i mod 2W until it is asked for; then it is copied (to pinned memory
where there is a GPU) and its place given to batch i + 2W. So every process is up to two batches ahead, the order is
that of the rows whatever the number of processes, and nothing depends on the size of /dev/shm.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from musiclib.datasets.sources import shown
from musiclib.datasets.workers import FORKS, Helpers, shared_bytes

AHEAD = 2  # batches that every process has made or is making before they are asked for


def loaded(
    decode: Callable[[int], np.ndarray],
    shape: tuple[int, ...],
    rows: Sequence[np.ndarray],
    *,
    workers: int,
    name: str,
) -> Iterator[tuple[Tensor, Tensor]]:
    """(positions (b,), pixels (b, *shape) uint8) for every array of positions in `rows`, in order.

    decode    makes the pixels of one position, of the given shape; it runs in one of `workers` processes (threads where
              none can be forked), or in this one for 0. What it raises is raised here.
    name      of the data, for messages

    LostWorker when a process is killed, or none answers.
    """
    workers = min(workers, len(rows))
    if not workers:
        made = (_batch(decode, shape, row) for row in rows)
    elif FORKS:
        made = _forked(decode, shape, rows, workers, f"a batch of {shown(name)}")
    else:
        made = _threaded(decode, shape, rows, workers)
    with contextlib.closing(made):
        for row, pixels in zip(rows, made, strict=True):
            yield torch.from_numpy(np.array(row)), pixels


def _fill(into: np.ndarray, decode: Callable[[int], np.ndarray], row: np.ndarray) -> None:
    for place, position in enumerate(row):
        into[place] = decode(int(position))


def _batch(decode: Callable[[int], np.ndarray], shape: tuple[int, ...], row: np.ndarray) -> Tensor:
    pixels = torch.empty(len(row), *shape, dtype=torch.uint8)
    _fill(pixels.numpy(), decode, row)
    return pixels


def _forked(
    decode: Callable[[int], np.ndarray],
    shape: tuple[int, ...],
    rows: Sequence[np.ndarray],
    workers: int,
    doing: str,
) -> Iterator[Tensor]:
    ring = shared_bytes(AHEAD * workers, max(map(len, rows)), *shape)

    def make(i: int) -> None:
        _fill(ring[i % len(ring)], decode, rows[i])

    remedy = "Free memory, use fewer workers or a smaller batch, or workers=0 to decode in this process"
    with contextlib.closing(Helpers(make, workers, remedy)) as helpers:
        for i in range(min(len(ring), len(rows))):
            helpers.send(i % workers, i)
        for i, row in enumerate(rows):
            helpers.answer(i % workers, doing)
            pixels = torch.empty(len(row), *shape, dtype=torch.uint8, pin_memory=torch.cuda.is_available())
            pixels.copy_(torch.from_numpy(ring[i % len(ring), : len(row)]))
            if i + len(ring) < len(rows):
                helpers.send(i % workers, i + len(ring))
            yield pixels


def _threaded(
    decode: Callable[[int], np.ndarray], shape: tuple[int, ...], rows: Sequence[np.ndarray], workers: int
) -> Iterator[Tensor]:
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque = deque()
        for row in rows:
            waiting.append(pool.submit(_batch, decode, shape, row))
            if len(waiting) > AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
