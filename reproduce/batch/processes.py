"""Processes of a run: one lock a results folder, memory of a whole tree, and an end that reaches kernels and their
children."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from musiclib.files import lock

RUN, RESULT = "MUSICLIB_RUN", "MUSICLIB_RESULT"
LOCK = ".runner.lock"  # of a results folder; also the sign that a runner has worked there
GRACE = 5.0  # seconds between asking and ending


class Refused(Exception):
    """The run cannot start; the message says why and what to do. Nothing was changed."""


@contextlib.contextmanager
def only_runner(result: Path) -> Iterator[str | None]:
    """Hold a results folder for this process. Raises Refused while another living runner has it. Yields a note about
    a runner that ended without tidying up, or None. The lock is the system's, so it cannot outlive its holder,
    whatever killed it."""
    path = Path(result) / LOCK
    with path.open("a+", encoding="utf-8") as file:
        if not lock(file):
            raise Refused(
                f"{result} is in use by another runner ({read_holder(path)}). Wait for it, stop it, or choose another "
                f"folder with --out."
            )
        before = read_holder(path)
        file.seek(0)
        file.truncate()
        json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}, file)
        file.flush()
        try:
            yield f"took over from {before}, which ended without finishing" if before else None
        finally:
            file.seek(0)
            file.truncate()


def read_holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError):
        return ""


def marked(name: str, value: str) -> list[psutil.Process]:
    """All processes whose environment has name=value, other than this one and its ancestors: children of children
    too, even those that moved to a session of their own."""
    me = psutil.Process()
    own = {me.pid, *(p.pid for p in me.parents())}
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid not in own and process.environ().get(name) == value:
                found.append(process)
    return found


def end_all(name: str, value: str, grace: float = GRACE) -> int:
    """End every process marked so: first asked, then killed; returns how many there were when it began."""
    first = marked(name, value)
    for process in first:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGTERM)
    psutil.wait_procs(first, timeout=grace)
    deadline = time.monotonic() + grace
    while (left := marked(name, value)) and time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=1.0)
    return len(first)


def tree_mb(pid: int) -> float:
    """Memory of a process and its descendants in MiB. Where the system tells (Linux), a page that n processes share
    counts 1/n for each of them; elsewhere it counts for each, and forked data loaders look larger than they are."""
    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for p in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                full = p.memory_full_info()
                total += getattr(full, "pss", full.rss)
    return total / 2**20


def thread_environment(threads: int) -> dict[str, str]:
    """The variables that fix the number of threads of torch, numpy and scikit-learn."""
    names = (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    )
    return {**dict.fromkeys(names, str(threads)), "OMP_DYNAMIC": "FALSE", "MKL_DYNAMIC": "FALSE"}


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> list[str]:
    """The devices this process may use, by the names CUDA_VISIBLE_DEVICES takes; empty without any."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [g for g in visible.split(",") if g.strip() and g.strip() != "-1"]
    if not shutil.which("nvidia-smi"):
        return []
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=20).stdout
        return [str(i) for i, line in enumerate(x for x in listed.splitlines() if x.startswith("GPU"))]
    return []


def prepare_folder(result: Path, need_mb: float) -> None:
    """Make the results folder and see that it can be written to and holds what is expected. Raises Refused
    otherwise."""
    result = Path(result)
    try:
        result.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=result, prefix=".write-test-") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Refused(
            f"{result} cannot be written to ({error.strerror or error}); choose another folder with --out."
        ) from None
    free = free_mb(result)
    if free < need_mb:
        raise Refused(
            f"{result} has {free:.0f} MB free, and this plan is expected to write {need_mb:.0f} MB. "
            "Make room, choose another folder with --out, or fewer notebooks with --only."
        )


def free_mb(folder: Path) -> float:
    return shutil.disk_usage(folder).free / 1e6
