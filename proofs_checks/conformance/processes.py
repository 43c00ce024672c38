"""A function in two gloo processes on this machine, and what each of them returned."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

PATIENCE = 60.0
"""Seconds that a process waits for the other one's result before it leaves."""


def _child(rank: int, work: Callable[..., Any], arguments: tuple[Any, ...], folder: str) -> None:
    torch.set_num_threads(1)
    # a file to meet in: a free port may be taken by the time it is used
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    written = Path(folder, f"{rank}.part")
    written.write_text(json.dumps(work(rank, *arguments)))
    written.rename(Path(folder, f"{rank}.json"))
    # one that closes its connections while the other is at work may bring it down
    until = time.monotonic() + PATIENCE
    while not Path(folder, f"{1 - rank}.json").exists() and time.monotonic() < until:
        time.sleep(0.01)
    os._exit(0)


def in_two_processes(work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What `work(rank, *arguments)`, a function of a module, returned in process 0 and in process 1: plain
    values."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_child, (work, arguments, folder), nprocs=2)
        return [json.loads(Path(folder, f"{rank}.json").read_text()) for rank in range(2)]
