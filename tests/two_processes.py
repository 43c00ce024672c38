"""Run a function in two or more gloo processes and see what each of them returned."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def _child(rank: int, work: Callable[[int], Any], folder: str, count: int) -> None:
    torch.set_num_threads(1)
    # A file to meet in: a port that was free when it was asked for may be taken by the time it is used.
    # One that waits for a message that nobody sends fails by itself, long before the test's own limit.
    meeting = {"init_method": f"file://{folder}/meet", "timeout": timedelta(seconds=120)}
    dist.init_process_group("gloo", rank=rank, world_size=count, **meeting)
    torch.save(work(rank), f"{folder}/{rank}.part")
    os.rename(f"{folder}/{rank}.part", f"{folder}/{rank}.pt")
    # None leaves before all have what they came for, and all leave without taking gloo's threads apart: one that
    # is still at work when another's connections close has been seen to abort, once in some hundreds of times.
    until = time.monotonic() + 60
    while not all(os.path.exists(f"{folder}/{r}.pt") for r in range(count)) and time.monotonic() < until:
        time.sleep(0.01)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def in_two_processes(work: Callable[[int], Any], folder: Path) -> list[Any]:
    """What `work(rank)`, a function of a module, returned in process 0 and in process 1: tensors and plain values."""
    return in_processes(2, work, folder)


def in_processes(count: int, work: Callable[[int], Any], folder: Path) -> list[Any]:
    """What `work(rank)`, a function of a module, returned in each of `count` processes: tensors and plain values."""
    mp.spawn(_child, (work, str(folder), count), nprocs=count)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(count)]
