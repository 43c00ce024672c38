"""The register keeps its promises: no claim without a check, no check without a control, no surviving wrong loss."""

import ast
import inspect
import re

import pytest
import torch

from proofs_checks.claims import CLAIMS, MODULES, QUOTATIONS, checks_of
from proofs_checks.objective import Assembled, Objective, gradients
from proofs_checks.premises.strategies import logits_of
from proofs_checks.register import VERDICTS, Claim
from proofs_checks.trial import CHECKS
from proofs_checks.wrong import MUTANTS

NAMED = set(
    """
    diag_sign diag_no_1_over_S diag_whole_block diag_marginal_entropy diag_renormalised off_sign off_unmasked
    off_over_S2 off_upper_only off_symmetrised off_same_view off_product_of_marginals off_mi_only off_collision
    off_gaussian_cov joint_over_Nm1 joint_view_rolled joint_samples_unpaired phi_log2 phi_clamp_both phi_add_both
    phi_add_in_log phi_no_guard phi_xlogy phi_quadratic ti_linear ti_cross_entropy ti_log_of_mean ti_sum_segments
    ti_whole_vector lam_ignored ti_always softmax_over_D softmax_no_shift temperature_ignored temperature_inverted
    stop_gradient gradient_bypasses_softmax straight_through loss_zero loss_constant views_transposed
    segments_units_swapped
    """.split()  # noqa: SIM905
)
"""Wrong losses that must exist under these names."""

ASSERTIONS = {"close", "at_least", "at_most", "above", "finite"}

GUARANTEES = {
    "the mask of the diagonal blocks": "off_unmasked",
    "the normaliser of the diagonal": "diag_no_1_over_S",
    "the normaliser of the off-diagonal blocks": "off_over_S2",
    "the sign of the diagonal": "diag_sign",
    "the sign of the off-diagonal": "off_sign",
    "gathering the joint": "joint_of_halves",
    "the log domain of the invariance term": "ti_not_in_log_domain",
    "one view's gradient": "stop_gradient",
    "the guard of p log p": "phi_xlogy",
    "the shift of the softmax": "softmax_no_shift",
}


def test_ids_are_unique_and_complete():
    ids = list(CLAIMS)
    for letter, count in (("C", 56), ("W", 22)):
        assert [f"{letter}{i}" for i in range(1, count + 1)] == [one for one in ids if one.startswith(letter)]
    assert sum(len(module.CLAIMS) for module in MODULES) == len(ids), "an id occurs twice"


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=lambda claim: claim.id)
def test_every_claim_has_a_check_with_a_control(claim):
    checks = checks_of(claim)
    assert checks, f"{claim.id} is carried by no check"
    assert all(check.kills or check.breaks_without for check in checks)


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=lambda claim: claim.id)
def test_every_claim_is_filled_in(claim):
    assert claim.verdict in VERDICTS
    for part in ("statement", "latex", "premises", "proof"):
        assert len(getattr(claim, part)) > 3, f"{claim.id} has no {part}"
    assert set(claim.rests_on) <= set(CLAIMS)
    assert claim.latex.count("{") == claim.latex.count("}")


@pytest.mark.parametrize("claim", [c for c in CLAIMS.values() if c.words], ids=lambda claim: claim.id)
def test_words_are_quoted_verbatim(claim):
    assert any(claim.words in quotation for quotation in QUOTATIONS[claim.source])


def test_the_words_of_the_source_are_all_registered():
    quoted = {claim.words for claim in CLAIMS.values() if claim.words}
    for source, quotations in QUOTATIONS.items():
        for quotation in quotations:
            assert any(words in quotation for words in quoted), f"{source}: nothing is said about {quotation!r}"
    for adjective in ("transform-invariant", "non-trivial", "diverse", "discriminative"):
        assert adjective in quoted


def test_where_the_words_are_false_the_table_has_a_weaker_reading_too():
    for claim in CLAIMS.values():
        if claim.words and claim.verdict == "false as worded":
            assert claim.fair, f"{claim.id} is called false, and no reading of its words is granted"
    with pytest.raises(ValueError, match="no words"):
        Claim("X1", "s", "l", "project", "p", "proven", "proof", fair="f")


def test_a_false_claim_needs_its_corrected_form():
    with pytest.raises(ValueError, match="corrected"):
        Claim("X1", "s", "l", "project", "p", "false as worded", "proof")
    with pytest.raises(ValueError, match="corrected"):
        Claim("X1", "s", "l", "project", "p", "proven", "proof", corrected="c")
    with pytest.raises(ValueError, match="verdict"):
        Claim("X1", "s", "l", "project", "p", "true", "proof")


@pytest.mark.parametrize("check", CHECKS.values(), ids=lambda check: check.name)
def test_every_check_carries_a_claim_and_says_why(check):
    assert check.claims
    assert set(check.claims) <= set(CLAIMS)
    assert check.kills or check.breaks_without, "a check that nothing can fail checks nothing"
    assert set(check.kills) <= set(MUTANTS)
    text = inspect.getdoc(check.body)
    assert text
    assert len(text) > 80, "the docstring states the claim, its premises and why it is true"


def assertions(node):
    """Assert statements and calls of the assertion helpers under a node, which may be an `if` without `else`."""
    called = [x.func.id for x in ast.walk(node) if isinstance(x, ast.Call) and isinstance(x.func, ast.Name)]
    return sum(isinstance(x, ast.Assert) for x in ast.walk(node)) + sum(name in ASSERTIONS for name in called)


@pytest.mark.parametrize("check", CHECKS.values(), ids=lambda check: check.name)
def test_no_check_hides_all_its_assertions_behind_a_premise(check):
    """`if premise: assert conclusion` can pass without asserting; premises belong into strategies."""
    tree = ast.parse(inspect.getsource(check.body))
    conditional = sum(assertions(x) for x in ast.walk(tree) if isinstance(x, ast.If) and not x.orelse)
    assert conditional == 0 or assertions(tree) > conditional


def test_every_wrong_loss_is_there_and_refuted_by_a_check():
    assert set(MUTANTS) >= NAMED
    declared = {mutant for check in CHECKS.values() for mutant in check.kills}
    assert declared == set(MUTANTS), f"no check declares {sorted(set(MUTANTS) - declared)}"


@pytest.mark.parametrize(("guarantee", "mutant"), GUARANTEES.items())
def test_taking_away_a_guarantee_turns_a_check_red(guarantee, mutant):
    assert any(mutant in check.kills for check in CHECKS.values()), guarantee


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_wrong_loss_is_one_small_class_that_says_what_is_wrong(name):
    made = MUTANTS[name]()
    kind = type(made)
    assert issubclass(kind, Objective)
    assert inspect.getdoc(kind) != inspect.getdoc(Assembled)
    assert len(inspect.getsource(kind).splitlines()) <= 30


@pytest.mark.parametrize("name", sorted(set(MUTANTS) - {"views_transposed"}))
def test_a_wrong_loss_differs_from_the_right_one_somewhere(name):
    """Value or gradient, float32 or float64, soft to saturated; only the transposed joint has the same loss."""
    differences = []
    wrong, right = MUTANTS[name](), Assembled()
    for kind, view, t in (("soft", "near", 0.5), ("hard", "flipped", 1.0), ("peaked", "independent", 2.0)):
        for dtype in (torch.float64, torch.float32):
            z1, z2 = (z.reshape(6, -1).to(dtype) for z in logits_of(kind, view, (6, 3, 4), seed=3))
            for lam in (0.0, 0.5):
                got, want = (gradients(objective, z1, z2, 3, t, lam) for objective in (wrong, right))
                differences += [
                    not torch.allclose(a.double(), b.double(), rtol=1e-7, atol=1e-9)
                    for a, b in zip(got, want, strict=True)
                ]
    assert any(differences)


def test_statements_do_not_repeat():
    statements = [re.sub(r"\W", "", claim.statement) for claim in CLAIMS.values()]
    assert len(statements) == len(set(statements))
