"""What a notebook leaves behind, and when it counts as done."""

import json

import matplotlib.pyplot as plt
import pytest

from musiclib.studies.results import PROJECT, Results, anchored


def test_a_finished_notebook_leaves_its_figures_numbers_and_claims(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSICLIB_RUN", "token-7")
    nb = Results("demo", tmp_path, seed=3)
    figure, axes = plt.subplots()
    axes.plot([0, 1])
    assert nb.figure(figure, "line", "A line.") is figure
    nb.claim("rises", 1 > 0, "1 > 0")
    nb.observe("open", None, "not decided")
    nb.finish(accuracy=0.5)
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["status"] == "done"
    assert record["token"] == "token-7"
    assert record["config"] == {"seed": 3}
    assert record["metrics"] == {"accuracy": 0.5}
    assert record["claims"] == {
        "rises": {"holds": True, "text": "1 > 0"},
        "open": {"holds": None, "text": "not decided"},
    }
    assert [f["caption"] for f in record["figures"]] == ["A line."]
    assert "<svg" in (tmp_path / record["figures"][0]["file"]).read_text()
    plt.close(figure)


def test_a_claim_that_fails_stops_the_notebook(tmp_path):
    nb = Results("demo", tmp_path)
    with pytest.raises(AssertionError, match="falls: 1 is not below 0"):
        nb.claim("falls", 1 < 0, "1 is not below 0")
    assert not (tmp_path / "record.json").exists()


def test_an_old_success_does_not_vouch_for_a_new_execution(tmp_path):
    Results("demo", tmp_path).finish()
    Results("demo", tmp_path)
    assert not (tmp_path / "record.json").exists()


def test_names_are_used_once(tmp_path):
    nb = Results("demo", tmp_path)
    nb.observe("a", True, "")
    with pytest.raises(ValueError, match="key='a'"):
        nb.observe("a", True, "")
    figure = plt.figure()
    nb.figure(figure, "f", "")
    with pytest.raises(ValueError, match="name='f'"):
        nb.figure(figure, "f", "")
    plt.close(figure)


def test_the_same_figure_is_the_same_file(tmp_path):
    contents = []
    for folder in ("a", "b"):
        figure, axes = plt.subplots()
        axes.set_xlabel("time in epochs")
        Results("demo", tmp_path / folder).figure(figure, "f", "")
        contents.append((tmp_path / folder / "figures" / "f.svg").read_text())
        plt.close(figure)
    assert contents[0] == contents[1]


def test_relative_folders_lie_below_the_project_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert anchored("outputs/x") == PROJECT / "outputs" / "x"
    assert anchored(tmp_path / "y") == tmp_path / "y"


def test_what_was_computed_once_is_found_again_and_not_for_other_settings(tmp_path, monkeypatch):
    monkeypatch.delenv("MUSICLIB_RUNS", raising=False)
    calls = []

    def compute():
        calls.append(1)
        return {"top1": [0.5, float(len(calls))]}

    first = Results("demo", tmp_path).kept({"run": "abc", "draw": 0}, compute)
    assert Results("demo", tmp_path).kept({"draw": 0, "run": "abc"}, compute) == first
    assert len(calls) == 1
    assert Results("demo", tmp_path).kept({"run": "abc", "draw": 1}, compute) != first
    assert len(calls) == 2
