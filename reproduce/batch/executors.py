"""Where jobs run: on this machine, or on a SLURM cluster through submitit. Both start the same worker in the same way.

An executor has `slots` and `start(spec) -> handle`; a handle has `poll()` (None while it runs, else an exit code),
`stop()` and `memory_mb()`. The runner knows nothing else of either.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from reproduce import CHECKOUT, LOG, ROOT
from reproduce.batch.processes import RUN, end_all, thread_environment, tree_mb

LOST = 70  # exit code of a job whose node or scheduler lost it


def environment(spec: dict) -> dict[str, str]:
    """The worker's environment: ours, the token of the run, the number of threads, and this checkout on the path."""
    path = os.pathsep.join(p for p in (str(ROOT) * CHECKOUT, os.environ.get("PYTHONPATH", "")) if p)
    return {
        **os.environ,
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
    def __init__(self, spec_path: Path, token: str):
        self.token, self.process = token, launch(spec_path)

    def poll(self) -> int | None:
        return self.process.poll()

    def stop(self) -> None:
        end_all(RUN, self.token)
        self.process.wait()

    def memory_mb(self) -> float:
        return tree_mb(self.process.pid)


class Local:
    """Jobs as processes of this machine, `slots` at a time."""

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


class ClusterHandle:
    def __init__(self, job, token: str):
        self.job, self.token = job, token

    def poll(self) -> int | None:
        if not self.job.done():
            return None
        try:
            return max(int(code) for code in self.job.results())
        except Exception:  # whatever happened there: the notebook's own record decides, submitit's log says more
            return LOST

    def stop(self) -> None:
        self.job.cancel(check=False)
        end_all(RUN, self.token)  # submitit's local executor: the processes are here

    def memory_mb(self) -> float:
        return 0.0


class Cluster:
    """Jobs through submitit. cluster: 'slurm', or 'local' and 'debug' to try it without one. options: what submitit's
    `update_parameters` takes (slurm_partition, gpus_per_node, cpus_per_task, nodes ...)."""

    def __init__(self, folder: Path, slots: int, cluster: str = "slurm", options: dict | None = None):
        try:
            import submitit
        except ImportError:
            raise ValueError("--executor slurm needs submitit, the extra 'slurm' of music-ssl") from None
        if cluster == "slurm" and not submitit.SlurmExecutor.affinity() > 0:
            raise ValueError("--executor slurm: there is no `srun` on this machine; log in to the cluster first")
        self.slots, self.options = slots, dict(options or {})
        self.executor = submitit.AutoExecutor(folder=str(Path(folder) / "submitit"), cluster=cluster)

    def start(self, spec_path: Path, token: str, minutes: float) -> ClusterHandle:
        spec = json.loads(Path(spec_path).read_text(encoding="utf-8"))
        options = {
            "name": "music",
            "timeout_min": max(1, round(minutes) + 5),
            "nodes": spec.get("nodes", 1),
            "tasks_per_node": 1,
        }
        if spec.get("processes", 0) > 1:
            options["gpus_per_node"] = spec["processes"]
        self.executor.update_parameters(**options | self.options)
        return ClusterHandle(self.executor.submit(supervise, str(spec_path)), token)
