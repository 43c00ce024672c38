"""Who follows a run live: called after every step and epoch, once, and without a say in the numbers."""

from __future__ import annotations

import pytest

from musiclib.config import TrainConfig
from musiclib.pretrain import run
from musiclib.pretrain.callbacks import Callback
from musiclib.pretrain.lifecycle import Conduct

CONFIG = TrainConfig(
    dataset="digits", encoder="tiny", epochs=2, batch=256, options={"segments": 4, "units": 4, "projector": [16]}
)
STEPS_AN_EPOCH = 1346 // 256


class Diary(Callback):
    def __init__(self, fails_at: int | None = None) -> None:
        self.steps, self.epochs, self.fails_at = [], [], fails_at

    def on_step(self, step, lr, output):
        if step == self.fails_at:
            raise OSError("no space left for the diary")
        self.steps.append((step, lr, float(output.loss.detach())))

    def on_epoch(self, entry):
        self.epochs.append(entry)


def test_callbacks_see_every_step_and_epoch_and_change_nothing(tmp_path):
    diary = Diary()
    followed = run(CONFIG, tmp_path / "followed", progress=False, evaluate=False, callbacks=[diary])
    alone = run(CONFIG, tmp_path / "alone", Conduct(progress=False, evaluate=False))
    assert [step for step, *_ in diary.steps] == list(range(1, 2 * STEPS_AN_EPOCH + 1))
    assert [entry["epoch"] for entry in diary.epochs] == [1, 2]
    for entry in diary.epochs:
        losses = [loss for step, _, loss in diary.steps if (step - 1) // STEPS_AN_EPOCH == entry["epoch"] - 1]
        assert entry["loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert diary.epochs[-1]["lr"] == diary.steps[-1][1]
    for one, two in zip(followed["curve"], alone["curve"], strict=True):
        assert one["loss"] == two["loss"]


def test_a_callback_that_fails_ends_the_run_which_then_goes_on_where_it_was(tmp_path):
    with pytest.raises(OSError, match="diary"):
        run(CONFIG, tmp_path, progress=False, evaluate=False, checkpoint_seconds=0.0, callbacks=[Diary(fails_at=7)])
    diary = Diary()
    done = run(CONFIG, tmp_path, progress=False, evaluate=False, callbacks=[diary])
    assert diary.steps[0][0] == 7
    assert len(done["curve"]) == 2


def test_a_finished_run_calls_nobody(tmp_path):
    run(CONFIG, tmp_path, progress=False, evaluate=False)
    diary = Diary()
    run(CONFIG, tmp_path, progress=False, evaluate=False, callbacks=[diary])
    assert diary.steps == diary.epochs == []


def test_a_way_of_running_that_is_not_known_is_an_error(tmp_path):
    with pytest.raises(TypeError, match="progres"):
        run(CONFIG, tmp_path, progres=False)
