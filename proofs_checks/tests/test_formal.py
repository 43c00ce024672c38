"""The formal core: its list, its README and its record agree; what would hollow it out is refused; Coq compiles it."""

import json
import math
import re
import shutil
import subprocess
import sys

import pytest

from proofs_checks import ROOT, report
from proofs_checks import __main__ as cli
from proofs_checks.claims import CLAIMS
from proofs_checks.formal import compile as core
from proofs_checks.formal import record, weaken
from proofs_checks.formal.compile import FormalError
from proofs_checks.formal.scenes import PREAMBLE, Exact, Measured, module_of, phi
from proofs_checks.formal.theorems import ALLOWED_AXIOMS, PARTS, THEOREMS, Theorem
from proofs_checks.formal.weakenings import WEAKENINGS, Weakening
from proofs_checks.tests.formal_scenes import Act, all_acts

needs_coq = pytest.mark.skipif(
    shutil.which("coqc") is None, reason="coqc is not installed (Debian: apt-get install coq)"
)
SOURCES = core.read_sources()
ACTS = all_acts()
MEASURED = [(act, one) for act in ACTS for one in act.measured]
SAMPLE = ("bound", "no_one_hot_minimiser", "constant_bound", "codeword_share", "union_below_mean", "units_permuted")
"""Theorems weakened in the tests; `python -m proofs_checks.formal.weaken` weakens all."""


# the list ------------------------------------------------------------------------------------------


def test_every_theorem_of_the_sources_is_in_the_list_and_the_other_way_round():
    written = {(name, file) for file, text in SOURCES.items() for name in re.findall(r"^Theorem (\w+)", text, re.M)}
    assert written == {(theorem.name, theorem.file) for theorem in THEOREMS}


def test_every_theorem_stands_for_claims_of_the_register():
    assert all(theorem.claims for theorem in THEOREMS)
    assert {claim for theorem in THEOREMS for claim in theorem.claims} <= set(CLAIMS)
    assert set(PARTS) <= {claim for theorem in THEOREMS for claim in theorem.claims}


def test_the_core_covers_what_it_set_out_to_cover():
    covered = {claim for theorem in THEOREMS for claim in theorem.claims}
    assert covered >= {"C1", "C2", "C5", "C10", "C12", "C13", "C17", "C20", "C21", "C22", "C30", "C32"}


def test_the_readme_names_every_theorem_and_every_axiom():
    page = (core.FOLDER / "README.md").read_text()
    assert report.theorems_table() in page
    assert all(f"`{theorem.name}`" in report.theorems_table() for theorem in THEOREMS)
    assert set(re.findall(r"^\| `([\w.]+)` \|", page, re.M)) == set(ALLOWED_AXIOMS)


# sources that prove nothing are refused --------------------------------------------------------------


def test_the_sources_leave_nothing_unproven():
    core.check_text(SOURCES)


@pytest.mark.parametrize(
    "word", ["Admitted.", "admit.", "Axiom a : False.", "Parameter p : nat.", "Abort.", "Unset Guard Checking."]
)
def test_a_word_that_leaves_something_unproven_is_refused_outside_comments(word):
    changed = {**SOURCES, "Bound.v": SOURCES["Bound.v"] + f"\n{word}\n"}
    with pytest.raises(FormalError, match=r"^Bound\.v:\d+: .* unproven$"):
        core.check_text(changed)
    core.check_text({**SOURCES, "Bound.v": SOURCES["Bound.v"] + f"\n(* (* nested *) {word} *)\n"})


def test_a_missing_theorem_and_a_missing_file_are_told_in_one_line():
    renamed = {**SOURCES, "Bound.v": SOURCES["Bound.v"].replace("Theorem bound :", "Lemma bound :")}
    with pytest.raises(FormalError, match=r"^Bound\.v: theorem bound stands there 0 times"):
        core.check_text(renamed)
    with pytest.raises(FormalError, match=r"^Union\.v is missing"):
        core.check_text({name: text for name, text in SOURCES.items() if name != "Union.v"})
    with pytest.raises(FormalError, match=r"^Sums\.v is missing; .* needs it"):
        core.in_order({name: text for name, text in SOURCES.items() if name != "Sums.v"})


def test_files_come_after_those_they_require():
    order = core.in_order(SOURCES)
    assert sorted(order) == sorted(SOURCES)
    assert all(order.index(a) < order.index(name) for name in order for a in core.requirements(SOURCES[name]))


def test_without_coqc_the_command_says_so_and_ends_with_its_own_status(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    assert cli.main(["--formal"]) == 3
    assert re.fullmatch(r"coqc is not on this machine.*\n", capsys.readouterr().err)
    assert "3 if --formal finds no coqc" in " ".join(cli.parser().format_help().split())


def test_a_core_that_does_not_stand_is_one_red_line_and_status_one(monkeypatch, capsys):
    def broken():
        raise FormalError("Bound.v:7: 'Admitted' leaves something unproven")

    monkeypatch.setattr(record, "compile_core", broken)
    assert cli.main(["--formal"]) == 1
    assert capsys.readouterr().err == "RED  Bound.v:7: 'Admitted' leaves something unproven\n"


def test_a_core_that_stands_is_a_line_a_theorem_and_a_record(monkeypatch, capsys, tmp_path):
    compiled = core.Compiled("8.16.1", 12.3, core.hash_of(SOURCES), ALLOWED_AXIOMS)
    monkeypatch.setattr(record, "compile_core", lambda: compiled)
    monkeypatch.setattr(record, "RECORD", tmp_path / "formal.json")
    assert cli.main(["--formal"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[: len(THEOREMS)]] == ["ok"] * len(THEOREMS)
    assert all(t.name in line and t.claims[0] in line for t, line in zip(THEOREMS, lines, strict=False))
    assert all(axiom in lines[-1] for axiom in ALLOWED_AXIOMS)
    assert not (tmp_path / "formal.json").exists()
    assert cli.main(["--formal", "--write", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "formal.json").read_text())


# the record and the marks ----------------------------------------------------------------------------


def test_the_stored_record_is_of_these_sources_and_of_this_list():
    stored = json.loads(record.RECORD.read_text())
    assert stored["sources"] == core.hash_of(SOURCES), "run python -m proofs_checks --formal --write"
    assert stored["theorems"].keys() == {theorem.name for theorem in THEOREMS}
    assert stored["claims"] == record.as_record(core.Compiled("8", 0.0, "", ()))["claims"]
    assert set(stored["axioms"]) <= set(ALLOWED_AXIOMS)


def test_an_edit_of_any_source_takes_the_marks_away(tmp_path):
    assert record.read_marks()["C1"] is None
    assert record.read_marks()["C13"] == PARTS["C13"]
    for name, text in SOURCES.items():
        (tmp_path / name).write_text(text)
    assert record.read_marks(folder=tmp_path) == record.read_marks()
    (tmp_path / "Sums.v").write_text(SOURCES["Sums.v"] + "\n")
    assert record.read_marks(folder=tmp_path) == {}
    assert record.read_marks(tmp_path / "none.json") == {}


def test_the_tables_show_the_mark_of_a_claim_and_of_those_that_it_rests_on():
    marks = {"C1": None, "C13": "the uniform code"}
    assert record.describe_mark("C1", (), marks) == "machine-checked"
    assert record.describe_mark("C13", (), marks) == "machine-checked in part: the uniform code"
    assert record.describe_mark("W1", ("C1", "C3", "C13"), marks) == "rests on machine-checked C1, C13 in part"
    assert record.describe_mark("C3", ("C4",), marks) == ""
    row = report.Row("C1", "proven", "s", 1, 1, None, 0.0, 1, 1, True)
    assert "*machine-checked*" in report.claims_table([row])
    assert re.search(r"\bproven +yes\b", report.text_table([row]))
    assert report.claims_json([row], {})["claims"][0]["formal"] == "machine-checked"
    assert "*rests on machine-checked C1, C2, C5*" in report.readme_table()


def test_without_a_record_no_table_shows_a_mark(monkeypatch):
    monkeypatch.setattr(report, "read_marks", dict)
    row = report.Row("C1", "proven", "s", 1, 1, None, 0.0, 1, 1, True)
    tables = report.claims_table([row]) + report.readme_table() + json.dumps(report.claims_json([row], {}))
    assert "machine-checked" not in tables


# the page --------------------------------------------------------------------------------------------


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_the_page_shows_what_the_files_say():
    page = (ROOT / "docs" / "formal.md").read_text()
    coq, checks = squeezed(SOURCES["Bound.v"]), squeezed((ROOT / "proofs_checks" / "checks" / "bounds.py").read_text())
    blocks = re.findall(r"```coq\n(.*?)```", page, re.S)
    assert len(blocks) == 3
    assert all(squeezed(block) in coq for block in blocks)
    first, second = (part for part in re.split(r"\n\n", page) if part.startswith("| |"))
    for row in first.splitlines()[2:]:
        *_, formal, drawn = row.strip("| ").split(" | ")
        assert all(words in coq for words in re.findall(r"`([^`]+)`", formal)), formal
        assert all(words in checks for words in re.findall(r"`([^`]+)`", drawn)), drawn
    library = squeezed((ROOT / "musiclib" / "objective.py").read_text())
    for row in second.splitlines()[2:]:
        *_, python, formal = row.strip("| ").split(" | ")
        assert all(words in library for words in re.findall(r"`([^`]+)`", python)), python
        assert all(words in squeezed(SOURCES["Loss.v"]) for words in re.findall(r"`([^`]+)`", formal)), formal


# the same loss ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("act", "one"), MEASURED, ids=[f"{act.scene.name}-{one.words}" for act, one in MEASURED])
def test_the_library_gives_the_exact_value_of_a_formal_definition(act, one):
    if one.exact is None:
        assert one.library == math.inf
    else:
        assert one.library == pytest.approx(float(one.exact), abs=1e-12)


def test_every_theorem_has_a_scene_and_weights_vary():
    served = {name for _, one in MEASURED for name in one.serves}
    assert served == {theorem.name for theorem in THEOREMS}
    weights = {re.match(r"loss (\(.*?\) \(.*?\) \(.*?\)) ", one.words)[1] for _, one in MEASURED if "loss" in one.words}
    assert {"(1) (1) (0)", "(1) (1) (1)", "(1) (1) (1 / 2)", "(1 / 2) (2) (3)"} <= weights


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The core, compiled."""
    folder = tmp_path_factory.mktemp("library")
    core.compile_into(folder, SOURCES)
    return folder


def compiles(act: Act, library, name: str) -> tuple[bool, str]:
    """Whether Coq accepts a scene, and what it says."""
    file = library / f"{name}.v"
    file.write_text(PREAMBLE + module_of(act.scene, act.measured) + "\n")
    status, printed = core.run_coqc(file, library)
    return status == 0, printed


@needs_coq
@pytest.mark.slow
def test_coq_gives_the_exact_value_of_every_formal_definition(library):
    file = library / "all_scenes.v"
    file.write_text(PREAMBLE + "\n".join(module_of(act.scene, act.measured) for act in ACTS) + "\n")
    status, printed = core.run_coqc(file, library)
    assert status == 0, printed


@needs_coq
@pytest.mark.slow
def test_coq_refuses_another_value(library):
    act = next(act for act in ACTS if act.scene.name == "uniform_two_units")
    assert compiles(act, library, "right")[0]
    one = act.measured[0]
    for wrong in (one.exact + phi(act.scene.joint(0, 0, 0, 0)), Exact(), None):
        changed = Act(act.scene, (Measured(one.words, wrong, 0.0, one.serves, one.proof),))
        accepted, printed = compiles(changed, library, "wrong")
        assert not accepted
        assert "Error" in printed


# Coq --------------------------------------------------------------------------------------------------


@needs_coq
@pytest.mark.slow
def test_the_theorems_assume_what_the_record_says(library):
    assert list(core.check_axioms(library)) == json.loads(record.RECORD.read_text())["axioms"]


def a_core(folder, text: str) -> list[Theorem]:
    (folder / "Small.v").write_text(text)
    return [Theorem("small", "Small.v", ("C1",), "one is one")]


@needs_coq
def test_a_small_core_stands_or_falls_with_its_proof(tmp_path):
    theorems = a_core(tmp_path, "Theorem small : 1 = 1.\nProof. reflexivity. Qed.\n")
    compiled = core.compile_core(tmp_path, theorems)
    assert compiled.axioms == ()
    assert compiled.sources == core.hash_of(core.read_sources(tmp_path))
    assert list(tmp_path.iterdir()) == [tmp_path / "Small.v"], "compiled elsewhere"
    theorems = a_core(tmp_path, "Theorem small : 1 = 2.\nProof. reflexivity. Qed.\n")
    with pytest.raises(FormalError, match=r"^does not compile: Small\.v:2: Error"):
        core.compile_core(tmp_path, theorems)


@needs_coq
def test_an_axiom_that_no_forbidden_word_brings_in_is_named_with_its_theorem(tmp_path):
    theorems = a_core(tmp_path, "Hypothesis wish : 1 = 2.\nTheorem small : 1 = 2.\nProof. exact wish. Qed.\n")
    with pytest.raises(
        FormalError, match=r"^small assumes Music\.Small\.wish|^small assumes Small\.wish|small assumes wish"
    ):
        core.compile_core(tmp_path, theorems)


# controls ---------------------------------------------------------------------------------------------


def test_every_theorem_has_a_weakening_that_edits_its_statement_once():
    assert WEAKENINGS.keys() == {theorem.name for theorem in THEOREMS}
    for theorem in THEOREMS:
        edit = WEAKENINGS[theorem.name]
        text, proof = weaken.edited(theorem, edit, SOURCES)
        statement = core.statement_of(theorem, SOURCES)
        assert statement not in text
        assert statement.replace(edit.old, edit.new) in text
        assert text.splitlines()[proof[0] - 1].startswith("Proof")
        assert text.rstrip().endswith("Qed.")


@needs_coq
@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLE)
def test_a_weakened_theorem_is_refused_in_its_proof_and_the_theorem_itself_is_not(name, library):
    theorem = next(theorem for theorem in THEOREMS if theorem.name == name)
    edit = WEAKENINGS[name]
    assert weaken.refusal(theorem, edit, SOURCES, library) is not None
    assert weaken.refusal(theorem, Weakening(edit.old, edit.old, "nothing is changed"), SOURCES, library) is None


@needs_coq
def test_an_edit_that_coq_cannot_even_read_is_no_control(library):
    theorem = next(theorem for theorem in THEOREMS if theorem.name == "bound")
    with pytest.raises(FormalError, match="outside of the proof"):
        weaken.refusal(theorem, Weakening("(3 <= K)%nat", "(3 <= )%nat", ""), SOURCES, library)


def test_the_script_refuses_a_name_that_is_no_theorem():
    done = subprocess.run(
        [sys.executable, "-m", "proofs_checks.formal.weaken", "no_theorem"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "unknown theorem 'no_theorem'" in done.stderr
