"""A run that is interrupted, however rudely, ends with the bits of one left alone."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch

from musiclib import files
from musiclib.config import TrainConfig
from musiclib.methods import METHODS
from musiclib.pretrain import checkpoint, run
from musiclib.pretrain.__main__ import main

# 1346 training digits: 6 steps an epoch.
COMMON = {"dataset": "digits", "encoder": "tiny", "batch": 224, "epochs": 2}


class Crash(Exception):
    pass


@pytest.fixture(autouse=True)
def one_thread():
    """Sums differ with the number of threads, and the processes started here get one as well."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights(folder) -> dict[str, torch.Tensor]:
    return checkpoint.load(folder / "checkpoint")["method"]


def curve(done) -> list[dict]:
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in done["curve"]]


def assert_same_bits(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    different = [name for name in a if not torch.equal(a[name], b[name])]
    assert not different, f"{len(different)} of {len(a)} tensors differ: {different[:3]}"


def options_of(name: str) -> dict:
    return {"projector": [64, 32]} | ({"segments": 4, "units": 4} if name == "music" else {})


# after the first step, the last of an epoch, inside the second epoch
@pytest.mark.parametrize(("step", "optimiser"), [(1, "sgd"), (6, "lars"), (8, "lars")])
def test_a_crash_after_any_step_costs_nothing(tmp_path, monkeypatch, step, optimiser):
    config = TrainConfig(**COMMON, options=options_of("music"), optimiser=optimiser)
    check_crash(config, step, tmp_path, monkeypatch)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_what_a_method_remembers_is_in_its_state(tmp_path, monkeypatch, name):
    check_crash(TrainConfig(**COMMON, method=name, options=options_of(name)), 8, tmp_path, monkeypatch)


def check_crash(config, step, tmp_path, monkeypatch):
    left_alone = run(config, tmp_path / "alone", progress=False, evaluate=False)
    crash(config, tmp_path / "crash", step, monkeypatch)
    resumed = run(config, tmp_path / "crash", progress=False, evaluate=False)
    assert_same_bits(weights(tmp_path / "alone"), weights(tmp_path / "crash"))
    assert curve(left_alone) == curve(resumed)


def crash(config, folder, step, monkeypatch):
    """Run until an exception in step `step` + 1, saving after every step."""
    cls = METHODS[config.method][0]
    after = cls.after_step

    def failing(self, k):
        after(self, k)
        if k == step + 1:
            raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(cls, "after_step", failing)
        with pytest.raises(Crash):
            run(config, folder, progress=False, evaluate=False, checkpoint_seconds=0.0)
    assert files.read_json(folder / "record.json")["error"]["type"] == "Crash"
    assert checkpoint.complete(folder / "checkpoint")[0].name == f"step-{step:09d}"


KILLED = {"segments": 4, "units": 4, "projector": [64]}
ARGUMENTS = ["--dataset", "digits", "--encoder", "tiny", "--batch", "224", "--epochs", "10", "--no-evaluate",
             *(word for name, value in KILLED.items() for word in ("--set", f"options.{name}={value}"))]  # fmt: skip


def test_a_run_killed_at_a_random_step_ends_with_the_same_bits(tmp_path):
    config = TrainConfig(**COMMON | {"epochs": 10}, options=KILLED)
    left_alone = run(config, tmp_path / "alone", progress=False, evaluate=False)
    folder = tmp_path / "runs" / config.hash()
    after = random.SystemRandom().randint(2, 45)  # of 60
    process = subprocess.Popen(
        [sys.executable, "-m", "musiclib.pretrain", *ARGUMENTS, "--out", tmp_path, "--checkpoint-seconds", "0"],
        stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        limit = time.monotonic() + 200
        while not (found := checkpoint.complete(folder / "checkpoint")) or int(found[0].name[5:]) < after:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < limit
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert after <= int(checkpoint.complete(folder / "checkpoint")[0].name[5:]) < 60
    resumed = run(config, folder, progress=False, evaluate=False)
    assert_same_bits(weights(tmp_path / "alone"), weights(folder))
    assert curve(left_alone) == curve(resumed)


def test_a_run_asked_to_stop_saves_itself_and_goes_on_later(tmp_path, monkeypatch, capsys):
    config = TrainConfig(**COMMON | {"epochs": 10}, options=KILLED)
    cls = METHODS["music"][0]
    arguments = [*ARGUMENTS, "--out", str(tmp_path), "--no-progress"]
    with monkeypatch.context() as patch:
        patch.setattr(cls, "after_step", lambda self, k: os.kill(os.getpid(), signal.SIGTERM) if k == 3 else None)
        assert main(arguments) == 75
    assert "saved after step 3 of 60" in capsys.readouterr().err
    folder = tmp_path / "runs" / config.hash()
    assert not (folder / "record.json").exists()
    assert main(arguments) == 0
    run(config, tmp_path / "alone", progress=False, evaluate=False)
    assert_same_bits(weights(tmp_path / "alone"), weights(folder))


def test_a_damaged_newest_checkpoint_resumes_from_the_one_before(tmp_path, monkeypatch):
    config = TrainConfig(**COMMON, options=options_of("music"))
    crash(config, tmp_path / "r", 5, monkeypatch)
    newest, _ = checkpoint.complete(tmp_path / "r" / "checkpoint")
    (newest / "tensors.safetensors").write_bytes(b"")
    run(config, tmp_path / "r", progress=False, evaluate=False)
    run(config, tmp_path / "alone", progress=False, evaluate=False)
    assert_same_bits(weights(tmp_path / "alone"), weights(tmp_path / "r"))
