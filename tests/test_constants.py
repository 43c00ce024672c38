"""The enclosures of constants.py hold the numbers that they claim, and the exact logarithms of exact.py decide ties."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from scipy.special import lambertw
from scipy.stats import entropy

from proofs_checks.numbers import constants as c
from proofs_checks.numbers import exact
from proofs_checks.numbers.exact import LogSum, hard_terms, log_of, phi, rational_terms
from proofs_checks.premises import designs


def digits(value: str) -> Fraction:
    """A decimal as an exact fraction."""
    return Fraction(value)


@pytest.mark.parametrize(
    ("interval", "below", "above"),
    [  # decimals cut and rounded up from 50-digit mpmath, not from the intervals
        (c.two_over_e(), "0.735758882342884643", "0.735758882342884644"),
        (c.threshold(), "0.306852819440054690", "0.306852819440054691"),
        (c.least_loss_two_units(), "-2.122053243462775263", "-2.122053243462775261"),
        (c.best_logit_gap(), "1.683260221", "1.683260222"),
        (c.best_peak(), "0.843335755", "0.843335756"),
        (c.uniform_wins_below(80), "89.26", "89.27"),
        (c.uniform_wins_below(32), "39.7", "39.8"),
        (c.uniform_wins_below_with_unit_weight(80), "9.4", "9.5"),
    ],
)
def test_the_interval_lies_between_its_decimals(interval, below, above):
    assert c.certainly_less(digits(below), interval)
    assert c.certainly_less(interval, digits(above))
    assert c.width(interval) < 1e-30


def test_two_units_go_below_three_logs():
    assert c.certainly_less(c.least_loss_two_units(), c.perfect_loss(2))
    assert not c.certainly_less(c.perfect_loss(2), c.least_loss_two_units())


def test_overlapping_intervals_prove_nothing():
    assert not c.certainly_less(c.log(2), c.log(2))


def test_floats_are_refused():
    with pytest.raises(TypeError, match="float"):
        c.enclose(0.1)


@pytest.mark.parametrize("weight", [Fraction(1, 100), Fraction(1, 10), Fraction(3, 10), Fraction(306, 1000)])
def test_the_bracket_of_the_best_agreement_holds_the_lambert_formula(weight):
    bracket = c.best_agreement(weight)
    lam = float(weight)
    assert c.width(bracket) < 1e-25
    assert math.isclose(c.middle(bracket), float(lam / lambertw(math.e * lam / 2).real), rel_tol=1e-14)


def test_the_best_agreement_at_weight_zero_is_two_over_e():
    bracket = c.best_agreement(Fraction(0))
    assert not c.certainly_less(bracket, c.two_over_e())
    assert not c.certainly_less(c.two_over_e(), bracket)


def test_above_the_threshold_there_is_no_root_to_bracket():
    with pytest.raises(ValueError, match=r"\[0, 1 - log 2\)"):
        c.best_agreement(Fraction(31, 100))
    assert c.certainly_less(c.least_loss_two_units_at(Fraction(1, 2)), -2)


def test_the_minimum_in_between_agrees_with_a_grid():
    grid = np.linspace(0.5, 1, 200_001)
    for weight in (Fraction(1, 20), Fraction(1, 5)):
        values = grid * np.log(grid / 2) - float(weight) * np.log(grid) - 2 * math.log(2)
        assert math.isclose(c.middle(c.least_loss_two_units_at(weight)), values.min(), abs_tol=1e-10)


def test_the_private_context_ignores_the_global_precision():
    with mpmath.workprec(10):
        assert c.width(c.two_over_e()) < 1e-30


# ---------------------------------------------------------------------------------------------------------------------
# Exact logarithms


def test_logarithms_of_integers_are_sums_over_primes():
    assert log_of(12) == 2 * log_of(2) + log_of(3)
    assert log_of(Fraction(4, 9)) == 2 * log_of(2) - 2 * log_of(3)
    assert log_of(1) == LogSum()
    assert log_of(8) != log_of(9)


def test_the_tie_of_one_half_and_one_quarter_is_exact():
    assert phi(Fraction(1, 2)) == phi(Fraction(1, 4))
    assert phi(Fraction(1, 2)) != phi(Fraction(1, 3))


def test_exact_values_round_to_the_float_values():
    for number in (2, 10, 97, 6400, 7919):
        assert math.isclose(float(log_of(number)), math.log(number), rel_tol=1e-15)
    with pytest.raises(ValueError, match="positive"):
        exact.factorise(0)


def test_terms_of_hard_codes_agree_with_scipy():
    labels = np.random.default_rng(0).integers(0, 3, size=(20, 3))
    other = np.random.default_rng(1).integers(0, 3, size=(20, 3))
    terms = hard_terms(labels, other, 3)
    blocks = [
        [np.histogram2d(labels[:, s], other[:, t], bins=3, range=[[0, 3], [0, 3]])[0] / 20 for t in range(3)]
        for s in range(3)
    ]
    off = -np.mean([entropy(blocks[s][t].ravel()) for s in range(3) for t in range(3) if s != t])
    own = np.mean([sum(p * math.log(p) for p in np.diag(blocks[s][s]) if p) for s in range(3)])
    assert math.isclose(float(terms.off_diagonal), off, rel_tol=1e-13)
    assert math.isclose(float(terms.diagonal), own, rel_tol=1e-13)
    assert sum(terms.agreements) == int((labels == other).sum())


def test_rational_terms_of_one_hot_codes_are_those_of_the_counts():
    labels = designs.triple(3)
    codes = exact.as_rational(labels, 3)
    assert rational_terms(codes, codes) == hard_terms(labels, labels, 3)
    assert rational_terms(codes, codes).entropy_loss == -3 * log_of(3)
