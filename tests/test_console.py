"""Closed pipes, missing streams and narrow encodings cost no training; wrong arguments are one line; signals save."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from musiclib import console
from musiclib.pretrain import __main__ as pretrain_command
from musiclib.pretrain import processes
from reproduce import ROOT

PRETRAIN, REPRODUCE, PROOFS = "musiclib.pretrain", "reproduce", "proofs_checks"
TINY = ["--dataset", "digits", "--encoder", "tiny", "--threads", "1", "--batch", "128", "--epochs", "2"]


def shell(command: str, **variables: str) -> subprocess.CompletedProcess:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "P": f"{sys.executable} -m musiclib.pretrain", **variables}
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, env=environ, check=False)


class Broken(io.StringIO):
    """A pipe whose other end is gone after the first line."""

    def write(self, text):
        if self.getvalue():
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(text)


def test_a_stream_that_breaks_is_silent_from_then_on(monkeypatch):
    stream = Broken()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "stdout", None)
    with console.forgiving():
        print("one", file=sys.stderr, end="")
        print("two", file=sys.stderr)
        print("nobody listens")
        sys.stderr.flush()
    assert stream.getvalue() == "one"
    assert sys.stderr is stream
    assert sys.stdout is None


def test_letters_that_an_encoding_lacks_are_escaped():
    raw = io.BytesIO()
    stream = console.listening(io.TextIOWrapper(raw, encoding="ascii"))
    assert stream.write("± K² done\n") == len("± K² done\n")
    stream.flush()
    assert raw.getvalue() == b"\\xb1 K\\xb2 done\n"


SHOWING = """
import sys, musiclib.pretrain.__main__ as command, musiclib.pretrain.progress as progress
progress.LINE_SECONDS = 0.0
sys.exit(command.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "closed", ["2>&1 | head -1 > /dev/null; exit ${PIPESTATUS[0]}", "2>&-", ">&- 2>&-", "> /dev/full 2> /dev/full"]
)
def test_a_training_whose_listener_is_gone_ends_as_any_other(tmp_path, closed):
    (tmp_path / "show.py").write_text(SHOWING)
    found = shell(f"{sys.executable} {tmp_path}/show.py {' '.join(TINY)} --no-evaluate --out {tmp_path}/out {closed}")
    assert found.returncode == 0, found
    (record,) = (json.loads(p.read_text()) for p in tmp_path.glob("out/runs/*/record.json"))
    assert record["status"] == "done"
    assert "Traceback" not in found.stdout + found.stderr


def test_an_ascii_terminal_shows_every_list(tmp_path):
    for command in ("reproduce list", "proofs_checks --markdown", "musiclib.pretrain --help"):
        found = shell(f"{sys.executable} -m {command}", PYTHONIOENCODING="ascii", LC_ALL="C", PYTHONUTF8="0")
        assert found.returncode == 0, found.stderr
        assert found.stdout


WRONG = [
    (PRETRAIN, ["--bogus"], "unrecognized arguments: --bogus"),
    (PRETRAIN, ["--epochs", "x"], "invalid int value: 'x'"),
    (PRETRAIN, ["--config", "TAB"], "cannot start any token"),
    (PRETRAIN, ["--config", "TWO"], "expected a single document"),
    (PRETRAIN, ["--config", "LATIN"], "can't decode byte"),
    (PRETRAIN, ["--config", "/nowhere/x.yaml"], "No such file"),
    (PRETRAIN, ["--set", "options.projector=[512"], "expected ',' or ']'"),
    (PRETRAIN, ["--batch", "4096"], "at most the 1346 training samples"),
    (PRETRAIN, ["--device", "cuda:7"], "this machine has"),
    (PRETRAIN, ["--device", "gpu"], "device is 'gpu'; it has to be cpu, cuda or cuda:NUMBER"),
    (PRETRAIN, ["--encoder", "resnet-18"], "encoder='resnet-18': unknown"),
    (PRETRAIN, ["--set", "dataset_options.x=1"], "unknown option 'x'"),
    (PRETRAIN, ["--dataset", "attributes", "--set", "dataset_options.samples=two"], "must be int"),
    (PRETRAIN, ["--set", "views.mean=[0.5,0.5]", "--set", "views.std=[1,1]"], "mean has 2 values"),
    (PRETRAIN, ["--dataset", "digitz"], "digitz"),
    (PRETRAIN, ["--checkpoint-seconds", "nan"], "--checkpoint-seconds is nan"),
    (PRETRAIN, ["--threads", "0"], "--threads is 0"),
    (REPRODUCE, ["bogus"], "invalid choice: 'bogus'"),
    (REPRODUCE, ["run", "--jobs", "two"], "invalid int value: 'two'"),
    (REPRODUCE, ["run", "--slurm", "mem_gb=2"], "--slurm is of no use without --executor slurm"),
    (REPRODUCE, ["run", "--known", "/nowhere"], "--known /nowhere: there is no such folder"),
    (REPRODUCE, ["keep", "--out", "/nowhere", "--into", "/nowhere"], "/nowhere holds no records.jsonl"),
    (REPRODUCE, ["tune", "--methods", "musik"], "musik"),
    (REPRODUCE, ["tune", "--workers", "0"], "workers"),
    (REPRODUCE, ["tune", "--device", "gpu"], "device is 'gpu'"),
    (REPRODUCE, ["tune", "--encoder", "resnet-18"], "encoder='resnet-18': unknown"),
    (REPRODUCE, ["tune", "--dataset", "digitz"], "digitz"),
    (PROOFS, ["--bogus"], "unrecognized arguments: --bogus"),
    (PROOFS, ["--claim", "C999"], "unknown claim 'C999'"),
    (PROOFS, ["--jobs", "0"], "--jobs"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "arguments", "told"), WRONG)
def test_wrong_arguments_are_two_and_one_line(tmp_path, monkeypatch, capsys, module, arguments, told):
    (tmp_path / "TAB").write_text("options:\n\tsegments: 32\n")
    (tmp_path / "TWO").write_text("epochs: 1\n---\nepochs: 2\n")
    (tmp_path / "LATIN").write_bytes("method: müsic\n".encode("latin-1"))
    arguments = [str(tmp_path / a) if a in ("TAB", "TWO", "LATIN") else a for a in arguments]
    if module == PRETRAIN:
        arguments = ["--dataset", "digits", "--encoder", "tiny", "--out", str(tmp_path / "out"), *arguments]
    monkeypatch.chdir(tmp_path)
    main = __import__(f"{module}.__main__", fromlist=["main"]).main
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    said = capsys.readouterr().err
    assert (code, said.count("\n")) == (2, 1), said
    assert told in said


def test_the_documented_exit_codes_are_those_of_the_commands(capsys):
    rows = [r.split("|")[1:4] for r in (ROOT / "reproduce" / "README.md").read_text(encoding="utf-8").splitlines()
            if r.startswith(("| `python -m", "| all three"))]  # fmt: skip
    documented = {(command.strip(" `"), int(code)) for command, codes, _ in rows for code in codes.split(",")}
    for module in (PRETRAIN, REPRODUCE, PROOFS):
        codes = {code for command, code in documented if command in ("all three", f"python -m {module}")}
        main = __import__(f"{module}.__main__", fromlist=["main"]).main
        with pytest.raises(SystemExit) as stop:
            main(["--help"])
        told = " ".join(capsys.readouterr().out.lower().split())
        told = told[told.index("exit status" if module == PROOFS else "exit codes") :]
        assert stop.value.code == 0
        assert codes == {int(number) for number in re.findall(r"\b(\d{1,3})\b(?=[^)]*)", told) if int(number) < 200}
    assert set(pretrain_command.EXIT.values()) | {0} == {
        c for m, c in documented if m in ("all three", f"python -m {PRETRAIN}")
    }


@pytest.mark.parametrize("module", [PRETRAIN, REPRODUCE, PROOFS])
def test_windows_is_told_in_one_line(monkeypatch, capsys, module):
    main = __import__(f"{module}.__main__", fromlist=["main"]).main
    monkeypatch.setattr(sys, "platform", "win32")
    assert main([]) == 2
    said = capsys.readouterr().err
    assert "Windows is not supported" in said
    assert said.count("\n") == 1


def test_everything_can_be_imported_where_there_is_no_fcntl(tmp_path):
    (tmp_path / "fcntl.py").write_text("raise ModuleNotFoundError('fcntl')")
    line = "import musiclib.studies.results, reproduce.batch.runner, proofs_checks.__main__; print(1)"
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    found = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, env=environ, check=False)
    assert found.stdout.strip() == "1", found.stderr


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2"])
def test_every_signal_of_a_scheduler_saves_and_the_next_run_goes_on(tmp_path, name):
    command = f"exec $P {' '.join(TINY)} --epochs 400 --no-progress --no-evaluate --out {tmp_path}"
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "P": f"{sys.executable} -m musiclib.pretrain"}
    process = subprocess.Popen(["bash", "-c", command], cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 120
        while not list(Path(tmp_path).glob("runs/*/checkpoint/step-*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.0)
        process.send_signal(getattr(processes.signal, name))
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 75, said
    (saved,) = [p for p in tmp_path.glob("runs/*/checkpoint/step-*") if p.name != "step-000000000"]
    assert f"saved after step {int(saved.name[5:])} of 4000; run the same command to go on" in said
    assert said.count("\n") == 1


def test_what_nohup_ignores_stays_ignored():
    signal = processes.signal
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with processes.stop_signal() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop()
            os.kill(os.getpid(), signal.SIGUSR1)
            assert stop()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_ctrl_c_interrupts_at_once():
    signal = processes.signal
    with processes.stop_signal() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
