"""The examples of the documentation run as they are printed, each where its package is installed."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from musiclib import lower_bound

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "docs" / "examples"

# torchvision beside another torch than it was built for has no kernels; some are named when it is imported
OPERATORS = """
import sys
try:
    import torchvision
except ImportError:
    pass
except RuntimeError:
    import torch
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width, "
                   "int sampling_ratio, bool aligned) -> Tensor")
"""


def need(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


def play(name: str, folder: Path, *launcher: str, first: str = "") -> list[float]:
    """Run an example in a folder of its own; the losses that it prints. first: code that runs before it."""
    start = ["-c", f"{first}\nimport runpy; runpy.run_path({str(EXAMPLES / name)!r})"] if first else [EXAMPLES / name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, *map(str, start)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stderr
    return [float(value) for value in re.findall(r"loss (-?\d+\.\d+)", done.stdout)]


def test_the_plain_loop_nears_the_bound(tmp_path):
    losses = play("plain_loop.py", tmp_path)
    bound = lower_bound(units=4)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] - bound < 0.3 * (losses[0] - bound)


def test_under_ddp_two_processes_print_what_one_prints(tmp_path):
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    one, two = (play("with_ddp.py", tmp_path, *launch, number) for number in "12")
    assert len(one) == 3
    assert one[-1] < one[0] - 0.5
    assert two == pytest.approx(one, abs=2e-3)


def test_lightly_needs_two_changed_lines(tmp_path):
    changed = [line for line in (EXAMPLES / "with_lightly.py").read_text().splitlines() if "# was:" in line]
    assert len(changed) == 2
    assert all("MusicLoss" in line for line in changed)
    need("lightly")
    need("torchvision")
    losses = play("with_lightly.py", tmp_path, first=OPERATORS)
    assert len(losses) == 2
    assert all(lower_bound(units=8) < loss < 0 for loss in losses)


def test_lightning_trains_it(tmp_path):
    need("lightning")
    losses = play("with_lightning.py", tmp_path, first=OPERATORS)
    assert len(losses) == 4
    assert losses[-1] < losses[0] - 0.5


def test_a_callback_follows_a_run(tmp_path):
    losses = play("followed_live.py", tmp_path)
    assert losses == sorted(losses, reverse=True)
    assert len(losses) >= 1
    written = list((tmp_path / "outputs" / "followed" / "events").glob("events.*"))
    assert bool(written) == (importlib.util.find_spec("tensorboard") is not None)


def test_every_example_is_played_here():
    played = set(re.findall(r'play\("(\w+\.py)"', Path(__file__).read_text()))
    assert played == {path.name for path in EXAMPLES.glob("*.py")}
