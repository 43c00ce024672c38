"""The search that every method gets."""

import json

import pytest

from musiclib.config import TrainConfig
from reproduce import tune

SPACE = {"lr": [1e-3, 2e-3, 4e-3], "score": "linear/validation/top1", "main": {"music": [{"units": 8}, {"units": 4}]}}


def fake_trials(monkeypatch, score):
    """Trials that score by a formula instead of training; returns the list of configurations that were asked for."""
    asked: list[TrainConfig] = []

    def trial(config, out, data_root, threads, device):
        asked.append(config)
        value = score(config)
        return None if value is None else {"status": "done", "metrics": {SPACE["score"]: value}}

    monkeypatch.setattr(tune, "run_trial", trial)
    return asked


def run(out, space=SPACE):
    return tune.search({"dataset": "digits"}, ["music"], out, workers=2, data_root=None, threads=1, space=space)


def test_rates_come_first_and_the_main_parameter_is_tried_at_the_best_rate(monkeypatch, tmp_path):
    asked = fake_trials(monkeypatch, lambda c: 0.5 - abs(c.lr - 2e-3) + (0.1 if c.options.get("units") == 4 else 0))
    chosen = run(tmp_path)["music"]
    assert (chosen["lr"], chosen["options"], chosen["trials"]) == (2e-3, {"units": 4}, 5)
    assert [c.lr for c in asked[3:]] == [2e-3, 2e-3]
    assert chosen["margin"] == pytest.approx(0.1)
    assert not chosen["at_edge"]
    assert json.loads((tmp_path / "chosen.json").read_text())["chosen"]["music"]["options"] == {"units": 4}


def test_no_trial_looks_at_the_test_set(monkeypatch, tmp_path):
    asked = fake_trials(monkeypatch, lambda c: 0.5)
    run(tmp_path)
    assert all(c.validation for c in asked)


def test_a_trial_that_fails_never_wins_and_an_edge_is_told(monkeypatch, tmp_path):
    fake_trials(monkeypatch, lambda c: None if c.lr < 4e-3 else 0.2)
    chosen = run(tmp_path, {**SPACE, "main": {"music": []}})["music"]
    assert (chosen["lr"], chosen["score"], chosen["at_edge"]) == (4e-3, 0.2, True)


def test_a_method_without_an_entry_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="'byol'"):
        tune.search({}, ["byol"], tmp_path, workers=1, data_root=None, threads=1, space=SPACE)
