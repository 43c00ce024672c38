"""What a notebook leaves behind, and when it counts as done."""

import json

import matplotlib.pyplot as plt
import pytest

from musiclib.studies.results import PROJECT, Results, anchored, check_parameters


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


def test_nothing_of_others_is_deleted_or_replaced(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "plot.pdf").write_text("plot")
    (tmp_path / "figures" / "line.svg").write_text("mine")
    nb = Results("demo", tmp_path)
    figure = plt.figure()
    with pytest.raises(FileExistsError, match=r"line\.svg was not written by this notebook"):
        nb.figure(figure, "line", "")
    nb.figure(figure, "other", "")
    assert sorted(p.name for p in (tmp_path / "figures").glob("[a-z]*")) == ["line.svg", "other.svg", "plot.pdf"]
    Results("demo", tmp_path)
    assert sorted(p.name for p in (tmp_path / "figures").glob("[a-z]*")) == ["line.svg", "plot.pdf"]
    assert (tmp_path / "figures" / "line.svg").read_text() == "mine"
    plt.close(figure)


def test_a_figure_that_was_edited_since_is_somebody_elses(tmp_path):
    figure = plt.figure()
    Results("demo", tmp_path).figure(figure, "line", "")
    (tmp_path / "figures" / "line.svg").write_text("by hand")
    Results("demo", tmp_path)
    assert (tmp_path / "figures" / "line.svg").read_text() == "by hand"
    plt.close(figure)


def test_a_record_that_is_no_notebooks_is_left(tmp_path):
    (tmp_path / "record.json").write_text('{"artist": "x"}')
    with pytest.raises(FileExistsError, match="is not a notebook's record"):
        Results("demo", tmp_path)
    assert (tmp_path / "record.json").read_text() == '{"artist": "x"}'


@pytest.mark.parametrize(
    ("annotation", "value", "told"),
    [
        ("bool", "false", "x is 'false' (str); it has to be bool; papermill reads -p NAME False"),
        ("bool", 0, "x is 0 (int)"),
        ("int", "12x", "x is '12x' (str)"),
        ("int", True, "x is True (bool)"),
        ("float", "1e-3.0", "x is '1e-3.0'"),
        ("list", "[1]", "x is '[1]'"),
        ("list[int]", [1, "2"], "x"),
        ("dict", [], "x is [] (list)"),
        ("Literal['a', 'b']", "c", "x is 'c'"),
    ],
)
def test_a_value_of_another_type_than_the_notebooks_is_refused(annotation, value, told):
    with pytest.raises(TypeError) as error:
        check_parameters({"__annotations__": {"x": annotation}, "x": value})
    assert told in str(error.value)


def test_values_of_the_right_types_pass_and_derived_names_are_not_asked():
    kinds = {"a": bool, "b": float, "c": "int | None", "d": list, "e": dict[str, int], "f": "Literal['a']"}
    values = {"a": False, "b": 1, "c": None, "d": [1, "x"], "e": {"k": 2}, "f": "a", "other": object()}
    check_parameters({"__annotations__": kinds, **values})
    check_parameters({})


def test_every_notebook_checks_its_parameters_in_the_cell_after_them():
    for path in sorted((PROJECT / "notebooks").glob("*.ipynb")):
        cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
        place = next(i for i, c in enumerate(cells) if "parameters" in c["metadata"].get("tags", []))
        assert "check_parameters(globals())" in "".join(cells[place + 1]["source"]), path
