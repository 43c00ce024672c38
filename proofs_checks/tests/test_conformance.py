"""The conformance kit: ours is green, every wrong loss is red where it is known to break, coarse arithmetic is no wrong
equation, and what cannot be asked is not called green."""

import json
import math
import re

import pytest
import torch

from proofs_checks import __main__ as cli
from proofs_checks.claims import CLAIMS, checks_of
from proofs_checks.conformance import verdicts
from proofs_checks.conformance.adapter import ZERO, Target, as_logits
from proofs_checks.conformance.alike import fails_like, fault_of, read_matrix
from proofs_checks.conformance.command import RECORD, report_on
from proofs_checks.conformance.judge import judge, limits_of
from proofs_checks.conformance.limits import FINEST, Limits
from proofs_checks.conformance.target import NotAsked
from proofs_checks.objective import MUSIC
from proofs_checks.profiles import QUICK
from proofs_checks.trial import CHECKS
from proofs_checks.wrong import MUTANTS

OURS = "proofs_checks.conformance.ours:Music"
PLAIN = "proofs_checks.conformance.examples:plain"
CLAMPED = "proofs_checks.conformance.examples:Clamped"
OUTSIDE = "proofs_checks.tests.outsiders"
NUMERICAL = {"C35", "C36"}


@pytest.fixture(scope="module")
def ours():
    return report_on(OURS)


@pytest.fixture(scope="module")
def clamped():
    return report_on(CLAMPED)


# ours and the outsiders -----------------------------------------------------------------------------


def test_our_own_objective_is_asked_everything_and_everything_holds(ours):
    assert ours.lacks == []
    assert {one.check: one.verdict for one in ours.findings if one.verdict != "held"} == {}
    assert all(row.verdict == "held" and row.asked == row.checks for row in ours.rows)
    assert len(ours.rows) == len(CLAIMS)
    assert ours.alike == []
    assert ours.limits == Limits()


def test_a_loss_alone_is_asked_part_and_the_rest_is_not_called_green():
    ids = ["C1", "C35", "C41", "C3", "W8"]
    report = report_on(PLAIN, ids)
    by_id = {row.id: row for row in report.rows}
    assert report.offers == ["loss"]
    assert by_id["C41"].verdict == "not asked"
    assert by_id["C1"].verdict == by_id["C3"].verdict == "held in part"
    assert 0 < by_id["C1"].asked < by_id["C1"].checks
    assert report.red == []
    assert "not asked" in {one.verdict for one in report.findings}
    assert all(one.needs for one in report.findings if one.verdict == "not asked" and one.section == "numerics")


def test_codes_clamped_and_a_joint_in_half_precision_fail_the_numerical_claims_and_no_other(clamped):
    assert clamped.limits.arithmetic == "half precision"
    assert clamped.limits.reach == 18
    assert {row.id for row in clamped.red} == NUMERICAL
    assert all(row.verdict in ("held", "within limits") for row in clamped.rows if row.id not in NUMERICAL)
    lines = verdicts.likeness_lines(clamped)
    assert "half precision" in lines[0]
    assert "clamped near 2e-08" in lines[1]
    stored = json.loads(RECORD.read_text())[CLAMPED]["rows"]
    assert [(row["id"], row["verdict"]) for row in stored] == [(row.id, row.verdict) for row in clamped.rows]


def test_float32_is_good_enough_for_every_claim_that_is_tried():
    report = report_on(f"{OUTSIDE}:Single", ["C1", "C32", "C35", "C36", "W16"])
    assert report.limits.arithmetic == "float32"
    assert report.red == []
    assert "within limits" in {row.verdict for row in report.rows}


# wrong losses ---------------------------------------------------------------------------------------


def broken_claims(mutant):
    """claim -> the cheapest check that declares to refute the wrong loss and may decide that claim."""
    found = {}
    for check in sorted(CHECKS.values(), key=lambda check: -check.cost):
        if mutant in check.kills:
            found.update({one: check.name for one in check.claims if verdicts.decides(check, CLAIMS[one])})
    return found


@pytest.mark.parametrize("mutant", sorted(MUTANTS))
def test_a_wrong_loss_is_red_on_every_claim_that_it_is_known_to_break(mutant):
    target = Target(f"{OUTSIDE}:{mutant}")
    limits = limits_of(target)
    broken = broken_claims(mutant)
    names = sorted(set(broken.values()))
    findings = [judge(CHECKS[name], target, limits, examples=QUICK.controls, shrink=False) for name in names]
    assert {one.check: one.verdict for one in findings} == dict.fromkeys(names, "refuted")
    report = verdicts.report_of(target, limits, findings, [CLAIMS[one] for one in broken], {})
    assert {row.id for row in report.red} == set(broken)
    assert limits.resolution == FINEST, "a wrong equation was taken for coarse arithmetic"


@pytest.mark.parametrize("mutant", sorted(MUTANTS))
def test_a_wrong_loss_fails_like_itself(mutant):
    matrix = read_matrix()
    found = fails_like(matrix[mutant], list(CHECKS), matrix)
    best = [one.name for one in found if one.share == 1.0]
    assert mutant in best
    assert found[0].fault == fault_of(found[0].name)
    assert fails_like([], list(CHECKS), matrix) == []


def test_a_refuted_check_shows_its_smallest_example_by_how_much_and_what_behaves_alike():
    report = report_on(f"{OUTSIDE}:off_sign")
    assert report.alike[0].name == "off_sign"
    row = next(row for row in report.red if row.id == "C20")
    assert row.decided.check in {check.name for check in checks_of(CLAIMS["C20"])}
    assert row.decided.off == pytest.approx(abs(row.decided.answer - row.decided.expected))
    assert row.decided.off > 0.1
    assert "N=2, S=2, K=2" in row.decided.example
    assert row.decided.values
    assert "off_sign" in row.alike
    text = verdicts.text(report)
    assert "Makes segments dependent" in text
    assert "smallest example" in text


@pytest.mark.parametrize("mutant", ["off_sign", "ti_linear", "joint_over_Nm1", "stop_gradient", "phi_log2"])
def test_the_loss_alone_is_enough_to_be_found_wrong(mutant):
    report = report_on(f"{OUTSIDE}:{mutant}_alone", ["C32", "C35", "W9", "W16"])
    assert report.offers == ["loss"]
    assert report.red


# how questions are put --------------------------------------------------------------------------------


def test_codes_are_asked_through_logits_that_have_exactly_these_codes():
    q = torch.tensor([[[1.0, 0.0, 0.0], [0.2, 0.3, 0.5]]], dtype=torch.float64)
    z = as_logits(q)
    torch.testing.assert_close(torch.softmax(z.view(1, 2, 3), -1), q, rtol=1e-15, atol=0)
    assert math.exp(ZERO) == 0


def test_a_loss_alone_is_not_asked_for_weights_temperatures_or_parts():
    plain = Target(PLAIN).fresh()
    soft = torch.softmax(torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64), -1)
    hard = torch.nn.functional.one_hot(soft.argmax(-1), 4).double()
    assert float(plain.code_loss(soft, soft, 1.0)) == pytest.approx(float(MUSIC.code_loss(soft, soft, 1.0)))
    assert float(plain.code_loss(hard, hard, 0.0)) == pytest.approx(float(MUSIC.code_loss(hard, hard, 0.0)))
    for ask in (
        lambda: plain.code_loss(soft, soft, 0.5),
        lambda: plain.code_loss(hard, hard.roll(1, -1), 1.0),
        lambda: plain.code_loss(soft.requires_grad_(), soft, 1.0),
        lambda: plain.code_terms(soft, soft),
        lambda: plain.joint(soft, soft),
        lambda: plain.phi(soft),
        lambda: plain.codes(soft.view(3, 8), 2),
        lambda: plain.logit_loss(soft.view(3, 8), soft.view(3, 8), 2, temperature=0.5),
    ):
        with pytest.raises(NotAsked):
            ask()


def test_terms_come_from_the_weights_of_the_loss_where_it_takes_them():
    target = Target(OURS)
    target.parts.discard("terms")
    q = torch.softmax(torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64), -1)
    got, want = target.fresh().code_terms(q, q.roll(1, 0)), MUSIC.code_terms(q, q.roll(1, 0))
    torch.testing.assert_close(torch.stack(got), torch.stack(want), rtol=1e-12, atol=1e-12)
    hard = torch.eye(2, dtype=torch.float64).unsqueeze(1).repeat(1, 2, 1)
    assert target.fresh().code_terms(hard, hard.flip(0))[2] == math.inf


def test_an_implementation_that_raises_is_red_and_says_so():
    report = report_on(f"{OUTSIDE}:crashes_for_one_segment", ["C1"])
    crashed = [one for one in report.findings if one.verdict == "crashed"]
    assert crashed
    assert all("ZeroDivisionError" in one.message for one in crashed)
    assert report.red


# the command --------------------------------------------------------------------------------------------


def test_the_command_prints_the_table_and_its_status_says_whether_something_fails(capsys):
    assert cli.main(["--target", PLAIN, "--claim", "C3", "--claim", "C41", "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert "(ok) C3" in out
    assert "--   C41" in out
    assert "2 claims:" in out
    assert cli.main(["--target", f"{OUTSIDE}:off_sign", "--claim", "C3", "--claim", "C1", "--jobs", "1"]) == 1
    captured = capsys.readouterr()
    assert "!!   C1" in captured.out
    assert "RED  C1 refuted" in captured.err


def test_the_command_prints_data_with_the_example_in_numbers(capsys):
    assert cli.main(["--target", f"{OUTSIDE}:off_sign", "--claim", "C20", "--json", "--jobs", "1"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["verdicts"]["refuted"] == 1
    assert data["arithmetic"] == "float64"
    decided = data["rows"][0]["decided"]
    assert decided["values"]
    assert decided["off"] > 0


FAULTY = {
    "nowhere": "expected package.module:name",
    "no.such.module:loss": "No module named",
    "proofs_checks.conformance.examples:nothing": "has no attribute 'nothing'",
    "math:pi": "expected a function",
    f"{OUTSIDE}:short": r"expected a function of \(z1, z2, segments\)",
    f"{OUTSIDE}:vector": r"shape \(4,\); expected a floating-point tensor of shape \(\)",
    f"{OUTSIDE}:integer": "torch.int64",
    f"{OUTSIDE}:a_float": "of type float",
    f"{OUTSIDE}:detached": "no gradient",
    f"{OUTSIDE}:raises": "RuntimeError: first line$",
    f"{OUTSIDE}:NeedsArguments": r"NeedsArguments\(\) failed",
    f"{OUTSIDE}:OneTerm": "expected three scalars",
    f"{OUTSIDE}:FlatJoint": r"joint is torch.float64 of shape \(2, 18\)",
    f"{OUTSIDE}:CodesOfNothing": r"expected a function of \(z, segments\)",
}


@pytest.mark.parametrize(("path", "message"), FAULTY.items())
def test_what_is_no_adapter_is_status_two_and_one_line(capsys, path, message):
    assert cli.main(["--target", path]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert re.search(message, line), line
