"""Batches that worker processes decode, over torch's DataLoader, without its silences.

A batch is written straight into shared memory by the process that decodes it. Where that memory cannot be had (a
container with a small /dev/shm), or a process is killed, or none answers, the iteration ends with a LostWorker that
says what happened and what helps, in place of waiting for ever.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from musiclib.datasets.sources import one_line, shown
from musiclib.datasets.workers import PATIENCE, LostWorker

SHARED = "/dev/shm"


def loaded(
    decode: Callable[[int], np.ndarray],
    shape: tuple[int, ...],
    rows: Sequence[np.ndarray],
    *,
    workers: int,
    name: str,
) -> Iterator[tuple[Tensor, Tensor]]:
    """(positions (b,), pixels (b, *shape) uint8) for every array of positions in `rows`, in order.

    decode    makes the pixels of one position, of the given shape; it runs in one of `workers` processes, or in this
              one for 0. What it raises is raised here.
    name      of the data, for messages
    """
    batches = DataLoader(
        _Batches(decode, shape),
        batch_size=None,  # the sampler's items are whole batches: a worker makes one at a time, nothing is collated
        sampler=list(rows),
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        timeout=PATIENCE if workers else 0,
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        # A generator of its own: the loader would otherwise draw its workers' seed from torch's global one.
        generator=torch.Generator().manual_seed(0),
    )
    iterator = iter(batches)
    for positions in rows:
        try:
            pixels = next(iterator)
        except (RuntimeError, OSError, EOFError) as error:
            raise LostWorker(_what_helps(name, one_line(error), shape, rows, workers)) from error
        if isinstance(pixels, _OutOfMemory):
            raise LostWorker(_what_helps(name, pixels.words, shape, rows, workers))
        if isinstance(pixels, Exception):
            raise pixels
        yield torch.from_numpy(np.asarray(positions)), pixels


class _OutOfMemory:
    """Stands for a batch that found no shared memory."""

    def __init__(self, words: str) -> None:
        self.words = words


class _Batches(Dataset):
    """Whole batches by their positions. An error is handed over like a batch, so that it arrives in one line."""

    def __init__(self, decode: Callable[[int], np.ndarray], shape: tuple[int, ...]) -> None:
        self.decode, self.shape = decode, shape

    def __getitem__(self, positions: np.ndarray) -> Tensor | _OutOfMemory | Exception:
        pixels = torch.empty((len(positions), *self.shape), dtype=torch.uint8)
        if get_worker_info() is not None:
            # Here, where a failure can be told: the thread that sends a batch on would drop it and say nothing.
            try:
                pixels.share_memory_()
            except (RuntimeError, OSError) as error:
                return _OutOfMemory(one_line(error))
        try:
            into = pixels.numpy()
            for row, position in enumerate(positions):
                into[row] = self.decode(int(position))
        except Exception as error:
            return error
        return pixels


def _what_helps(name: str, words: str, shape: Sequence[int], rows: Sequence[np.ndarray], workers: int) -> str:
    largest = max(map(len, rows)) * int(np.prod(shape)) / 2**20
    space = ""
    if os.path.isdir(SHARED):
        status = os.statvfs(SHARED)
        space = f"{SHARED} has {status.f_bavail * status.f_frsize / 2**20:.0f} MiB free"
    return (
        f"a process that decodes {shown(name)} was lost ({words}). {workers} of them hold up to two batches of "
        f"{largest:.0f} MiB each in shared memory; {space}. Free memory, allow more shared memory (docker run "
        "--shm-size), use fewer workers or a smaller batch, or workers=0 to decode in this process"
    )
