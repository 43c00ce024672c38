"""Batches of tiny notebooks: what counts as done, what does not, and what is left when things are killed."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from reproduce_fixtures import PARAMETERS, write_notebook, write_profile

from reproduce import ROOT
from reproduce.__main__ import main
from reproduce.batch import executors, runner
from reproduce.batch import processes as procs
from reproduce.judging import records
from reproduce.planning.plan import build

pytestmark = pytest.mark.timeout(900)  # many processes: seconds on a quiet machine, minutes on a busy one

TRAINED = {
    "schema": 1,
    "kind": "pretrain",
    "run": "abc",
    "status": "done",
    "config": {},
    "method": "music",
    "dataset": "digits",
    "seed": 0,
    "metrics": {"linear/test/top1": 0.5},
    "time": {"started": "2026-01-01T00:00:00+00:00"},
    "environment": {},
    "code": {},
}
LOOK_AROUND = """
import os, subprocess, sys
metrics = {"threads": int(os.environ["OMP_NUM_THREADS"]), "n": n}
here = os.getcwd()
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
from pathlib import Path
Path(out, "seen.txt").write_text(here + "|" + str(left.pid) + "|" + sys.executable)
"""
TRAINS = f"""
import json, os
from pathlib import Path
line = {TRAINED!r}
folder = Path(out, "runs", "abc"); folder.mkdir(parents=True)
(folder / "record.json").write_text(json.dumps(line))
if seed == 0:  # one notebook appends the line itself, the other is taken to have been killed before it could
    with open(os.environ["MUSICLIB_RECORDS"], "a") as file:
        file.write(json.dumps(line) + "\\n")
"""


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """One batch with a notebook of every kind, in folders whose names papermill would choke on."""
    base = tmp_path_factory.mktemp("batch {x} é")
    books = base / "notebooks"
    with_n = PARAMETERS + "n: int = 1  # a number\n"
    write_notebook(books, "good", LOOK_AROUND, parameters=with_n)
    write_notebook(books, "trains", TRAINS)
    write_notebook(books, "raises", "print('before')", "def f():\n    raise KeyError('nothing here')\nf()")
    write_notebook(books, "dies", "import os", "os.kill(os.getpid(), 9)")
    write_notebook(books, "silent", "a = 1", record=False)
    write_notebook(books, "forged", "import os\nos.environ['MUSICLIB_RUN'] = 'abc.def'")
    write_notebook(books, "late", "import time\ntime.sleep(600)")
    afterwards = write_notebook(books, "afterwards", "a = 1")
    content = json.loads(afterwards.read_text())
    content["cells"].append({**content["cells"][-1], "id": "after", "source": ["1/0"]})
    afterwards.write_text(json.dumps(content))
    jobs = [
        {"notebook": "good", "matrix": {"n": [5, 6]}, "minutes": 0.02},
        {"notebook": "late", "minutes": 0.02, "limit_minutes": 0.06},
        {"notebook": "trains", "seeds": [0, 1], "minutes": 0.02},
        *({"notebook": n, "minutes": 0.02} for n in ("raises", "dies", "silent", "forged", "afterwards")),
    ]
    plan = build(str(write_profile(base, jobs)), notebooks=books)
    assert plan.problems == []
    stream = io.StringIO()
    summary = runner.run(plan, base / "out", executor=executors.Local(2), threads=1, stream=stream)
    return base / "out", plan, summary, stream.getvalue()


def test_what_is_good_is_done_and_nothing_else(batch):
    _, _, summary, _ = batch
    assert sorted(summary.done) == ["good.n=5", "good.n=6", "trains.seed=0", "trains.seed=1"]
    assert set(summary.failed) == {"raises", "dies", "silent", "forged", "late", "afterwards"}
    assert summary.exit_code == 1


@pytest.mark.parametrize(
    ("job", "kind", "told"),
    [
        ("raises", "cell", "nothing here"),
        ("dies", "kernel died", "signal 9"),
        ("silent", "no record", "wrote no record.json"),
        ("forged", "no record", "belongs to another run"),
        ("late", "time limit", "its limit"),
        ("afterwards", "cell", "division by zero"),
    ],
)
def test_a_failure_says_what_and_where(batch, job, kind, told):
    out, _, summary, said = batch
    assert summary.failed[job]["kind"] == kind
    assert told in summary.failed[job]["message"]
    line = next(r for r in records.load(out).lines if r.get("job") == job)
    assert line["status"] == "failed"
    assert line["error"] == json.loads((out / "notebooks" / job / "failure.json").read_text())
    assert f"FAILED {job}" in said


def test_the_failing_cell_and_the_log_are_kept(batch):
    out, _, summary, _ = batch
    assert summary.failed["raises"]["cell"] == 4
    assert "raise KeyError" in summary.failed["raises"]["source"]
    assert summary.failed["dies"]["cell"] == 4
    assert "before" in (out / "notebooks" / "raises" / "log.txt").read_text()


def test_parameters_arrive_and_the_notebook_runs_in_its_own_folder_with_this_python(batch):
    out, plan, _, _ = batch
    by_job = {r.get("job"): r for r in records.load(out).lines}
    assert (by_job["good.n=5"]["metrics"], by_job["good.n=6"]["metrics"]) == (
        {"threads": 1, "n": 5},
        {"threads": 1, "n": 6},
    )
    where, _, python = (out / "notebooks" / "good.n=5" / "seen.txt").read_text().split("|")
    assert Path(where) == plan.jobs[0].path.parent
    assert Path(python).samefile(sys.executable)


def test_nothing_is_left_running_not_even_what_a_kernel_started_in_its_own_session(batch):
    out, _, _, _ = batch
    for job in ("good.n=5", "good.n=6"):
        pid = int((out / "notebooks" / job / "seen.txt").read_text().split("|")[1])
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert procs.marked(procs.RESULT, str(out.resolve())) == []


def test_training_runs_are_collected_once_whoever_wrote_their_line(batch):
    out, _, _, _ = batch
    read = records.read(out / records.FILE)
    assert read.problems == []
    assert [r["run"] for r in read.of_kind("pretrain")] == ["abc"]


def test_the_executed_copy_is_whole_and_no_partial_one_is_left(batch):
    out, _, _, _ = batch
    for job in ("good.n=5", "raises", "silent", "dies"):
        cells = json.loads((out / "notebooks" / job / "notebook.ipynb").read_text())["cells"]
        assert any("injected-parameters" in c["metadata"].get("tags", []) for c in cells)
    finished = [p.parent.name for p in out.glob("notebooks/*/notebook.partial.ipynb")]
    assert set(finished) <= {"late"}  # ended from outside


def test_lines_say_how_far_the_batch_is(batch):
    said = batch[3]
    assert "[1/10, about" in said
    assert "[10/10]" in said


def test_resume_skips_what_is_done_and_tries_the_rest_again(batch):
    out, plan, _, _ = batch
    before = (out / "notebooks" / "good.n=5" / "record.json").stat().st_mtime_ns
    some = [j for j in plan.jobs if j.notebook in ("good", "silent")]
    plan.jobs, whole = some, plan.jobs
    try:
        summary = runner.run(plan, out, executor=executors.Local(2), resume=True, threads=1, quiet=True)
    finally:
        plan.jobs = whole
    assert summary.skipped == ["good.n=5", "good.n=6"]
    assert list(summary.failed) == ["silent"]
    assert (out / "notebooks" / "good.n=5" / "record.json").stat().st_mtime_ns == before
    lines = [r["job"] for r in records.read(out / records.FILE).of_kind("notebook")]
    assert lines.count("good.n=5") == 1
    assert lines.count("silent") == 2


def test_a_second_run_without_resume_or_fresh_is_refused_and_changes_nothing(batch):
    out, plan, _, _ = batch
    before = (out / records.FILE).read_bytes()
    with pytest.raises(procs.Refused, match="--resume"):
        runner.run(plan, out, executor=executors.Local(2), quiet=True)
    assert (out / records.FILE).read_bytes() == before


def test_a_changed_notebook_or_value_is_not_done_any_more(batch):
    out, plan, _, _ = batch
    job = plan.jobs[0]
    assert runner.state(job, out) == "done"
    assert runner.state(runner.Job(**{**job.__dict__, "hash": "0" * 12}), out) != "done"


# -- before anything starts ----------------------------------------------------------------------------------------


def test_a_record_that_tells_other_values_than_asked_for_is_no_proof(tmp_path):
    books = tmp_path / "notebooks"
    write_notebook(books, "a", parameters=PARAMETERS + "n: int = 1\n")
    job = build(str(write_profile(tmp_path, [{"notebook": "a", "parameters": {"n": 3}}])), notebooks=books).jobs[0]
    folder = job.folder(tmp_path)
    folder.mkdir(parents=True)
    good = {"status": "done", "token": f"{job.hash}.1234", "config": {"n": 3}}
    for change, accepted in (
        ({}, True),
        ({"config": {"n": 1}}, False),
        ({"status": "running"}, False),
        ({"figures": [{"file": "no.svg", "caption": ""}]}, False),
    ):
        (folder / "record.json").write_text(json.dumps({**good, **change}))
        assert (runner.own_record(job, tmp_path)[0] is not None) == accepted, change
    (folder / "record.json").write_text('{"status": "do')
    assert runner.own_record(job, tmp_path)[0] is None


def test_no_space_is_told_before_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr(procs, "free_mb", lambda folder: 12.0)
    with pytest.raises(procs.Refused, match="12 MB free"):
        procs.prepare_folder(tmp_path, 500.0)


def test_a_folder_that_cannot_be_written_to_is_told_before_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(procs.Refused, match="cannot be written to"):
        procs.prepare_folder(tmp_path / "file" / "out", 1.0)


def test_a_second_runner_on_one_folder_is_refused_by_name_of_the_first(tmp_path):
    with procs.only_runner(tmp_path) as note:
        assert note is None
        with pytest.raises(procs.Refused, match=f"process {os.getpid()} on"), procs.only_runner(tmp_path):
            pass
    with procs.only_runner(tmp_path) as note:
        assert note is None


def test_the_lock_of_a_dead_runner_is_taken_over(tmp_path):
    code = "import os, sys; from reproduce.batch.processes import only_runner\n"
    code += "with only_runner(sys.argv[1]): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=False)
    with procs.only_runner(tmp_path) as note:
        assert "took over from process" in note


def test_fresh_deletes_what_a_runner_writes_and_nothing_else(tmp_path):
    (tmp_path / "notebooks" / "x").mkdir(parents=True)
    (tmp_path / "records.jsonl").write_text("{}\n")
    (tmp_path / "mine.txt").write_text("keep")
    runner.discard(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "--profile", "nothere"], "no profile named"),
        (["run", "--profile", "PROFILE", "--jobs", "0"], "--jobs 0 must be at least 1"),
        (["run", "--profile", "PROFILE", "--resume", "--fresh"], "give one of the two"),
        (["run", "--profile", "PROFILE", "--set", "sed=1"], "did you mean seed"),
        (["run", "--profile", "PROFILE", "--only", "99"], "no notebook of this profile named '99'"),
        (["run", "--profile", "PROFILE", "--out", "/proc/nowhere"], "cannot be written to"),
        (["list", "--only", "99"], "no notebook named '99'"),
        (["report", "--out", "/nowhere"], "run something first"),
        (["compare", "/nowhere", "/nowhere"], "holds no records.jsonl"),
    ],
)
def test_bad_requests_end_with_two_and_say_why(tmp_path, capsys, arguments, told):
    write_notebook(tmp_path / "notebooks", "a")
    profile = str(write_profile(tmp_path, [{"notebook": "a"}]))
    arguments = [profile if a == "PROFILE" else a for a in arguments]
    if arguments[0] in ("run", "list"):
        arguments += ["--notebooks", str(tmp_path / "notebooks")]
    assert main(arguments) == 2
    assert told in capsys.readouterr().err


def test_list_shows_values_state_and_time(tmp_path, capsys):
    write_notebook(tmp_path / "notebooks", "a")
    profile = str(write_profile(tmp_path, [{"notebook": "a", "seeds": [3, 4], "minutes": 2}]))
    assert (
        main(["list", "--profile", profile, "--notebooks", str(tmp_path / "notebooks"), "--out", str(tmp_path / "out")])
        == 0
    )
    shown = capsys.readouterr().out
    assert "a.seed=3" in shown
    assert "to do" in shown
    assert "2 jobs, 2 to run: about 2 min 00 s with 2 at a time" in shown
    assert not (tmp_path / "out").exists()


# -- killed from outside -------------------------------------------------------------------------------------------

STEPS = """
import os, time
from pathlib import Path
def put(name, value):
    Path(out, name + ".part").write_text(str(value)); os.replace(Path(out, name + ".part"), Path(out, name))
done = Path(out, "steps.txt")
step = start = int(done.read_text()) if done.exists() else 0
put("pid", os.getpid())
while step < start + 10 or not Path(out).parent.joinpath("enough").exists():
    time.sleep(0.01)
    step += 1
    put("steps.txt", step)
put("start.txt", start)
metrics = {"seed": seed}
"""


@pytest.fixture
def stepping(tmp_path):
    write_notebook(tmp_path / "notebooks", "steps", STEPS)
    profile = write_profile(tmp_path, [{"notebook": "steps", "seeds": [0, 1], "minutes": 0.05}])
    return ["--profile", str(profile), "--notebooks", str(tmp_path / "notebooks"), "--out", str(tmp_path / "out")]


def start(arguments):
    command = [sys.executable, "-m", "reproduce", "run", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(paths, process, seconds=300):
    deadline = time.monotonic() + seconds
    while not all(p.exists() for p in paths):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"{paths} did not appear"
        time.sleep(0.02)


def gone(pids, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not [p for p in pids if psutil.pid_exists(p) and psutil.Process(p).status() != psutil.STATUS_ZOMBIE]:
            return True
        time.sleep(0.05)
    return False


def test_whatever_is_killed_resume_goes_on_and_ends_with_whole_records(tmp_path, stepping):
    out, counts = tmp_path / "out", []
    marks = [out / "notebooks" / f"steps.seed={s}" / "steps.txt" for s in (0, 1)]
    for victim, code in (("runner", -signal.SIGKILL), ("kernel", 1), ("asked", 128 + signal.SIGTERM)):
        for mark in marks:
            (mark.parent / "pid").unlink(missing_ok=True)
        process = start([*stepping, "--resume"])
        wait_for([*marks, *(m.parent / "pid" for m in marks)], process)
        kernels = [int((m.parent / "pid").read_text()) for m in marks]
        time.sleep(0.2)
        if victim == "kernel":
            os.kill(kernels[0], signal.SIGKILL)
            os.kill(kernels[1], signal.SIGKILL)
        else:
            process.send_signal(signal.SIGKILL if victim == "runner" else signal.SIGTERM)
        said = process.communicate(timeout=300)[0]
        assert process.returncode == code, f"{victim}: {said}"
        assert gone(kernels), f"{victim}: a kernel outlived its runner"
        counts.append(int(marks[0].read_text()))
    (marks[0].parent.parent / "enough").write_text("")
    last = start([*stepping, "--resume"])
    said = last.communicate(timeout=400)[0]
    assert last.returncode == 0, said
    lines = {r["job"]: r for r in records.load(out).of_kind("notebook")}
    assert {j: (r["status"], r["metrics"]) for j, r in lines.items()} == {
        f"steps.seed={s}": ("done", {"seed": s}) for s in (0, 1)
    }
    assert records.read(out / records.FILE).problems == []
    assert counts == sorted(counts), "an attempt began again instead of going on"
    assert counts[0] < counts[-1]
    assert int((marks[0].parent / "start.txt").read_text()) == counts[-1]
