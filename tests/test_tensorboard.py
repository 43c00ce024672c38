"""What TensorBoard shows of a run is what its record holds."""

from __future__ import annotations

import sys

import pytest

from musiclib.config import TrainConfig
from musiclib.pretrain import run
from musiclib.pretrain.__main__ import main
from musiclib.pretrain.callbacks import Callback
from musiclib.pretrain.tensorboard import TensorBoard

accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator", reason="the extra 'tensorboard' is not installed"
)

SMALL = {"method": "music", "dataset": "digits", "encoder": "tiny", "epochs": 2, "batch": 256}
CONFIG = TrainConfig.from_dict(SMALL)
STEPS = 2 * (1437 // 256)


def scalars(folder) -> dict[str, dict[int, float]]:
    """Name -> step -> value of every scalar in a folder of events."""
    events = accumulator.EventAccumulator(str(folder)).Reload()
    return {name: {e.step: e.value for e in events.Scalars(name)} for name in events.Tags()["scalars"]}


class StopAt(Callback):
    """Fails after a step, as a full disk would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, step, lr, output) -> None:
        if step == self.step:
            raise OSError("full")


def test_steps_and_epochs_are_those_of_the_record(tmp_path):
    done = run(
        CONFIG, tmp_path / "run", progress=False, evaluate=False, callbacks=[TensorBoard(tmp_path / "events", every=3)]
    )
    shown = scalars(tmp_path / "events")
    assert sorted(shown["step/loss"]) == list(range(3, STEPS + 1, 3))
    assert {"step/lr", "step/diagonal", "step/off_diagonal", "step/invariance"} <= set(shown)
    for entry in done["curve"]:
        for name in ("loss", "diagonal", "lr"):
            assert shown[f"epoch/{name}"][entry["step"]] == pytest.approx(entry[name], rel=1e-6)
    health = {name for name, value in done["curve"][-1]["health"].items() if isinstance(value, float)}
    assert health
    assert {f"epoch/health/{name}" for name in health} <= set(shown)


def test_what_a_resumed_run_does_again_is_shown_once(tmp_path):
    how = {"progress": False, "evaluate": False, "checkpoint_seconds": 0.0}
    with pytest.raises(OSError, match="full"):
        run(CONFIG, tmp_path / "run", callbacks=[TensorBoard(tmp_path / "events", every=1), StopAt(7)], **how)
    assert max(scalars(tmp_path / "events")["step/loss"]) == 7
    run(CONFIG, tmp_path / "run", callbacks=[TensorBoard(tmp_path / "events", every=1)], **how)
    events = accumulator.EventAccumulator(str(tmp_path / "events")).Reload()
    assert [event.step for event in events.Scalars("step/loss")] == list(range(1, STEPS + 1))


def test_the_command_writes_events_under_the_name_of_the_run(tmp_path):
    words = [f"--{name}={value}" for name, value in SMALL.items()]
    where = [f"--out={tmp_path / 'out'}", f"--tensorboard={tmp_path / 'board'}"]
    assert main([*words, *where, "--no-evaluate", "--no-progress"]) == 0
    assert sorted(scalars(tmp_path / "board" / CONFIG.resolved().hash())["epoch/loss"]) == [STEPS // 2, STEPS]


def test_an_interval_below_one_step_and_a_missing_package_are_told(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="every is 0; it has to be at least 1"):
        TensorBoard(tmp_path, every=0)
    for name in [m for m in sys.modules if m.split(".")[0] == "tensorboard" or m.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setattr(sys, "argv", ["a_program.py"])
    with pytest.raises(ModuleNotFoundError, match="needs the extra 'tensorboard' of music-ssl"):
        TensorBoard(tmp_path)
    assert not list(tmp_path.iterdir())
