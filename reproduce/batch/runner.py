"""Run the jobs of a plan so that nothing is lost and nothing is called done that is not.

A job is done when, and only when, its folder holds a `record.json` that the notebook wrote itself as its last act,
that says `"status": "done"`, and that carries the token which this runner gave to exactly this notebook source with
exactly these parameter values (`MUSICLIB_RUN` in the environment). Exit codes, papermill's word and saved notebooks
prove nothing.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from musiclib import files
from musiclib import record as store
from reproduce import EXECUTED, FAILURE, LOG, PARTIAL
from reproduce.batch import slurm
from reproduce.batch.known import adopt
from reproduce.batch.ownership import SPEC, claim, discard, other_data, other_values
from reproduce.batch.processes import RESULT, RUN, Refused, cores, end_all, free_mb, gpus, only_runner, prepare_folder
from reproduce.batch.progress import Progress
from reproduce.batch.worker import cells_seconds
from reproduce.judging import records
from reproduce.planning.checks import job_data
from reproduce.planning.jobs import Job, Plan, duration
from reproduce.planning.parameters import LOCATIONS

RECORD = "record.json"
RESERVE_MB = 100.0  # below this nothing new is started
SAMPLE_S = 3.0  # between two looks at the memory of the jobs, which cost hundredths of a second each


@dataclass
class Summary:
    """What became of every job, by id. stopped: None, or the signal that ended the batch early."""

    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, dict] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    stopped: int | None = None
    wall_s: float = 0.0

    @property
    def exit_code(self) -> int:
        if self.stopped:
            return 128 + self.stopped
        return 1 if self.failed or self.waiting else 0


def own_record(job: Job, result: Path, token: str | None = None) -> tuple[dict | None, str]:
    """The notebook's record if it proves that the job is done, else None and why not. token: of one attempt; without
    it any attempt at this notebook source with these values counts."""
    path = job.folder(result) / RECORD
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, f"all cells ran, but the notebook wrote no {RECORD}"
    except (OSError, ValueError) as error:
        return None, f"{RECORD} cannot be read ({error})"
    if not isinstance(found, dict) or found.get("status") != "done":
        return (
            None,
            f"{RECORD} does not say that it is done "
            f"(status={found.get('status') if isinstance(found, dict) else found!r})",
        )
    carried = str(found.get("token") or found.get("run") or "")
    if carried != token if token else not carried.startswith(job.hash + "."):
        return (
            None,
            f"{RECORD} belongs to another run (it carries {carried or 'no token'!r}): the notebook must put "
            f"MUSICLIB_RUN into it",
        )
    told = found.get("config")
    for name, value in (told if isinstance(told, dict) else {}).items():
        if name in job.values and name not in LOCATIONS and value != job.values[name]:
            return None, f"the notebook ran with {name}={value!r} although {name}={job.values[name]!r} was asked for"
    for name in map(file_of, [*(found.get("figures") or []), *(found.get("tables") or [])]):
        if not (job.folder(result) / name).is_file():
            return None, f"{RECORD} lists {name}, which does not exist"
    return found, ""


def file_of(entry: str | dict) -> str:
    """The file of an entry among a notebook's figures or tables: a name, or {"file": name, "caption": text}."""
    return str(entry.get("file", "")) if isinstance(entry, dict) else str(entry)


def state(job: Job, result: Path) -> str:
    """'done', 'failed', 'half done' or 'to do', from the files alone."""
    folder = job.folder(result)
    if own_record(job, result)[0] is not None:
        return "done"
    if (folder / FAILURE).exists():
        return "failed"
    return "half done" if (folder / SPEC).exists() else "to do"


def run(
    plan: Plan,
    result: Path,
    *,
    executor,
    resume: bool = False,
    fresh: bool = False,
    threads: int | None = None,
    quiet: bool = False,
    stream=None,
    known: Path | None = None,
) -> Summary:
    """Run every job of a plan that is not done. known: a folder whose records count as finished runs, see known.py.
    Raises Refused when it cannot start. Returns otherwise: failures and interruptions are in the summary, and whatever
    was finished is on disk. An OSError of the results folder itself is raised when no job runs any more."""
    if plan.problems:
        raise Refused("the plan has mistakes:\n" + "\n".join(f"  - {p}" for p in plan.problems))
    result = Path(result).resolve()
    began = time.monotonic()
    claim(result, fresh=fresh)
    prepare_folder(result, RESERVE_MB)
    with only_runner(result) as note:
        # of a runner that was killed where the system does not end its children, or on a cluster
        leftovers = end_all(RESULT, str(result)) + slurm.end_leftovers(result)
        if fresh:
            discard(result)
        adopted = adopt(result, known) if known else None
        there = [j for j in plan.jobs if (j.folder(result) / SPEC).exists()]
        if there and not resume:
            raise Refused(
                f"{result} already holds {len(there)} of these jobs. Pass --resume to keep what is done and go "
                f"on with the rest, "
                "--fresh to delete them and begin again, or choose another folder with --out."
            )
        refuse_other_values(plan, result)
        todo = [j for j in plan.jobs if state(j, result) != "done"]
        prepare_folder(result, RESERVE_MB + sum(j.disk_mb for j in todo))
        batch = Batch(plan, result, executor, threads or executor.threads or default_threads(plan, executor))
        batch.summary.skipped = [j.id for j in plan.jobs if j not in todo]
        batch.progress = Progress({j.id: j.minutes for j in todo}, executor.slots, stream, quiet)
        if note:
            batch.progress.say(f"note   {note}" + (f"; ended {leftovers} processes that it left" if leftovers else ""))
        if adopted:
            batch.progress.say(f"note   {known}: {adopted}")
        if batch.summary.skipped:
            batch.progress.say(f"note   {len(batch.summary.skipped)} of {len(plan.jobs)} jobs are done already")
        files.write_json(result / "plan.json", describe(plan, batch))
        for job in plan.jobs:
            if job not in todo:
                batch.note_done(job)  # in case the last runner was killed between the record and its line
        batch.work(todo)
        batch.summary.wall_s = round(time.monotonic() - began, 3)
        return batch.summary


def default_threads(plan: Plan, executor) -> int:
    """Threads of a job: the cores of this machine over the jobs at a time, or the profile's own share on a cluster."""
    if isinstance(executor, slurm.Slurm):
        return max(1, plan.budget.get("cores", 1) // plan.workers)
    return max(1, cores() // min(executor.slots, max(1, len(plan.jobs))))


def refuse_other_values(plan: Plan, result: Path) -> None:
    """Raise Refused where a job would replace, or be taken for, a finished one that had other values or other data."""
    for job in plan.jobs:
        if differ := other_values(job, result, LOCATIONS):
            told = ", ".join(f"{name}={then!r} (now {now!r})" for name, (then, now) in differ.items())
            raise Refused(
                f"{result} holds {job.id}, finished with {told}. --resume keeps what is done; choose another folder "
                "with --out for the new values, or --fresh to delete everything there."
            )
        if changed := other_data(job, result):
            raise Refused(
                f"{result} holds {job.id}, finished with other data ({changed}). Choose another folder with --out, or "
                "--fresh to delete everything there."
            )


def describe(plan: Plan, batch: Batch) -> dict:
    """The plan as the report shows it: profile, jobs with values, threads, machine."""
    jobs = [
        {"id": j.id, "notebook": j.notebook, "given": j.given, "hash": j.hash, "minutes": j.minutes} for j in plan.jobs
    ]
    return {
        "profile": plan.profile,
        "title": plan.title,
        "purpose": plan.purpose,
        "notes": plan.notes,
        "budget": plan.budget,
        "jobs": jobs,
        "workers": batch.executor.slots,
        "threads": batch.threads,
        "started": store.now(),
        **store.provenance(),
    }


@dataclass
class Attempt:
    """One try at one job."""

    job: Job
    token: str
    handle: object
    began: float
    started: str
    slot: int
    peak_mb: float = 0.0


class Batch:
    """The loop: start what fits, look at what runs, judge what ended, stop when asked."""

    def __init__(self, plan: Plan, result: Path, executor, threads: int):
        self.plan, self.result, self.executor, self.threads = plan, result, executor, threads
        self.summary = Summary()
        self.running: dict[int, Attempt] = {}
        self.gpus = gpus()
        self.progress: Progress | None = None
        self.facts = {k: v for k, v in store.provenance().items() if k in ("environment", "code")}
        self.facts["environment"]["threads"] = threads

    def work(self, todo: list[Job]) -> None:
        queue = list(todo)
        with self.signals(), self.nothing_left():
            looked = sampled = 0.0
            while (queue or self.running) and not self.summary.stopped:
                while queue and len(self.running) < self.executor.slots and not self.summary.stopped:
                    if free_mb(self.result) < RESERVE_MB + queue[0].disk_mb:
                        self.progress.say(
                            f"STOP   less than {RESERVE_MB + queue[0].disk_mb:.0f} MB free in {self.result}; "
                            f"nothing new is started"
                        )
                        self.summary.waiting, queue = [j.id for j in queue], []
                        break
                    self.begin(queue.pop(0))
                sample = time.monotonic() - sampled > SAMPLE_S
                for attempt in list(self.running.values()):
                    self.look(attempt, sample=sample)
                sampled = time.monotonic() if sample else sampled
                if time.monotonic() - looked > 1.0:
                    looked = time.monotonic()
                    self.progress.tick()
                time.sleep(0.05)
            if self.summary.stopped:
                self.progress.say(
                    f"STOP   signal {self.summary.stopped}: ending {len(self.running)} running jobs; --resume "
                    f"goes on from here"
                )
                self.end_running()
                self.summary.waiting += [*(a.job.id for a in self.running.values()), *(j.id for j in queue)]
        self.progress.close()

    @contextlib.contextmanager
    def nothing_left(self):
        """Whatever goes wrong with the loop itself, a full disk for one, no job outlives it."""
        try:
            yield
        except BaseException:
            self.end_running()
            raise

    def end_running(self) -> None:
        """Ask every running job to end, then wait until they have."""
        for attempt in self.running.values():
            attempt.handle.stop()
        for attempt in self.running.values():
            attempt.handle.settle()

    @contextlib.contextmanager
    def signals(self):
        """Ctrl-C, SIGTERM and the loss of the terminal end the loop instead of the process, so that no kernel is left
        behind. What the caller ignores (nohup) stays ignored."""

        def stop(number, frame):
            self.summary.stopped = number

        try:
            heard = [s for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) != signal.SIG_IGN]
            before = {s: signal.signal(s, stop) for s in heard}
        except ValueError:  # not in the main thread: whoever runs us there has the signals
            yield
            return
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def begin(self, job: Job) -> None:
        folder = job.folder(self.result)
        folder.mkdir(parents=True, exist_ok=True)
        for name in (RECORD, FAILURE, EXECUTED, PARTIAL):
            (folder / name).unlink(missing_ok=True)
        slot = next(i for i in range(self.executor.slots) if i not in self.running)
        token = f"{job.hash}.{secrets.token_hex(4)}"
        extra = {RUN: token, RESULT: str(self.result), "MUSICLIB_RECORDS": str(self.result / records.FILE)}
        extra["MUSICLIB_RUNS"] = str(self.result / "runs")  # two notebooks that want the same run train it once
        if len(self.gpus) > 1 and self.executor.slots > 1:
            extra["CUDA_VISIBLE_DEVICES"] = self.gpus[slot % len(self.gpus)]
        spec = {
            "job": job.id,
            "notebook": str(job.path),
            "values": job.values,
            "out": str(folder),
            "hash": job.hash,
            "data": job_data(job),
            "processes": job.processes,
            "nodes": job.nodes,
            "threads": max(1, self.threads // max(1, job.processes)),
            **({"memory_gb": job.memory_gb} if job.memory_gb else {}),
            "environment": extra,
        }
        files.write_json(folder / SPEC, spec)
        with (folder / LOG).open("a", encoding="utf-8") as log:
            log.write(f"==== {store.now()} {job.id} {token}\n")
        handle = self.executor.start(folder / SPEC, token, job.limit_minutes)
        self.running[slot] = Attempt(job, token, handle, time.monotonic(), store.now(), slot)
        self.progress.started(job.id)

    def look(self, attempt: Attempt, sample: bool) -> None:
        code = attempt.handle.poll()
        if sample and code is None:
            attempt.peak_mb = max(attempt.peak_mb, attempt.handle.memory_mb())
        if code is None and not attempt.handle.started():
            attempt.began = time.monotonic()  # the limit is on the work, not on the queue before it
        late = code is None and time.monotonic() - attempt.began > 60 * attempt.job.limit_minutes
        if late:
            attempt.handle.stop()
            attempt.handle.settle()
        if late or code is not None:
            del self.running[attempt.slot]
            end_all(RUN, attempt.token)  # what a kernel may have left: data workers, a training process
            self.judge(attempt, code, late)

    def judge(self, attempt: Attempt, code: int | None, late: bool) -> None:
        job, folder = attempt.job, attempt.job.folder(self.result)
        found, reason = own_record(job, self.result, attempt.token)
        failure = read_json(folder / FAILURE)
        if found is not None and failure is not None and failure["kind"] == "cell":
            found = None  # it raised after it had called itself done
        if found is not None:
            (folder / FAILURE).unlink(missing_ok=True)
            failure = None
        elif late:
            failure = {
                "kind": "time limit",
                "message": f"ended after {duration(60 * job.limit_minutes)}, its limit",
                "cell": None,
            }
        elif failure is None:
            ended = f"the worker was killed by signal {-code}" if code < 0 else f"the worker ended with code {code}"
            ended = attempt.handle.told or ended
            failure = {
                "kind": "no record" if code == 0 else attempt.handle.kind,
                "message": reason if code == 0 else ended,
                "cell": None,
            }
        if found is None:
            (folder / RECORD).unlink(missing_ok=True)
            files.write_json(folder / FAILURE, failure)
        self.write_line(attempt.job, found, failure, attempt)
        if found is not None:
            self.summary.done.append(job.id)
            self.progress.finished(job.id, True)
        else:
            self.summary.failed[job.id] = failure
            self.progress.finished(
                job.id,
                False,
                f"{where(failure)}{failure['message'].splitlines()[0] if failure['message'] else ''}; log: "
                f"{folder / LOG}",
            )

    def note_done(self, job: Job) -> None:
        """See that a job that is done already has its line."""
        found, _ = own_record(job, self.result)
        lines = records.read(self.result / records.FILE).of_kind("notebook")
        if not any(r["job"] == job.id and r["status"] == "done" and r["run"] == job.hash for r in lines):
            self.write_line(job, found, None, None)

    def write_line(self, job: Job, found: dict | None, failure: dict | None, attempt: Attempt | None) -> None:
        """Append the job's line, and first the lines of finished training runs that are not there yet."""
        path, folder = self.result / records.FILE, job.folder(self.result)
        there = {(r["run"], (r.get("time") or {}).get("started")) for r in records.read(path).of_kind("pretrain")}
        for trained in sorted([*folder.glob("runs/*/record.json"), *self.result.glob("runs/*/record.json")]):
            line = read_json(trained)
            if line and not records.faults(line) and (line["run"], line["time"].get("started")) not in there:
                files.append_line(path, line)
        found = found or {}
        files.append_line(
            path,
            {
                "schema": records.SCHEMA,
                "kind": "notebook",
                "run": job.hash,
                "status": "failed" if failure else "done",
                "job": job.id,
                "notebook": {"name": job.notebook, "hash": job.source},
                "config": {k: v for k, v in job.values.items() if k not in LOCATIONS},
                "seed": job.values.get("seed"),
                "metrics": found.get("metrics") or {},
                "figures": found.get("figures") or [],
                "tables": found.get("tables") or [],
                "claims": found.get("claims") or {},
                "runs": found.get("runs") or [],
                "time": {
                    "started": attempt.started if attempt else None,
                    "wall_s": round(time.monotonic() - attempt.began, 3) if attempt else None,
                    "cells_s": round(cells_seconds(folder / EXECUTED), 3),
                },
                "memory": {"peak_mb": round(attempt.peak_mb, 1) if attempt else None},
                **{part: found.get(part) or facts for part, facts in self.facts.items()},
                "error": failure,
            },
        )


def where(failure: dict) -> str:
    """'cell 3: ValueError: ' as far as it is known."""
    cell = f"cell {failure['cell']}: " if failure.get("cell") is not None else f"{failure['kind']}: "
    return cell + (f"{failure['name']}: " if failure.get("name") and failure["kind"] == "cell" else "")


def read_json(path: Path) -> dict | None:
    found = files.read_json(path)
    return found if isinstance(found, dict) else None
