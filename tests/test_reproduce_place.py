"""The place where a batch runs: its temporary folder, its user, its matplotlibrc, its flags of Python, its locks."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import warnings

import pytest
from reproduce_fixtures import write_notebook, write_profile

from musiclib import files
from musiclib.studies.results import Results
from reproduce import ROOT
from reproduce.batch import executors, worker
from reproduce.batch.processes import Refused, only_runner

pytestmark = pytest.mark.timeout(600)

DRAWS = """
import matplotlib
from matplotlib import pyplot as plt
from musiclib.studies.results import Results
nb = Results("draws", out, seed=seed)
figure, axes = plt.subplots()
axes.plot([0, 1])
plt.close(figure)
nb.figure(figure, "line", "A line.")
nb.finish(wide=float(matplotlib.rcParams["lines.linewidth"]))
"""
CLAIMS = """
from musiclib.studies.results import Results
nb = Results("claims", out, seed=seed)
nb.claim("one is two", 1 == 2, "1 is not 2")
nb.finish()
"""
HOMELESS = "import pwd\ndef getpwuid(uid): raise KeyError('no such user')\npwd.getpwuid = getpwuid\n"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A batch where everything around it is unusual at once; its folder and what the command said."""
    base = tmp_path_factory.mktemp("elsewhere")
    long = base / ("j" * 60) / ("k" * 60)
    long.mkdir(parents=True)
    (base / "rc").mkdir()
    (base / "rc" / "matplotlibrc").write_text("text.usetex: True\nlines.linewidth: 9\n")
    (base / "user").mkdir()
    (base / "user" / "sitecustomize.py").write_text(HOMELESS)
    write_notebook(base / "books", "draws", DRAWS, record=False)
    write_notebook(base / "books", "claims", CLAIMS, record=False)
    write_notebook(base / "books", "asserts", "assert seed == 1, 'seed is not 1'")
    profile = write_profile(base, [{"notebook": n} for n in ("draws", "claims", "asserts")])
    command = [sys.executable, "-m", "reproduce", "run", "--profile", profile, "--notebooks", base / "books"]
    path = os.pathsep.join((str(base / "user"), str(ROOT)))
    environ = {"TMPDIR": str(long), "MPLCONFIGDIR": str(base / "rc"), "PYTHONOPTIMIZE": "1", "PYTHONPATH": path}
    kept = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME", "MUSICLIB_CACHE")}
    found = subprocess.run(
        [*command, "--out", base / "out"],
        cwd=ROOT,
        env={**kept, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return base / "out", found


def test_figures_are_drawn_with_our_settings_over_short_sockets_without_a_home(elsewhere):
    out, found = elsewhere
    assert "Traceback" not in found.stderr
    record = json.loads((out / "notebooks" / "draws" / "record.json").read_text())
    assert (record["status"], record["metrics"]) == ("done", {"wide": 1.5})
    assert (out / "report.html").is_file()


def test_claims_and_checks_hold_without_assert_statements(elsewhere):
    out, found = elsewhere
    assert found.returncode == 1
    assert "FAILED claims" in found.stderr
    assert "FAILED asserts" in found.stderr
    failure = json.loads((out / "notebooks" / "claims" / "failure.json").read_text())
    assert failure["message"] == "one is two: 1 is not 2"


def test_a_false_claim_stops_under_optimisation_outside_a_runner_too(tmp_path):
    line = "from musiclib.studies.results import Results; Results('x', r'" + str(tmp_path) + "').claim('a', False, 'b')"
    environ = {**os.environ, "PYTHONOPTIMIZE": "1", "PYTHONPATH": str(ROOT)}
    found = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, env=environ, check=False)
    assert found.returncode == 1
    assert "AssertionError: a: b" in found.stderr


def test_checks_that_assert_nothing_are_not_tried(tmp_path):
    command = [sys.executable, "-O", "-m", "proofs_checks", "--claim", "C1"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert found.returncode == 2
    assert "PYTHONOPTIMIZE" in found.stderr
    assert found.stderr.count("\n") == 1


def test_flags_that_change_python_do_not_reach_a_worker(monkeypatch):
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    monkeypatch.setenv("OWN", "kept")
    handed = executors.environment({"threads": 3, "environment": {"MUSICLIB_RUN": "t"}})
    assert "PYTHONOPTIMIZE" not in handed
    assert (handed["OWN"], handed["OMP_NUM_THREADS"], handed["MUSICLIB_RUN"]) == ("kept", "3", "t")


@pytest.mark.parametrize("length", [10, 87, 88, 93, 200])
def test_the_folder_of_the_sockets_is_short_whatever_tmpdir_is(tmp_path, monkeypatch, length):
    place = "/tmp/" + "t" * (length - 5)
    os.makedirs(place, exist_ok=True)
    monkeypatch.setenv("TMPDIR", place)
    try:
        with worker.short_folder() as folder:
            assert len(f"{folder}/k-12345") <= 107  # sun_path has 108 bytes, one of them the end
            assert folder.startswith(place) == (length < 88)
            assert worker.kernel_manager(folder).transport == "ipc"
        long = str(tmp_path / ("x" * 100))
        assert worker.kernel_manager(long).transport == "tcp"
    finally:
        os.rmdir(place)


@pytest.fixture
def without_locks(monkeypatch):
    """A function that makes the system answer so when asked for a lock."""

    def answer(code):
        def flock(file, operation):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(fcntl, "flock", flock)

    return answer


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told_and_used(tmp_path, without_locks, code):
    without_locks(code)
    with pytest.warns(UserWarning, match=f"cannot be locked .{os.strerror(code)}."), files.exclusive(tmp_path):
        pass
    with pytest.warns(UserWarning, match="only one run writes there"), only_runner(tmp_path) as note:
        assert note is None
    with pytest.warns(UserWarning, match="cannot be locked"):
        files.append_line(tmp_path / "lines.jsonl", {"a": 1})
    assert files.read_lines(tmp_path / "lines.jsonl") == [{"a": 1}]


@pytest.mark.parametrize("code", files.TAKEN)
def test_a_lock_that_another_has_is_in_use_and_nothing_else(tmp_path, without_locks, code):
    without_locks(code)
    with pytest.raises(files.FolderInUse, match="in use by another run"), files.exclusive(tmp_path):
        pass
    with pytest.raises(Refused, match="in use by another runner"), only_runner(tmp_path):
        pass


def test_a_system_without_flock_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    with pytest.warns(UserWarning, match="this system has no flock"), files.exclusive(tmp_path):
        pass


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_permissions_are_those_of_the_umask(tmp_path, mask):
    from musiclib.pretrain import checkpoint

    before = os.umask(mask)
    try:
        import torch

        folder = checkpoint.save(tmp_path / "c", {"w": torch.ones(2)}, step=1, owner="o")
        files.write_json(tmp_path / "a.json", 1)
        files.append_line(tmp_path / "b.jsonl", {})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            nb = Results("x", tmp_path / "nb")
            nb.finish()
    finally:
        os.umask(before)
    places = [folder, *folder.iterdir(), *(tmp_path / n for n in ("a.json", "b.jsonl", "nb/record.json"))]
    assert len(places) == 6
    for place in places:
        assert place.stat().st_mode & 0o777 == (0o777 if place.is_dir() else 0o666) & ~mask, place
