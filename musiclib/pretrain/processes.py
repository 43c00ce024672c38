"""Devices, process groups and signals: what a run needs of the machine before and while it trains."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

import torch
import torch.distributed as dist

from musiclib.distributed import world_size


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


@contextlib.contextmanager
def processes(device: torch.device) -> Iterator[None]:
    """Join the process group that torchrun's environment describes (gloo on the CPU, nccl on CUDA) and leave it after.

    Does nothing for a single process, or inside a group that the caller has made.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


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
