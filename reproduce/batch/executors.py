"""Where jobs run: on this machine, or on a SLURM cluster (slurm.py). Both start the same worker in the same way.

An executor has `slots`, `threads` (of a job, or None) and `start(spec) -> handle`; a handle has `started()`, `poll()`
(None until it is over, else an exit code), `kind` and `told` (how and why it ended, where not by itself), `stop()`,
which asks for the end, `settle()`, which waits for it, and `memory_mb()`. The runner knows nothing else of either.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from musiclib.plugins import named_in
from reproduce import CHECKOUT, LOG, ROOT
from reproduce.batch.processes import RUN, end_all, thread_environment, tree_mb

LOST = 70  # exit code of a job whose node or scheduler lost it


def environment(spec: dict) -> dict[str, str]:
    """The worker's environment: ours, the token of the run, the number of threads, and this checkout on the path; for a
    job that names a plug-in also the folder that the command was given in, where the plan has found it.

    Checks of notebooks are `assert` statements, so nothing may remove those.
    """
    given = [os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    here = [os.getcwd()] if named_in(spec.get("values", {})) else []
    path = os.pathsep.join([str(ROOT)] * CHECKOUT + given + here)
    return {
        **{name: value for name, value in os.environ.items() if name not in ("PYTHONOPTIMIZE", "PYTHONSTARTUP")},
        **thread_environment(spec["threads"]),
        **spec["environment"],
        "PYTHONPATH": path,
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "MUSICLIB_PARENT": str(os.getpid()),
    }


def launch(spec_path: Path) -> subprocess.Popen:
    """Start the worker of a written spec in a process group of its own, its output going to the job's log."""
    spec = json.loads(Path(spec_path).read_text(encoding="utf-8"))
    with (Path(spec["out"]) / LOG).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "reproduce.batch.worker", str(spec_path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(spec),
            cwd=ROOT,
            start_new_session=True,
        )


class LocalHandle:
    kind, told = "killed", ""

    def __init__(self, spec_path: Path, token: str):
        self.token, self.process = token, launch(spec_path)

    def started(self) -> bool:
        return True

    def poll(self) -> int | None:
        return self.process.poll()

    def stop(self) -> None:
        end_all(RUN, self.token)

    def settle(self) -> None:
        self.process.wait()

    def memory_mb(self) -> float:
        return tree_mb(self.process.pid)


class Local:
    """Jobs as processes of this machine, `slots` at a time."""

    threads = None

    def __init__(self, slots: int):
        self.slots = slots

    def start(self, spec_path: Path, token: str, minutes: float) -> LocalHandle:
        return LocalHandle(spec_path, token)


def supervise(spec_path: str) -> int:
    """What runs on a cluster's machine: the worker, to its end, and nothing of it left behind when this is cancelled.
    With several machines it runs on each; the first one's exit code is the job's."""
    import submitit

    here = submitit.JobEnvironment()
    spec = json.loads(Path(spec_path).read_text(encoding="utf-8"))
    if spec.get("nodes", 1) > 1:
        os.environ.update(MUSICLIB_NODE=str(here.node), MUSICLIB_HOST=here.hostnames[0])
    process = launch(Path(spec_path))
    try:
        return process.wait()
    finally:
        end_all(RUN, spec["environment"][RUN], grace=2.0)


class NotStarted:
    """A job that no scheduler took: over at once, with the reason."""

    kind = "not started"

    def __init__(self, told: str):
        self.told = told

    def started(self) -> bool:
        return True

    def poll(self) -> int:
        return LOST

    def stop(self) -> None:
        pass

    settle = stop

    def memory_mb(self) -> float:
        return 0.0
