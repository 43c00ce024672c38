"""Jobs on a SLURM cluster through submitit, judged by what `squeue` says of them: a cluster need not keep accounts.

submitit writes the batch script and carries the exit code back in a file; whether a job still waits, runs, is about to
run again after a preemption, or is gone, only the controller knows.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import shutil
import subprocess
import time
from pathlib import Path

from reproduce.batch.executors import LOST, NotStarted, supervise
from reproduce.batch.processes import Refused

POLL_S = 2.0  # between two questions to the controller, for all jobs at once
LAG_S = 15.0  # within which a shared file system shows what a job that is over has written
END_S = 60.0  # that a cancelled job may take to save and to end (KillWait is 30 s where nobody changed it)
MEMORY_GB = 8.0  # a job asks for, unless its profile or --slurm mem_gb says otherwise
ENDED = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT",
}  # fmt: skip
OURS = {"nodes", "tasks_per_node", "slurm_nodes", "slurm_ntasks_per_node", "comment", "slurm_comment"}


def mark(result: Path) -> str:
    """The comment that every job of a results folder carries in the queue."""
    return "reproduce-" + hashlib.sha256(str(Path(result).resolve()).encode()).hexdigest()[:12]


def queue() -> dict[str, tuple[str, str]] | None:
    """State and comment of every job of this user that the controller still knows, by id; None without an answer."""
    command = ["squeue", "--noheader", "--states=all", f"--user={os.geteuid()}", "--format=%i|%T|%k"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    rows = (line.strip().split("|", 2) for line in answer.splitlines() if line.count("|") >= 2)
    return {job: (state, comment) for job, state, comment in rows}


def alive(found: dict[str, tuple[str, str]] | None, comment: str) -> list[str]:
    """The jobs of that comment which wait or run."""
    return [job for job, (state, told) in (found or {}).items() if told == comment and state not in ENDED]


def end_leftovers(result: Path) -> int:
    """Cancel the jobs that a killed runner left in the queue for this results folder, and wait until they are over;
    how many there were. Raises Refused where one does not end."""
    if not (Path(result) / "submitit").is_dir() or not shutil.which("squeue"):
        return 0
    first = alive(queue(), mark(result))
    if first:
        cancel(first)
        wait_for_end(lambda: alive(queue(), mark(result)))
        if left := alive(queue(), mark(result)):
            raise Refused(f"{result}: the SLURM jobs {' '.join(left)} of an earlier run do not end; scancel them first")
    return len(first)


def cancel(jobs: list[str]) -> None:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(["scancel", *jobs], capture_output=True, check=False, timeout=60)


def wait_for_end(left, seconds: float = END_S) -> None:
    deadline = time.monotonic() + seconds
    while left() and time.monotonic() < deadline:
        time.sleep(0.5)


class Controller:
    """The answers of `squeue`, asked at most every POLL_S seconds whoever wants to know."""

    def __init__(self):
        self.asked, self.answer = float("-inf"), None

    def state(self, job: str) -> str:
        """The job's state; GONE when the controller has forgotten it, UNKNOWN when it does not answer."""
        if time.monotonic() - self.asked > POLL_S:
            self.answer, self.asked = queue(), time.monotonic()
        if self.answer is None:
            return "UNKNOWN"
        return self.answer.get(job, ("GONE", ""))[0]

    def forget(self) -> None:
        self.asked = float("-inf")


class SlurmHandle:
    """One job in the queue. told: why it ended, where SLURM and not the worker has ended it."""

    kind = "killed"

    def __init__(self, job, controller: Controller | None):
        self.job, self.controller, self.told = job, controller, ""
        self.over: float | None = None
        self.began = False

    def started(self) -> bool:
        """Whether it runs or has run; false while it waits, also for its turn after a preemption."""
        return self.began

    def poll(self) -> int | None:
        codes = self.codes()
        if codes and max(codes) == 0:
            return 0
        state = self.state()
        self.began = state not in ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD")
        if state not in ENDED and state != "GONE":
            self.over = None
            return None
        if codes:  # it ended by itself, and the controller will not start it again
            return max(codes)
        self.over = self.over or time.monotonic()
        if time.monotonic() - self.over < (LAG_S if state in ("COMPLETED", "GONE") else 3.0):
            return None
        self.told = f"SLURM job {self.job.job_id} ended as {state}; its own words are in {self.job.paths.stderr}"
        return LOST

    def state(self) -> str:
        if self.controller is None:  # submitit's own local executor, to try this file without a cluster
            return "COMPLETED" if self.job.done() else "RUNNING"
        return self.controller.state(self.job.job_id)

    def codes(self) -> list[int]:
        """The workers' exit codes, one a machine; empty until all have left theirs."""
        found = []
        for number in range(self.job.num_tasks):
            try:
                outcome, value = pickle.loads(self.job.task(number).paths.result_pickle.read_bytes())
            except (OSError, EOFError, pickle.UnpicklingError):
                return []
            found.append(int(value) if outcome == "success" else LOST)
        return found

    def stop(self) -> None:
        """Ask the scheduler to end it; `settle` waits."""
        self.job.cancel(check=False)
        if self.controller:
            self.controller.forget()

    def settle(self) -> None:
        wait_for_end(lambda: self.state() not in {*ENDED, "GONE", "UNKNOWN"})

    def memory_mb(self) -> float:
        return 0.0


class Slurm:
    """Jobs through `sbatch`, `slots` in the queue at a time. options: what submitit's `update_parameters` takes
    (slurm_partition, gpus_per_node, cpus_per_task, mem_gb, timeout_min ...). Raises ValueError for anything else, and
    where there is no SLURM. cluster: 'local' for submitit's own executor on this machine."""

    def __init__(self, folder: Path, slots: int, options: dict | None = None, cluster: str = "slurm"):
        try:
            import submitit
        except ImportError:
            raise ValueError("--executor slurm needs submitit, the extra 'slurm' of music-ssl") from None
        if cluster == "slurm" and not (shutil.which("srun") and shutil.which("sbatch")):
            raise ValueError("--executor slurm: there is no `srun` on this machine; log in to the cluster first")
        self.slots, self.options, self.folder = slots, dict(options or {}), Path(folder)
        self.controller = Controller() if cluster == "slurm" else None
        self.check()
        self.executor, self.make = None, lambda: submitit.AutoExecutor(str(self.folder / "submitit"), cluster=cluster)

    def check(self) -> None:
        from submitit.slurm.slurm import _get_default_parameters

        ours = {"name", "timeout_min", "mem_gb", "cpus_per_task", "gpus_per_node", "stderr_to_stdout"}
        known = ours | {f"slurm_{name}" for name in _get_default_parameters()}
        for name, value in self.options.items():
            if name in OURS:
                raise ValueError(f"--slurm {name}={value}: set by the runner; `nodes` stand in the profile or in --set")
            if name not in known:
                raise ValueError(f"--slurm {name}={value}: no such option; known: {', '.join(sorted(known - OURS))}")
            whole = name in ("timeout_min", "cpus_per_task", "gpus_per_node")
            least = 0 if name == "gpus_per_node" else 1
            if whole and (not isinstance(value, int) or isinstance(value, bool) or value < least):
                raise ValueError(f"--slurm {name}={value} must be a whole number, at least {least}")
            if name == "mem_gb" and (not isinstance(value, (int, float)) or isinstance(value, bool) or value <= 0):
                raise ValueError(f"--slurm {name}={value} must be a number above 0")

    @property
    def threads(self) -> int | None:
        """Threads of a job where the options fix its cores."""
        return self.options.get("cpus_per_task", self.options.get("slurm_cpus_per_task"))

    def asked(self, spec: dict, minutes: float) -> dict:
        """What a job asks of the cluster: its threads as cores, its memory, its limit and time to save and to end."""
        processes = max(1, spec.get("processes", 0))
        options = {
            "name": "music",
            "timeout_min": max(1, round(minutes) + 5),
            "nodes": spec.get("nodes", 1),
            "tasks_per_node": 1,
            "cpus_per_task": spec["threads"] * processes,
            "mem_gb": spec.get("memory_gb", MEMORY_GB),
            "slurm_comment": mark(self.folder),
        }
        if processes > 1:
            options["gpus_per_node"] = processes
        if {"slurm_mem", "slurm_mem_per_cpu", "slurm_mem_per_gpu"} & set(self.options):
            del options["mem_gb"]
        options |= self.options
        if "slurm_gres" in self.options or options.get("gpus_per_node") == 0:  # 0: the job's processes share its cores
            options.pop("gpus_per_node", None)
        return options

    def start(self, spec_path: Path, token: str, minutes: float):
        spec = json.loads(Path(spec_path).read_text(encoding="utf-8"))
        if self.executor is None:
            self.executor = self.make()
        try:
            self.executor.update_parameters(**self.asked(spec, minutes))
            with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):  # it prints what it also raises
                job = self.executor.submit(supervise, str(spec_path))
        except Exception as error:  # sbatch's refusal, a full disk, an option that only sbatch can judge
            words = " ".join(line.removeprefix("sbatch: ") for line in str(error).splitlines()) or type(error).__name__
            return NotStarted(f"sbatch: {words}")
        return SlurmHandle(job, self.controller)
