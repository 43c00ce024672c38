"""`python -m proofs_checks`: rows, exit status, resuming, the kill matrix, and that a failure is reported as one."""

import json

import numpy as np
import pytest
from hypothesis import strategies as st
from scipy.stats import entropy

from proofs_checks import __main__ as cli
from proofs_checks import report, trial
from proofs_checks.claims import CLAIMS
from proofs_checks.numbers.routes import relative_entropy
from proofs_checks.numbers.tolerance import at_least, close, finite
from proofs_checks.objective import Objective
from proofs_checks.profiles import QUICK, Profile
from proofs_checks.register import CHECKS, Check, run
from proofs_checks.trial import Plan, try_all, try_check, try_control


def a_check(body, kills=(), given=None, breaks_without=()):
    return Check(body.__name__, ("C6",), body, given or {}, tuple(kills), tuple(breaks_without), (), 1.0)


def holds(objective, x):
    assert x >= 0


def fails_at_seven(objective, x):
    assert x != 7


def crashes(objective, x):
    raise ZeroDivisionError("no")


@pytest.mark.parametrize(("body", "verdict"), [(holds, "held"), (fails_at_seven, "refuted"), (crashes, "crashed")])
def test_a_run_tells_held_from_refuted_from_crashed(body, verdict):
    outcome = run(a_check(body, given={"x": st.integers(0, 9)}), Objective, examples=50)
    assert outcome.verdict == verdict
    assert (outcome.error is None) == (verdict == "held")
    assert outcome.tried >= 1


def test_a_finite_premise_is_tried_completely_and_no_further():
    outcome = run(a_check(holds, given={"x": st.integers(0, 9)}), Objective, examples=500)
    assert outcome.tried == 10


def test_seeded_runs_differ_and_derandomised_runs_do_not():
    def drawn(entropy):
        seen = []

        def body(objective, x):
            seen.append(x)

        run(a_check(body, given={"x": st.integers(0, 2**40)}), Objective, examples=20, entropy=entropy)
        return seen

    assert drawn(None) == drawn(None)
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_one_claim_prints_its_row_and_succeeds(capsys):
    assert cli.main(["--claim", "C6", "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert "ok C6" in out
    assert "C7" not in out


def test_json_carries_claims_trials_and_no_failures(capsys):
    assert cli.main(["--claim", "C6", "--json", "--jobs", "1"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [claim["id"] for claim in data["claims"]] == ["C6"]
    assert data["failures"] == []
    assert all(trial["verdict"] == "held" for trial in data["trials"].values())


def test_an_unknown_claim_is_refused_by_name(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["--claim", "C99"])
    assert "unknown claim 'C99'" in capsys.readouterr().err


def test_the_markdown_table_has_every_quoted_phrase(capsys):
    assert cli.main(["--markdown"]) == 0
    table = capsys.readouterr().out
    rows = [line for line in table.splitlines() if line.startswith("| W")]
    assert len(rows) == sum(claim.words is not None for claim in CLAIMS.values())
    assert all(line.count(" | ") == rows[0].count(" | ") for line in rows)
    assert "**false as worded**" in table


def red(monkeypatch, body, **options):
    check = a_check(body, **options)
    monkeypatch.setitem(CHECKS, check.name, check)
    return check.name


def test_a_failing_check_a_surviving_wrong_loss_and_an_idle_premise_are_red(monkeypatch):
    name = red(monkeypatch, fails_at_seven, given={"x": st.integers(0, 9)}, kills=("loss_zero",))
    trial_ = try_check(name, Plan(QUICK))
    assert not trial_.green
    assert "refuted" in report.failures({name: trial_})[0]

    name = red(
        monkeypatch,
        holds,
        given={"x": st.integers(0, 9)},
        kills=("loss_zero",),
        breaks_without=(("a premise", lambda objective: None),),
    )
    trial_ = try_check(name, Plan(QUICK))
    assert not trial_.green
    lines = report.failures({name: trial_})
    assert any("does not refute loss_zero" in line for line in lines)
    assert any("without its premise" in line for line in lines)


def test_a_crash_is_no_kill(monkeypatch):
    def crashes_on_wrong_losses(objective):
        if type(objective) is not Objective:
            raise RuntimeError("not an assertion")

    name = red(monkeypatch, crashes_on_wrong_losses, kills=("loss_zero",))
    trial_ = try_check(name, Plan(QUICK))
    assert trial_.controls == {"loss_zero": "crashed"}
    assert not trial_.green


ASSERTIONS = {"close": lambda x: close(x, 0.0, 1.0), "at_least": lambda x: at_least(x, 0.0, 1.0), "finite": finite}


@pytest.mark.parametrize("assertion", ASSERTIONS.values(), ids=ASSERTIONS)
def test_a_nan_refutes_where_numerics_is_the_subject_and_nowhere_else(monkeypatch, assertion):
    def nan_on_wrong_losses(objective):
        assertion(float("nan") if type(objective) is not Objective else 0.0)

    assert run(a_check(nan_on_wrong_losses), Objective, examples=1).verdict == "held"
    name = red(monkeypatch, nan_on_wrong_losses, kills=("loss_zero",))
    assert try_check(name, Plan(QUICK)).controls == {"loss_zero": "held"}
    monkeypatch.setattr(nan_on_wrong_losses, "__module__", "proofs_checks.checks.numerics")
    assert try_control(CHECKS[name], "loss_zero", 1).verdict == "refuted"


@pytest.mark.parametrize("assertion", [close, at_least])
def test_a_wrong_number_refutes_although_another_one_is_nan(assertion):
    def body(objective, x):
        assertion([float("nan") if x < 5 else 0.0, -9.0 if x >= 5 else 0.0], 0.0, 1.0)

    given = {"x": st.integers(0, 9)}
    assert run(a_check(body, given=given), Objective, examples=50, nan_refutes=False).verdict == "refuted"


def test_exit_status_says_that_something_is_red(monkeypatch, capsys):
    red(monkeypatch, fails_at_seven, given={"x": st.integers(0, 9)})
    assert cli.main(["--claim", "C6", "--jobs", "1"]) == 1
    captured = capsys.readouterr()
    assert "!! C6" in captured.out
    assert "RED  fails_at_seven refuted" in captured.err


def test_a_long_run_is_resumed_and_a_failure_is_tried_again(monkeypatch, tmp_path):
    calls = []

    def counted(objective, x):
        calls.append(x)

    name = red(monkeypatch, counted, given={"x": st.integers(0, 5)})
    plan = Plan(Profile("thorough", examples=100, controls=5), seed=3)
    first = list(try_all([name], plan, out=tmp_path))
    assert len(calls) == 6
    second = list(try_all([name], plan, out=tmp_path))
    assert len(calls) == 6, "a finished check was tried again"
    assert [t.tried for t in first] == [t.tried for t in second] == [6]

    failing = red(monkeypatch, fails_at_seven, given={"x": st.integers(7, 7)})
    assert [t.verdict for t in try_all([failing], plan, out=tmp_path)] == ["refuted"]
    assert {path.stem for path in trial.folder_of(plan, tmp_path).iterdir()} == {name}, "a failure was kept as finished"


def test_processes_give_what_one_process_gives():
    names = ["deranged_segments_cost_like_identical_ones", "uniform_collapse_ties_with_the_array"]
    assert set(names) <= set(CHECKS)
    plan = Plan(QUICK, controls="none")
    one = {t.check: (t.verdict, t.tried, t.slack) for t in try_all(names, plan, jobs=1)}
    two = {t.check: (t.verdict, t.tried, t.slack) for t in try_all(names, plan, jobs=2)}
    assert one == two


def test_the_kill_matrix_marks_kills_and_survivors():
    name = "uniform_collapse_ties_with_the_array"
    trials = {name: try_check(name, Plan(QUICK, controls="all"))}
    table = report.matrix_table(trials)
    assert "X  1" in table
    assert "NONE: survives" in table
    data = report.matrix_json(trials)
    assert name in data["refuted"]["ti_always"]
    assert "stop_gradient" in data["survivors"]


def test_relative_entropy_of_numbers_too_small_for_a_product():
    tiny = 5e-324
    p = np.array([[0.5, tiny], [0.5 - tiny, 0.0]])
    assert relative_entropy(p, np.outer(p.sum(1), p.sum(0))) == pytest.approx(0.0, abs=1e-15)
    q = np.array([0.25, 0.75])
    assert relative_entropy(np.array([0.5, 0.5]), q) == pytest.approx(entropy([0.5, 0.5], q))
