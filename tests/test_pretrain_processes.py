"""Two processes see the images that one would, and learn the same: exactly in float64, to rounding in float32."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch import nn
from two_processes import in_two_processes

from musiclib import datasets, files
from musiclib.config import TrainConfig
from musiclib.distributed import gather_batch
from musiclib.methods.base import Method, Output
from musiclib.objective import music_terms
from musiclib.pretrain import checkpoint, run
from musiclib.pretrain.assemble import build_method, view_configs
from musiclib.pretrain.loop import Training, train
from musiclib.pretrain.optimisers import build_optimiser
from musiclib.pretrain.randomness import local_randomness

CPU = torch.device("cpu")


class Smooth(Method):
    """A network without kinks, in float64: what one process and two may differ by is rounding at 1e-16."""

    def forward(self, x1, x2, index):
        z1, z2 = (self.encoder(x.double().flatten(1)) for x in (x1, x2))
        loss = sum(music_terms(z1, z2, 4))
        self.seen[gather_batch(index)] += 1
        return Output(loss, {}, z1.detach(), z2.detach())


def learn(_rank: int) -> dict:
    """Two epochs of `train`, in as many processes as there are: the weights and the curve."""
    config = TrainConfig(dataset="digits", batch=448, epochs=2, precision="float32", lr=0.01)
    images = datasets.load("digits").images
    with local_randomness(0, CPU):
        encoder = nn.Sequential(nn.Linear(256, 32), nn.Tanh(), nn.Linear(32, 16)).double()
    method = Smooth(encoder, None, samples=len(images), steps=6)
    method.register_buffer("seen", torch.zeros(len(images)))
    optimiser = build_optimiser("adamw", method, lr=0.1, weight_decay=0.1)
    training = Training(config, method, optimiser, images, view_configs(config), CPU)
    train(training)
    return {"weights": method.state_dict(), "curve": [e["loss"] for e in training.state.curve]}


def test_in_float64_two_processes_do_exactly_what_one_does(tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    one = learn(0)
    torch.set_num_threads(before)
    two, _ = in_two_processes(learn, tmp_path)
    assert one["weights"]["seen"].sum() == 2 * 3 * 448
    for name, value in one["weights"].items():
        torch.testing.assert_close(
            two["weights"][name], value, rtol=1e-9, atol=1e-11, msg=lambda m, n=name: f"{n}: {m}"
        )
    assert two["curve"] == pytest.approx(one["curve"], rel=1e-6)


def test_torchrun_trains_the_run_of_one_process(tmp_path):
    """3 steps in float32. A value next to a ReLU's kink may fall on either side, so updates agree to a few percent
    where the loss agrees to 1e-5; half a batch or a gradient of the wrong scale would be off by half or more."""
    options = {"segments": 4, "units": 4, "projector": [64]}
    config = TrainConfig(
        dataset="digits", encoder="tiny", batch=448, epochs=1, optimiser="sgd", precision="float32", options=options
    )
    alone = run(config, tmp_path / "alone", progress=False, evaluate=False)
    settings = {"optimiser": "sgd", "precision": "float32"} | {f"options.{name}": v for name, v in options.items()}
    arguments = ["--dataset", "digits", "--encoder", "tiny", "--batch", "448", "--epochs", "1", "--no-evaluate",
                 *(word for name, value in settings.items() for word in ("--set", f"{name}={value}")),
                 "--out", str(tmp_path), "--device", "cpu"]  # fmt: skip
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launcher, "-m", "musiclib.pretrain", *arguments], capture_output=True, text=True, timeout=250, env=environment
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / config.hash()
    together = files.read_json(folder / "record.json")
    assert together["environment"]["processes"] == 2
    assert len(files.read_lines(tmp_path / "records.jsonl")) == 1
    for name in ("loss", "diagonal", "off_diagonal", "invariance"):
        assert together["curve"][0][name] == pytest.approx(alone["curve"][0][name], rel=1e-3, abs=1e-4)
    one, two = (checkpoint.load(path / "checkpoint")["method"] for path in (tmp_path / "alone", folder))
    with local_randomness(0, CPU):
        start = build_method(config, channels=1, samples=1346, steps=3).state_dict()
    assert one.keys() == two.keys() == start.keys()
    for name, value in one.items():
        moved, off = (value - start[name]).double().norm(), (two[name] - value).double().norm()
        assert moved > 0
        assert off <= 0.15 * moved, f"{name}: moved by {moved:.3g}, differs by {off:.3g}"


def test_a_batch_that_the_processes_cannot_share_equally_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("musiclib.pretrain.lifecycle.world_size", lambda: 3)
    with pytest.raises(ValueError, match="multiple of the 3 processes"):
        run(TrainConfig(dataset="digits", encoder="tiny", batch=64), tmp_path, progress=False)
