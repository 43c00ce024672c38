"""The search that every method gets."""

import json
from pathlib import Path

import pytest

from musiclib.config import TrainConfig
from musiclib.schema import read_mapping
from reproduce import tune

ROOT = Path(__file__).parents[1]

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


def test_the_grid_grows_until_the_best_rate_lies_inside_it(monkeypatch, tmp_path):
    asked = fake_trials(monkeypatch, lambda c: 0.5 - abs(c.lr - 8e-3))
    chosen = run(tmp_path, {**SPACE, "widen": 5, "main": {"music": []}})["music"]
    assert [c.lr for c in asked] == pytest.approx([1e-3, 2e-3, 4e-3, 8e-3, 16e-3])
    assert (chosen["lr"], chosen["at_edge"]) == (8e-3, False)


def test_the_grid_grows_no_further_than_it_may_and_downwards_too(monkeypatch, tmp_path):
    asked = fake_trials(monkeypatch, lambda c: -c.lr)
    chosen = run(tmp_path, {**SPACE, "widen": 2, "main": {"music": []}})["music"]
    assert [c.lr for c in asked[3:]] == pytest.approx([5e-4, 2.5e-4])
    assert chosen["at_edge"]


def test_a_method_without_an_entry_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="'byol'"):
        tune.search({}, ["byol"], tmp_path, workers=1, data_root=None, threads=1, space=SPACE)


def test_a_search_of_rates_alone_leaves_the_rest_for_later(tmp_path, monkeypatch):
    asked = fake_trials(monkeypatch, lambda c: c.lr)
    base = {"dataset": "digits", "encoder": "tiny", "epochs": 1, "batch": 64, "seed": 100}
    common = {"workers": 1, "data_root": None, "threads": 1, "space": SPACE}
    chosen = tune.search(base, ["music"], tmp_path, rounds=1, **common)
    assert [c.lr for c in asked] == SPACE["lr"]
    assert chosen["music"]["trials"] == 3
    tune.search(base, ["music"], tmp_path, rounds=2, **common)
    assert [c.options for c in asked[3:]] == [{}] * 3 + SPACE["main"]["music"]


def test_the_comparison_uses_what_the_search_chose():
    chosen = json.loads((ROOT / "reproduce/results/cpu/tuning.json").read_text())["chosen"]
    profile = read_mapping(ROOT / "reproduce/profiles/cpu.yaml")
    jobs = [job for job in profile["jobs"] if job.get("notebook") == "04_comparison"]
    wanted = {
        method: {"lr": best["lr"]} | ({"options": best["options"]} if best["options"] else {})
        for method, best in chosen.items()
    }
    assert jobs
    assert all(job["parameters"]["settings"] == wanted for job in jobs)


def test_every_choice_is_the_best_of_its_recorded_trials():
    found = json.loads((ROOT / "reproduce/results/cpu/tuning.json").read_text())
    lines = (ROOT / "reproduce/results/cpu/trials.jsonl").read_text().splitlines()
    trials = [
        r
        for r in map(json.loads, lines)
        if r["config"]["validation"] and {k: r["config"][k] for k in found["base"]} == found["base"]
    ]
    for method, best in found["chosen"].items():
        own = [r for r in trials if r["method"] == method]
        first = max(own, key=lambda r: r["metrics"][found["space"]["score"]])
        assert len(own) == best["trials"]
        assert first["metrics"][found["space"]["score"]] == best["score"]
        assert first["config"]["lr"] == best["lr"]
        assert {k: first["config"]["options"][k] for k in best["options"]} == best["options"]


def test_a_variant_keeps_its_own_options_through_the_whole_search(monkeypatch, tmp_path):
    asked = fake_trials(monkeypatch, lambda c: 0.5)
    space = {**SPACE, "main": {"music_entropies": [{"units": 8}]}}
    common = {"workers": 1, "data_root": None, "threads": 1}
    chosen = tune.search({"dataset": "digits"}, ["music_entropies"], tmp_path, space=space, **common)
    assert {(c.method, c.options["invariance_weight"]) for c in asked} == {("music", 0.0)}
    assert asked[-1].options["units"] == 8
    assert "invariance_weight" not in chosen["music_entropies"]["options"]
