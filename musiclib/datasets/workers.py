"""Work spread over forked processes, none of which can be lost without a word.

A process that is killed (most often by the kernel, for want of memory) ends the run with an error that says which one,
what it was doing and what helps; so does one that stops answering. When this process dies, its helpers end by
themselves after the piece of work they are at. Results are written into memory that all of them share; it needs no
space under /dev/shm, which is small in containers.
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

PATIENCE = 600.0  # seconds without an answer after which a process counts as lost
FORKS = sys.platform == "linux"


class LostWorker(RuntimeError):
    """A helping process was killed, died or stopped answering."""


def usable_cores() -> int:
    """Cores that this process may use (a container or taskset may grant fewer than the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def shared_bytes(*shape: int) -> np.ndarray:
    """An array of bytes that forked processes write to in place."""
    count = int(np.prod(shape, dtype=np.int64))
    try:
        memory = mmap.mmap(-1, max(count, 1))
    except OSError as error:
        raise MemoryError(f"{count / 2**30:.1f} GiB for an array of {shape} bytes cannot be had") from error
    return np.frombuffer(memory, dtype=np.uint8, count=count).reshape(shape)


class Helpers:
    """`count` forked processes that answer what they are sent with `work(it)`, each in the order of its questions.

    Forked, because a spawned child would run the caller's script a second time when that has no __main__ guard. The
    children touch Pillow and numpy alone, so the threads that torch left behind do not matter to them. Closing kills
    them: they hold no locks.
    """

    def __init__(self, work: Callable[[Any], Any], count: int, remedy: str) -> None:
        context = multiprocessing.get_context("fork")
        self.remedy = remedy
        self.pipes: list[Connection] = []
        self.processes: list[multiprocessing.Process] = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            self.pipes.append(ours)
            process = context.Process(target=_serve, args=(work, theirs, list(self.pipes)), daemon=True)
            process.start()
            theirs.close()  # so that the end of the child is the end of the pipe
            self.processes.append(process)

    def send(self, k: int, question: Any) -> None:
        with contextlib.suppress(OSError):  # the process is gone: waiting for its answer says so
            self.pipes[k].send(question)

    def answer(self, k: int, doing: str) -> Any:
        """The next answer of process k, which has one ready or is worth waiting for. What was raised there is raised
        here; LostWorker, naming what it was `doing`, when none comes."""
        self.ready([k], doing)
        try:
            failed, answer = self.pipes[k].recv()
        except (EOFError, OSError):
            self.processes[k].join(5)
            raise LostWorker(f"{_fate(self.processes[k])} while it was at {doing}. {self.remedy}") from None
        if failed:
            raise answer
        return answer

    def ready(self, asked: list[int], doing: str) -> list[int]:
        """Those of the processes `asked` that have an answer or are gone."""
        found = wait([self.pipes[k] for k in asked], timeout=PATIENCE)
        if not found:
            raise LostWorker(
                f"none of {len(asked)} processes answered for {PATIENCE:.0f} s while they were at {doing}: is a file "
                f"system hanging? {self.remedy}"
            )
        return [k for k in asked if self.pipes[k] in found]

    def close(self) -> None:
        for pipe, process in zip(self.pipes, self.processes, strict=True):
            pipe.close()
            process.kill()
        for process in self.processes:
            process.join()


def _serve(work: Callable[[Any], Any], theirs: Connection, inherited: list[Connection]) -> None:
    """A helper's life: work on what it is sent until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one cleans up
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for connection in inherited:
        connection.close()
    with contextlib.suppress(EOFError, OSError):
        while True:
            question = theirs.recv()
            try:
                answer = (False, work(question))
            except Exception as error:
                answer = (True, error)
            theirs.send(answer)


def _fate(process: multiprocessing.Process) -> str:
    """How a process ended, in words."""
    code = process.exitcode
    if code is None:
        how = "stopped answering"
    elif code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        how = f"was killed by {name}" + (", as the kernel does when memory runs out" if -code == signal.SIGKILL else "")
    else:
        how = f"ended with exit code {code}"
    return f"process {process.pid} {how}"


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
    remedy = "Free memory, use fewer workers, or workers=1 to do the work in this process"
    with contextlib.closing(Helpers(work, workers, remedy)) as helpers:
        waiting, at = iter(range(count)), {}

        def ask(k: int) -> None:
            if (i := next(waiting, None)) is not None:
                at[k] = i
                helpers.send(k, i)

        for k in range(workers):
            ask(k)
        while at:
            for k in helpers.ready(list(at), says(min(at.values()))):
                i = at.pop(k)
                answer = helpers.answer(k, says(i))
                ask(k)
                yield i, answer
