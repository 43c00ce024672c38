"""Run a function in two gloo processes and see what each of them returned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def _child(rank: int, work: Callable[[int], Any], folder: str) -> None:
    torch.set_num_threads(1)
    # A file to meet in: a port that was free when it was asked for may be taken by the time it is used.
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    try:
        torch.save(work(rank), f"{folder}/{rank}.pt")
    finally:
        dist.destroy_process_group()


def in_two_processes(work: Callable[[int], Any], folder: Path) -> list[Any]:
    """What `work(rank)`, a function of a module, returned in process 0 and in process 1: tensors and plain values."""
    mp.spawn(_child, (work, str(folder)), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]
