"""Mutation testing itself: mutants are found, judged and held against the list of those that no test can kill."""

import json
import os
import time
from pathlib import Path

import pytest
import yaml

from musiclib.files import append_line
from proofs_checks import ROOT
from proofs_checks.mutation import rest
from proofs_checks.mutation.judge import in_child
from proofs_checks.mutation.mutants import FILES, Mutant, mutants_of
from proofs_checks.mutation.page import rest_page
from proofs_checks.mutation.verdict import EQUIVALENT, allow_list, verdict

SOURCE = '''
def double(x):
    """Twice x."""
    if x < 0:
        raise ValueError(f"x: expected a number >= 0, got {str(x)}")
    return 2 * x
'''


def test_words_of_an_error_are_no_mutants_and_its_condition_is_one():
    code, mutants, words = mutants_of("musiclib/made_up.py", SOURCE)
    changes = {mutant.mutated for mutant in mutants}
    assert {"if x <= 0:", "if x < 1:", "return 2 / x", "return 3 * x"} <= changes
    assert not any("raise" in change for change in changes)
    assert words >= 1
    assert all(mutant.name.rpartition(".")[2] in code for mutant in mutants)
    assert {mutant.function for mutant in mutants} == {"double"}


def mutant(number: int, mutated: str) -> Mutant:
    return Mutant(f"musiclib.joint.x_f__mutmut_{number}", "musiclib/joint.py", "f", "return 1", mutated)


def test_a_survivor_without_a_reason_and_a_reason_without_a_survivor_are_both_red():
    two, three = mutant(1, "return 2"), mutant(2, "return 3")
    outcomes = {two.name: "survived", three.name: "killed"}
    assert verdict([two, three], outcomes, {two.key: "because"}) == ([], [])
    assert verdict([two, three], outcomes, {}) == ([two], [])
    assert verdict([two, three], outcomes, {two.key: "because", three.key: "because"}) == ([], [three.key])
    assert verdict([two], {two.name: "timeout"}, {}) == ([two], [])


def test_a_child_that_hangs_or_dies_has_no_result():
    assert in_child(lambda: {"by": "a test"}, 5, 30) == {"by": "a test"}
    assert in_child(lambda: time.sleep(60), 5, 0.2) == "timeout"
    assert in_child(lambda: os._exit(3), 5, 30) == "crash"


def test_every_reason_is_about_a_line_that_is_still_there():
    reasons = allow_list()
    for (file, function, original, mutated), reason in reasons.items():
        assert file in FILES
        source = (ROOT / file).read_text()
        assert f"def {function.rpartition('.')[2]}(" in source
        lines = {line.strip() for line in source.splitlines()}
        assert set(original.splitlines()) <= lines, f"{file} has changed: {original!r} is no line of it any more"
        assert mutated != original
        assert len(reason) > 20


def test_a_mutant_is_listed_once(tmp_path):
    groups = yaml.safe_load(EQUIVALENT.read_text(encoding="utf-8"))
    (tmp_path / "twice.yaml").write_text(yaml.safe_dump(groups + groups[:1]))
    with pytest.raises(ValueError, match="listed twice"):
        allow_list(tmp_path / "twice.yaml")


def test_everything_outside_the_core_can_be_chewed_on_and_most_of_it_has_a_judge():
    files = rest.rest()
    assert not set(files) & set(FILES)
    assert {"reproduce/judging/verdicts.py", "musiclib/views.py"} <= set(files)
    assert "tests/test_reproduce_records.py" in rest.judges_of("reproduce/judging/verdicts.py")
    assert "tests/test_mutations_by_hand.py" not in rest.judges_of("reproduce/judging/verdicts.py")
    assert sum(bool(rest.judges_of(f)) for f in files) > 0.7 * len(files)


def test_a_mutant_of_words_alone_is_not_tried_outside_the_core():
    def only_words(original, mutated):
        return rest.only_words(Mutant("m", "f", "g", original, mutated))

    assert only_words('"a word"', '"XXa wordXX"')
    assert only_words('"a word"', '"A WORD"')
    assert not only_words("x < 1", "x <= 1")


def test_time_that_is_over_leaves_mutants_untried(tmp_path):
    found = rest.judge_file(tmp_path, "reproduce/planning/jobs.py", until=0)
    assert found["mutants"] > 10
    assert (found["tried"], found["killed"], found["survivors"]) == (0, 0, [])


def test_survivors_outside_the_core_are_listed_and_the_rest_is_counted(tmp_path, monkeypatch):
    """With a judge that lets every third mutant live and stops before the last ones."""

    def stub(folder, *arguments, quiet, MUTATION_PLAN):
        plan = json.loads(Path(MUTATION_PLAN).read_text())
        assert "tests/test_reproduce_records.py" in arguments or "tests/test_judging_bites.py" in arguments
        for number, name in enumerate(plan["mutants"][:9]):
            append_line(plan["results"], {"mutant": name, "outcome": ("survived", "killed", "timeout")[number % 3]})
        return 0

    monkeypatch.setattr(rest, "run_pytest", stub)
    found = rest.judge_file(tmp_path, "reproduce/planning/jobs.py", until=time.time() + 60)
    assert (found["tried"], found["killed"], found["undecided"], len(found["survivors"])) == (9, 3, 3, 3)
    assert found["problem"] is None
    assert {s["outcome"] for s in found["survivors"]} == {"survived"}
    page = rest_page(
        {"files": {"f": found}, "minutes": 1, "provenance": {"code": {"commit": "c", "dirty": False}, "date": "d"}}
    )
    assert page.count("| survived |") == 4  # the head of the table, and three lines
