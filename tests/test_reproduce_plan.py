"""What a profile may say, and every way of getting it wrong: all mistakes are told at once, before anything starts."""

from __future__ import annotations

import json

import pytest
from reproduce_fixtures import PARAMETERS, write_notebook, write_profile

from musiclib.schema import read_yaml
from reproduce.planning.parameters import Parameter, from_text, problem_with, read_notebook
from reproduce.planning.plan import build, profile_names

TYPED = PARAMETERS + (
    "epochs: int = 2  # passes over the data\nlr: float = 1e-3\nmethod: str = 'music'\nflip: bool = True\n"
    "widths: list[int] = [64]\noptions: dict[str, float] = {}\nlimit: int | None = None\n"
)


@pytest.fixture
def books(tmp_path):
    folder = tmp_path / "notebooks"
    write_notebook(
        folder, "03_train", parameters=TYPED, check="assert epochs >= 1, f'epochs={epochs} must be at least 1'"
    )
    write_notebook(folder, "04_plain")
    return folder


def plan_of(tmp_path, books, jobs, only=None, settings=None, data_root=None, **top):
    return build(
        str(write_profile(tmp_path, jobs, **top)), notebooks=books, only=only, settings=settings, data_root=data_root
    )


# -- parameters cells ----------------------------------------------------------------------------------------------


def test_a_typed_cell_gives_names_types_defaults_and_help(books):
    book = read_notebook(books / "03_train.ipynb")
    assert book.problems == ()
    assert book.parameters["epochs"] == Parameter("epochs", "int", 2, "passes over the data")
    assert book.parameters["limit"] == Parameter("limit", "int | None", None, "")
    assert book.title == "Title of 03_train"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("epochs = 2", "no typed assignment"),
        ("width: int = 2 * 8", "not a literal"),
        ("name: str = 'a=b'", "'='"),
        ("size: tuple = (1, 2)", "is a tuple"),
        ("epochs: int = 2.5", "epochs=2.5 is a float, but epochs must be int"),
        ("import os", "no typed assignment"),
        ("seed: int = 1", "a second time"),
        ("when: date = 1", "not one a parameter can have"),
        ("pair: list = [(1, 2)]", "pair=[(1, 2)] is a list, but"),
        ("table: dict = {1: 'a'}", "table={1: 'a'} is a dict, but"),
    ],
)
def test_a_cell_that_papermill_would_get_wrong_is_told(tmp_path, line, told):
    book = read_notebook(write_notebook(tmp_path, "x", parameters=PARAMETERS + line))
    assert any(told in p for p in book.problems), book.problems


def test_a_notebook_needs_exactly_one_tagged_cell_the_two_common_parameters_and_a_kernel(tmp_path):
    path = write_notebook(tmp_path, "x", parameters="epochs: int = 1")
    assert [p for p in read_notebook(path).problems if "out: str" in p or "seed: int" in p]
    content = json.loads(path.read_text())
    content["cells"][1]["metadata"]["tags"] = []
    content["metadata"].pop("kernelspec")
    path.write_text(json.dumps(content))
    problems = read_notebook(path).problems
    assert any("0 code cells tagged" in p for p in problems)
    assert any("kernel" in p for p in problems)


def test_a_damaged_notebook_is_told_and_does_not_raise(tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text('{"cells": [')
    assert "is no notebook" in read_notebook(path).problems[0]


def test_the_hash_follows_the_sources_and_not_the_outputs(tmp_path):
    path = write_notebook(tmp_path, "x", "a = 1")
    before = read_notebook(path).hash
    content = json.loads(path.read_text())
    content["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["1"]}]
    content["cells"][2]["execution_count"] = 7
    path.write_text(json.dumps(content))
    assert read_notebook(path).hash == before
    content["cells"][2]["source"] = ["a = 2"]
    path.write_text(json.dumps(content))
    assert read_notebook(path).hash != before


# -- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        ("int", "3", 3),
        ("float", "1e-6", 1e-6),
        ("float", "3", 3),
        ("str", "0", "0"),
        ("str", "a=b", "a=b"),
        ("str", "true", "true"),
        ("bool", "true", True),
        ("list[int]", "[1, 2]", [1, 2]),
        ("dict[str, float]", "{lr: 0.5}", {"lr": 0.5}),
        ("int | None", "null", None),
        ("Literal['a', 'b']", "b", "b"),
        ("str | None", "null", None),
    ],
)
def test_set_reads_its_text_by_the_type_of_the_parameter(annotation, text, value):
    assert from_text(Parameter("x", annotation, None), text) == value


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        ("int", "3.5"),
        ("int", "true"),
        ("float", "fast"),
        ("bool", "yes"),
        ("bool", "1"),
        ("list[int]", "[a]"),
        ("list[int]", "1"),
        ("Literal['a', 'b']", "c"),
        ("int", "[1"),
        ("float", ".inf"),
    ],
)
def test_set_refuses_what_is_not_of_the_type(annotation, text):
    with pytest.raises(ValueError, match="x="):
        from_text(Parameter("x", annotation, None), text)


def test_tuples_are_refused_because_papermill_hands_them_over_as_text():
    assert "tuple" in problem_with(Parameter("x", "list", None), (1, 2))
    assert problem_with(Parameter("x", "list", None), [(1, 2)]) is not None


def test_yaml_has_no_surprises():
    assert read_yaml("{a: 1e-6, b: on, c: no, d: 2026-01-01, e: 1.5}") == {
        "a": 1e-6,
        "b": "on",
        "c": "no",
        "d": "2026-01-01",
        "e": 1.5,
    }
    with pytest.raises(Exception, match="given twice"):
        read_yaml("a: 1\na: 2")


# -- profiles ------------------------------------------------------------------------------------------------------


def test_seeds_matrix_and_cases_multiply(tmp_path, books):
    entry = {
        "notebook": "03_train",
        "seeds": [0, 1],
        "matrix": {"epochs": [3, 4]},
        "cases": [{"method": "music"}, {"method": "simclr", "lr": 0.1}],
    }
    plan = plan_of(tmp_path, books, [entry])
    assert plan.problems == []
    found = {(j.values["method"], j.values["lr"], j.values["epochs"], j.values["seed"]) for j in plan.jobs}
    assert found == {(m, lr, e, s) for m, lr in (("music", 1e-3), ("simclr", 0.1)) for e in (3, 4) for s in (0, 1)}
    assert len({j.id for j in plan.jobs}) == len({j.hash for j in plan.jobs}) == 8
    assert plan.jobs[0].id == "03_train.method=music_epochs=3_seed=0"


def test_set_replaces_a_varied_value_and_merges_the_jobs_that_become_the_same(tmp_path, books):
    plan = plan_of(tmp_path, books, [{"notebook": "03_train", "seeds": [0, 1, 2]}], settings=["seed=7", "method=byol"])
    assert plan.problems == []
    assert [(j.values["seed"], j.values["method"]) for j in plan.jobs] == [(7, "byol")]


def test_a_job_is_named_by_what_it_computes_not_by_where(tmp_path, books):
    (tmp_path / "d").mkdir()
    first = plan_of(tmp_path, books, [{"notebook": "04_plain"}]).jobs[0]
    with_data = write_notebook(books, "05_data", parameters=PARAMETERS + "data_root: str = ''\n")
    assert with_data.exists()
    a = plan_of(tmp_path, books, [{"notebook": "05_data"}]).jobs[0]
    b = plan_of(tmp_path, books, [{"notebook": "05_data"}], data_root=str(tmp_path / "d")).jobs[0]
    assert a.hash == b.hash != first.hash
    assert b.values["data_root"] == str((tmp_path / "d").resolve())


def test_only_takes_a_name_a_number_or_one_job(tmp_path, books):
    jobs = [{"notebook": "03_train", "seeds": [0, 1]}, {"notebook": "04_plain"}]
    assert {j.notebook for j in plan_of(tmp_path, books, jobs, only=["03"]).jobs} == {"03_train"}
    assert {j.notebook for j in plan_of(tmp_path, books, jobs, only=["04_plain.ipynb"]).jobs} == {"04_plain"}
    assert [j.id for j in plan_of(tmp_path, books, jobs, only=["03_train.seed=1"]).jobs] == ["03_train.seed=1"]


def test_all_mistakes_are_told_at_once(tmp_path, books):
    plan = plan_of(
        tmp_path,
        books,
        [
            {"notebook": "03_trian"},
            {"notebook": "03_train", "parameters": {"epoch": 3, "lr": "fast"}},
            {"notebook": "03_train", "matrix": {"widths": [[1], [2.5]]}},
            {"notebook": "03_train", "parameters": {"out": "x"}},
            {"notebook": "04_plain", "sedes": [1]},
            {"notebook": "03_train", "parameters": {"epochs": 0}, "label": "z"},
        ],
        settings=["seed=x", "nonsense", "nowhere=1"],
        data_root=str(tmp_path / "absent"),
    )
    told = "\n".join(plan.problems)
    for part in (
        "did you mean 03_train",
        "did you mean epochs",
        "lr='fast' is a str, but lr must be float",
        "widths=[2.5]",
        "out is set by the runner",
        "'sedes'",
        "epochs=0 must be at least 1",
        "seed='x'",
        "'nonsense' must read NAME=VALUE",
        "'nowhere'",
        "absent: there is no such folder",
    ):
        assert part in told, f"{part!r} is not in:\n{told}"


def test_an_unknown_profile_names_the_known_ones(books):
    told = build("quik", notebooks=books).problems
    assert len(told) == 1
    assert "quick" in told[0] or "known" in told[0]


def test_a_profile_that_is_no_yaml_names_the_line(tmp_path, books):
    path = tmp_path / "p.yaml"
    path.write_text("title: a\njobs: [\n")
    assert "line" in build(str(path), notebooks=books).problems[0]


@pytest.mark.parametrize("name", profile_names())
def test_the_shipped_profiles_have_no_mistakes(name, tmp_path):
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
    assert build(name, data_root=str(tmp_path), check_data=False).problems == []
