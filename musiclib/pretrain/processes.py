"""Devices, process groups and signals: what a run needs of the machine before and while it trains."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from musiclib.distributed import world_size

MEET_SECONDS, TELL_SECONDS = 300.0, 10.0
"""How long processes wait for each other at the start, and after how long they say so."""

SLOWER = 1.5
"""Times as long as one thread, from which on several threads are told to be in each other's way."""


def pick_device(device: str | torch.device | None) -> torch.device:
    """`device`, or cuda where there is one, else the CPU; under torchrun each process gets a GPU of its own. ValueError
    for a device that is not here."""
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        asked, device = device, torch.device(device)
    except RuntimeError:
        raise ValueError(f"device is {device!r}; it has to be cpu, cuda or cuda:NUMBER") from None
    if device.type == "cuda":
        here = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= here:
            raise ValueError(
                f"device is {str(asked)!r}; this machine has {here or 'no'} CUDA device{'s' * (here != 1)}"
            )
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)) if device.index is None else device.index)
        torch.cuda.set_device(device)
    return device


def asked_processes() -> int:
    """Number of processes that the environment asks for, as torchrun sets it; 1 where it says nothing. ValueError for a
    WORLD_SIZE that is no number, or that stands alone."""
    text = os.environ.get("WORLD_SIZE", "1")
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"WORLD_SIZE is {text!r}; it has to be a number of processes")
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if int(text) > 1 and missing and not dist.is_initialized():
        raise ValueError(
            f"WORLD_SIZE is {text}, and {', '.join(missing)} not set: start the processes with torchrun, or unset "
            "WORLD_SIZE for a run in this process alone"
        )
    return int(text)


@contextlib.contextmanager
def processes(device: torch.device) -> Iterator[None]:
    """Join the process group that torchrun's environment describes (gloo on the CPU, nccl on CUDA) and leave it after.

    Does nothing for a single process, or inside a group that the caller has made. ValueError for an environment that
    describes none, TimeoutError where the others do not come within MEET_SECONDS.
    """
    if dist.is_initialized() or asked_processes() == 1:
        yield
        return
    store, rank, size = _meet()
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=dist.PrefixStore("musiclib", store), rank=rank, world_size=size)
    try:
        yield
    finally:
        dist.destroy_process_group()


def _meet() -> tuple[dist.Store, int, int]:
    """(store, rank, size) once all processes are there; says after a while whom it waits for."""
    where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    words = f"{os.environ['WORLD_SIZE']} processes at {where}, of which this is number {os.environ['RANK']}"
    telling = threading.Timer(TELL_SECONDS, lambda: print(f"waiting for {words}", file=sys.stderr, flush=True))
    telling.daemon = True
    telling.start()
    try:
        return next(iter(rendezvous("env://", timeout=timedelta(seconds=MEET_SECONDS))))
    except dist.DistError as error:
        raise TimeoutError(
            f"waited {MEET_SECONDS:.0f} s for {words}; start the others, or unset WORLD_SIZE for a run in this "
            "process alone"
        ) from error
    finally:
        telling.cancel()


def threads_in_the_way(work: Callable[[], object]) -> str | None:
    """What to say where this process's CPU threads slow each other down, as on a machine that other programs use; None
    where they do not. work: a piece of the run, called a few times; it has to take milliseconds."""
    many = torch.get_num_threads()
    if many == 1:
        return None

    def seconds(threads: int) -> float:
        torch.set_num_threads(threads)
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    try:
        seconds(many)  # the first call also warms up
        ratio = min(seconds(many) for _ in range(3)) / min(seconds(1) for _ in range(3))
    finally:
        torch.set_num_threads(many)
    if ratio < SLOWER:
        return None
    return (
        f"{many} threads take {ratio:.1f} times as long as one here, probably because other programs use these cores: "
        "--threads 1 (or OMP_NUM_THREADS=1) is faster"
    )


def on_all_processes(value: bool, device: torch.device) -> bool:
    """Process 0's value, on every process."""
    if world_size() == 1:
        return value
    flag = torch.tensor(float(value), device=device)
    dist.broadcast(flag, src=0)
    return bool(flag)


STOPPING = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2")
"""A scheduler's end, Ctrl-C, a lost terminal, and the warnings that schedulers send before an end."""


@contextlib.contextmanager
def stop_signal() -> Iterator[Callable[[], bool]]:
    """A function that says whether a signal of STOPPING has arrived; their usual effects return afterwards.

    A second Ctrl-C interrupts at once. What the caller ignores (SIGHUP under nohup) stays ignored. Only the main thread
    can catch signals; elsewhere the function is always False.
    """
    arrived = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield arrived.is_set
        return

    def note(number: int, _: object) -> None:
        if number == signal.SIGINT and arrived.is_set():
            raise KeyboardInterrupt
        arrived.set()

    numbers = [getattr(signal, name) for name in STOPPING if hasattr(signal, name)]
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield arrived.is_set
    finally:
        for number, handler in before.items():
            # None stands for a handler that was not set from Python, and cannot be put back from here
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextlib.contextmanager
def cudnn_choice(deterministic: bool) -> Iterator[None]:
    """cuDNN's fastest kernels by trial, or its deterministic ones; the caller's choice returns afterwards."""
    flags = torch.backends.cudnn
    before = flags.benchmark, flags.deterministic
    flags.benchmark, flags.deterministic = not deterministic, deterministic
    try:
        yield
    finally:
        flags.benchmark, flags.deterministic = before
