"""Work spread over forked processes, none of which can be lost without a word.

A process that is killed (most often by the kernel, for want of memory) ends the run with an error that says which one,
what it was doing and what helps; so does one that stops answering. When this process dies, its helpers end by
themselves after the piece of work they are at.
"""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np

PATIENCE = 600.0  # seconds without an answer from any process after which they count as lost
FORKS = sys.platform == "linux"


class LostWorker(RuntimeError):
    """A helping process was killed, died or stopped answering."""


def usable_cores() -> int:
    """Cores that this process may use (a container or taskset may grant fewer than the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def shared_bytes(*shape: int) -> np.ndarray:
    """An array of bytes that forked processes write to in place. It needs no space under /dev/shm."""
    count = int(np.prod(shape, dtype=np.int64))
    try:
        memory = mmap.mmap(-1, max(count, 1))
    except OSError as error:
        raise MemoryError(f"{count / 2**30:.1f} GiB for an array of {shape} bytes cannot be had") from error
    return np.frombuffer(memory, dtype=np.uint8, count=count).reshape(shape)


def spread(
    work: Callable[[int], Any], count: int, workers: int, says: Callable[[int], str]
) -> Iterator[tuple[int, Any]]:
    """(i, work(i)) for i = 0..count-1, in the order in which they are finished.

    work      runs in one of `workers` processes, in this one for one worker, in threads where processes cannot be
              forked; what it returns travels through a pipe, so large results belong into `shared_bytes`
    says      names a piece of work in messages

    An exception in `work` is raised here. LostWorker when a process is lost.
    """
    workers = min(workers, count)
    if workers <= 1:
        yield from ((i, work(i)) for i in range(count))
    elif FORKS:
        yield from _forked(work, count, workers, says)
    else:
        with ThreadPoolExecutor(workers) as pool:
            yield from enumerate(pool.map(work, range(count)))


def _forked(
    work: Callable[[int], Any], count: int, workers: int, says: Callable[[int], str]
) -> Iterator[tuple[int, Any]]:
    # Forked, because a spawned child would run the caller's script a second time when that has no __main__ guard. The
    # children touch Pillow and numpy alone, so the threads that torch left behind do not matter to them.
    context = multiprocessing.get_context("fork")
    helpers: dict[Connection, multiprocessing.Process] = {}
    at: dict[Connection, int] = {}
    waiting = iter(range(count))
    try:
        for _ in range(workers):
            ours, theirs = context.Pipe()
            helper = context.Process(target=_serve, args=(work, theirs, [*helpers, ours]), daemon=True)
            helper.start()
            theirs.close()  # so that the end of the child is the end of the pipe
            helpers[ours] = helper
        for ours in helpers:
            _next(ours, waiting, at)
        while at:
            ready = wait(list(at), timeout=PATIENCE)
            if not ready:
                raise LostWorker(
                    f"none of {len(at)} processes answered for {PATIENCE:.0f} s; the first was at "
                    f"{says(min(at.values()))}. Is a file system hanging? workers=1 does the work in this process"
                )
            for ours in ready:
                i = at.pop(ours)
                try:
                    failed, answer = ours.recv()
                except (EOFError, OSError):
                    raise _lost(helpers[ours], says(i)) from None
                if failed:
                    raise answer
                _next(ours, waiting, at)
                yield i, answer
    finally:
        for ours, helper in helpers.items():
            ours.close()
            helper.kill()
        for helper in helpers.values():
            helper.join()


def _next(ours: Connection, waiting: Iterator[int], at: dict[Connection, int]) -> None:
    """Send the next piece of work, if there is one."""
    i = next(waiting, None)
    if i is not None:
        at[ours] = i
        with contextlib.suppress(OSError):  # the process is gone: reading from it says so
            ours.send(i)


def _serve(work: Callable[[int], Any], theirs: Connection, inherited: list[Connection]) -> None:
    """A helper's life: work on what it is sent until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one cleans up
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for connection in inherited:
        connection.close()
    with contextlib.suppress(EOFError, OSError):
        while True:
            i = theirs.recv()
            try:
                answer = (False, work(i))
            except Exception as error:
                answer = (True, error)
            theirs.send(answer)


def _lost(helper: multiprocessing.Process, doing: str) -> LostWorker:
    helper.join(5)
    code = helper.exitcode
    if code is None:
        how = "closed its pipe"
    elif code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        how = f"was killed by {name}" + (", as the kernel does when memory runs out" if -code == signal.SIGKILL else "")
    else:
        how = f"ended with exit code {code}"
    return LostWorker(
        f"process {helper.pid} {how} while it was at {doing}. Free memory, use fewer workers, or workers=1 to do the "
        "work in this process"
    )
