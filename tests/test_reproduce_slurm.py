"""Batches on a real SLURM of one node: what a job asks for, what is told where SLURM says no, and what cancelled,
requeued and resumed jobs leave behind. Skipped where slurm-wlm and munge are not installed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import slurm_cluster
from reproduce_fixtures import PARAMETERS, write_notebook, write_profile
from slurm_cluster import ask, wait_until

from reproduce import ROOT
from reproduce.__main__ import main
from reproduce.batch import executors, runner, slurm
from reproduce.judging import records, report
from reproduce.planning.plan import build

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(slurm_cluster.missing()), reason=slurm_cluster.missing()),
]
pytest.importorskip("submitit")

SMALL = {"mem_gb": 0.5}
ASKED = """
import os
metrics = {"n": n, "threads": int(os.environ["OMP_NUM_THREADS"]), "cpus": int(os.environ["SLURM_CPUS_PER_TASK"]),
           "memory": int(os.environ["SLURM_MEM_PER_NODE"])}
from pathlib import Path
import subprocess
job = os.environ["SLURM_JOB_ID"]
Path(out, "job.txt").write_text(subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True).stdout)
"""
STEPS = """
import os, time
from pathlib import Path
done, enough = Path(out, "steps.txt"), Path(out).parent / "enough"
step = int(done.read_text()) if done.exists() else 0
Path(out, "pid").write_text(os.environ["SLURM_JOB_ID"])
while not enough.exists():
    time.sleep(0.02)
    step += 1
    Path(out, "part").write_text(str(step))
    os.replace(Path(out, "part"), done)
metrics = {"seed": seed}
"""


@pytest.fixture(scope="module")
def cluster():
    with slurm_cluster.one_node() as folder:
        yield folder


@pytest.fixture
def books(tmp_path):
    folder = tmp_path / "note books"
    write_notebook(folder, "asked", ASKED, parameters=PARAMETERS + "n: int = 1\n")
    write_notebook(folder, "steps", STEPS)
    write_notebook(folder, "bad", "1/0")
    return folder


def planned(tmp_path, books, *jobs, **top):
    plan = build(str(write_profile(tmp_path, list(jobs), **top)), notebooks=books)
    assert plan.problems == []
    return plan


def test_a_batch_asks_for_its_threads_its_memory_and_its_time(cluster, tmp_path, books):
    plan = planned(
        tmp_path,
        books,
        {"notebook": "asked", "matrix": {"n": list(range(9))}, "limit_minutes": 7, "memory_gb": 0.25},
        {"notebook": "bad"},
    )
    out = tmp_path / "o u t"
    summary = runner.run(plan, out, executor=slurm.Slurm(out, 10, SMALL | {"mem_gb": 0.25}), threads=2, quiet=True)
    assert sorted(summary.done) == [f"asked.n={n}" for n in range(9)]
    assert summary.failed["bad"]["message"] == "division by zero"
    lines = {r["job"]: r for r in records.load(out).of_kind("notebook")}
    assert lines["asked.n=4"]["metrics"] == {"n": 4, "threads": 2, "cpus": 2, "memory": 256}
    shown = (out / "notebooks" / "asked.n=4" / "job.txt").read_text()
    assert "TimeLimit=00:12:00" in shown  # 5 minutes more than the job's own limit
    assert f"Comment={slurm.mark(out)}" in shown


def test_a_job_asks_for_as_much_as_its_profile_says(tmp_path):
    executor = slurm.Slurm(tmp_path, 1, {"slurm_partition": "main"})
    asked = executor.asked({"threads": 3, "processes": 4, "nodes": 2, "memory_gb": 40.0}, minutes=90)
    assert (asked["cpus_per_task"], asked["gpus_per_node"], asked["nodes"]) == (12, 4, 2)
    assert (asked["mem_gb"], asked["timeout_min"], asked["slurm_partition"]) == (40.0, 95, "main")
    assert slurm.Slurm(tmp_path, 1, {"cpus_per_task": 5}).threads == 5
    assert "mem_gb" not in slurm.Slurm(tmp_path, 1, {"slurm_mem_per_cpu": "2G"}).asked({"threads": 1}, minutes=1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["nonsense=3"], "--slurm nonsense=3: no such option; known: cpus_per_task"),
        (["slurm_nonsense=3"], "--slurm slurm_nonsense=3: no such option"),
        (["slurm_partition=[1"], "the value cannot be read"),
        (["slurm_partition"], "must read KEY=VALUE"),
        (["cpus_per_task=two"], "cpus_per_task=two must be a whole number"),
        (["mem_gb=-1"], "mem_gb=-1 must be a number above 0"),
        (["nodes=2"], "set by the runner"),
        (["mem_gb=1", "mem_gb=2"], "given twice"),
    ],
)
def test_options_that_cannot_be_are_told_in_one_line_before_anything_starts(tmp_path, books, capsys, options, told):
    profile = str(write_profile(tmp_path, [{"notebook": "bad"}]))
    arguments = ["run", "--profile", profile, "--notebooks", str(books), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--executor", "slurm", *(x for o in options for x in ("--slurm", o))]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out" / "notebooks").exists()


def test_a_refusal_of_sbatch_is_a_failed_job_with_sbatchs_words_and_a_report(cluster, tmp_path, books):
    profile = write_profile(tmp_path, [{"notebook": "bad"}])
    out = tmp_path / "out"
    command = [sys.executable, "-m", "reproduce", "run", "--profile", profile, "--notebooks", books, "--out", out]
    command += ["--executor", "slurm", "--slurm", "slurm_partition=nope"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "Traceback" not in found.stdout + found.stderr
    assert "invalid partition" in found.stdout
    assert "invalid partition" in (out / "report.html").read_text()


def start(tmp_path, books, *more):
    profile = write_profile(tmp_path, [{"notebook": "steps", "seeds": [0, 1], "minutes": 0.1}])
    command = [sys.executable, "-m", "reproduce", "run", "--profile", str(profile), "--notebooks", str(books)]
    command += ["--out", str(tmp_path / "out"), "--threads", "1", "--resume", *more]
    if not more:
        command += ["--executor", "slurm", "--slurm", "mem_gb=0.5"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def steps_of(out, seed):
    """(the SLURM job that is at it, steps so far); None until there is one."""
    folder = out / "notebooks" / f"steps.seed={seed}"
    try:
        return (folder / "pid").read_text(), int((folder / "steps.txt").read_text())
    except (OSError, ValueError):
        return None


def wait_for_steps(out, process):
    def both():
        assert process.poll() is None, process.communicate()[0]
        return all(steps_of(out, s) for s in (0, 1))

    wait_until(both, 120, "both jobs at work")


def test_cancelled_requeued_and_resumed_jobs_end_as_local_ones(cluster, tmp_path, books):
    out = tmp_path / "out"
    process = start(tmp_path, books)
    wait_for_steps(out, process)
    requeued, cancelled = steps_of(out, 0)[0], steps_of(out, 1)[0]
    at = steps_of(out, 0)[1]
    ask("scancel", cancelled)
    slurm_cluster.requeue(requeued)
    wait_until(lambda: steps_of(out, 0)[1] > at + 20, 120, "steps after those of before")
    (out / "notebooks" / "enough").write_text("")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert re.search(r"done   steps\.seed=0", said)
    failure = json.loads((out / "notebooks" / "steps.seed=1" / "failure.json").read_text())
    assert failure["kind"] in ("killed", "kernel died")
    resumed = start(tmp_path, books)
    said, _ = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, said
    done = {r["job"]: r["metrics"] for r in records.load(out).of_kind("notebook") if r["status"] == "done"}
    assert done == {f"steps.seed={s}": {"seed": s} for s in (0, 1)}


def test_a_killed_runner_leaves_jobs_that_the_next_one_ends_first(cluster, tmp_path, books):
    out = tmp_path / "out"
    process = start(tmp_path, books)
    wait_for_steps(out, process)
    first = {steps_of(out, s)[0] for s in (0, 1)}
    process.kill()
    process.communicate()
    assert set(slurm.alive(slurm.queue(), slurm.mark(out))) == first
    resumed = start(tmp_path, books)
    wait_until(lambda: steps_of(out, 0)[0] not in first and steps_of(out, 1)[0] not in first, 120, "new jobs")
    assert not first & set(slurm.alive(slurm.queue(), slurm.mark(out)))
    resumed.send_signal(signal.SIGTERM)
    said, _ = resumed.communicate(timeout=120)
    assert resumed.returncode == 128 + signal.SIGTERM, said
    assert slurm.alive(slurm.queue(), slurm.mark(out)) == []


def test_tables_are_those_of_a_local_batch_after_scancel_and_requeue(cluster, tmp_path):
    small = {"segments": 4, "units": 8, "projector": [64]}
    values = {"dataset": "digits", "encoder": "tiny", "epochs": 10, "batch": 128, "seeds": 2, "options": small}
    plan = build(
        str(write_profile(tmp_path, [{"notebook": "03_pretrain_and_evaluate", "parameters": values, "minutes": 1}]))
    )
    assert plan.problems == []
    (job,) = plan.jobs
    local, remote = tmp_path / "local", tmp_path / "remote"
    assert runner.run(plan, local, executor=executors.Local(1), threads=1, quiet=True).exit_code == 0
    report.write(local)
    command = [sys.executable, "-m", "reproduce", "run", "--profile", str(tmp_path / "profile.yaml"), "--out", remote]
    command += ["--threads", "1", "--executor", "slurm", "--slurm", "mem_gb=2", "--resume"]

    def training():
        return slurm.alive(slurm.queue(), slurm.mark(remote)) if list(remote.glob("runs/*/log.jsonl")) else []

    for victim, code in (("scancel", 1), ("requeue", 0)):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait_until(lambda: any(map(slurm_cluster.running, training())), 120, "a training on the cluster")
        (number,) = training()
        slurm_cluster.requeue(number) if victim == "requeue" else ask("scancel", number)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == code, said
    made = {p.name: p.read_text() for p in (remote / "tables").glob("*.*")}
    wanted = {p.name: p.read_text() for p in (local / "tables").glob("*.*")}
    assert made == wanted
    assert wanted
    assert json.loads((job.folder(remote) / "record.json").read_text())["status"] == "done"


def test_the_reason_for_the_skip_names_what_is_missing(monkeypatch):
    monkeypatch.setattr(slurm_cluster, "PLACES", os.devnull)
    assert "munged, slurmctld" in slurm_cluster.missing()
    assert Path(slurm_cluster.__file__).is_file()


def test_a_cluster_without_gpus_is_asked_for_none(tmp_path):
    spec = {"threads": 1, "processes": 2, "nodes": 1}
    assert slurm.Slurm(tmp_path, 1).asked(spec, minutes=1)["gpus_per_node"] == 2
    assert "gpus_per_node" not in slurm.Slurm(tmp_path, 1, {"gpus_per_node": 0}).asked(spec, minutes=1)
    assert "gpus_per_node" not in slurm.Slurm(tmp_path, 1, {"slurm_gres": "gpu:a100:2"}).asked(spec, minutes=1)
