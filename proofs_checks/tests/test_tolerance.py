"""Tolerances bound the rounding that occurs, are far below the effects looked for, and their assertions can fail."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch

from proofs_checks.numbers.tolerance import above, at_least, at_most, close, finite, gradient_tolerance, loss_tolerance
from proofs_checks.objective import MUSIC
from proofs_checks.premises import strategies
from proofs_checks.register import _LEDGERS, Ledger


def exact_loss(q1: torch.Tensor, q2: torch.Tensor) -> float:
    """diagonal + off_diagonal of given codes: cells as fractions of the floats, logarithms with 40 digits."""
    n, s, k = q1.shape
    first, second = ([[[Fraction(float(x)) for x in code] for code in row] for row in q] for q in (q1, q2))
    with mpmath.workdps(40):
        diagonal = off = mpmath.mpf(0)
        for a in range(s):
            for b in range(s):
                for i in range(k):
                    for j in range(k):
                        p = sum(first[m][a][i] * second[m][b][j] for m in range(n)) / n
                        if p and (a != b or i == j):
                            x = mpmath.mpf(p.numerator) / p.denominator
                            if a == b:
                                diagonal += x * mpmath.log(x)
                            else:
                                off += x * mpmath.log(x)
        return float(diagonal / s + off / (s * (s - 1)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["soft", "peaked", "mixed", "uniform"])
@pytest.mark.parametrize("shape", [(2, 2, 3), (12, 3, 3)])
def test_the_loss_of_codes_stays_within_its_tolerance_of_exact_arithmetic(dtype, kind, shape):
    z1, z2 = strategies.logits_of(kind, "independent", shape, seed=1)
    q1, q2 = torch.softmax(z1, -1).to(dtype), torch.softmax(z2, -1).to(dtype)
    error = abs(float(MUSIC.code_loss(q1, q2)) - exact_loss(q1, q2))
    assert error <= loss_tolerance(*shape, dtype=dtype)


def test_tolerances_are_far_below_the_effects_that_the_checks_look_for():
    duplicated_pair = 2 * math.log(80) / (102 * 101)
    assert loss_tolerance(25, 4, 5) < 1e-10 < 1e-6 * duplicated_pair
    assert loss_tolerance(6400, 2, 80) < 1e-6 * duplicated_pair
    assert gradient_tolerance(12, 4, 6, magnitude=20) < 1e-10


def test_tolerances_grow_with_size_scale_and_coarser_numbers():
    base = loss_tolerance(8, 2, 4)
    assert loss_tolerance(80, 2, 4) > base
    assert loss_tolerance(8, 20, 4) > base
    assert loss_tolerance(8, 2, 40) > base
    assert loss_tolerance(8, 2, 4, magnitude=100.0) > base
    assert loss_tolerance(8, 2, 4, lam=1.0, invariance=5.0) > base
    assert loss_tolerance(8, 2, 4, dtype=torch.float32) > 1e8 * base


@pytest.mark.parametrize("bad", [1.1, math.nan, math.inf, -math.inf])
def test_close_refuses_what_is_not(bad):
    with pytest.raises(AssertionError, match="thing"):
        close([1.0, bad], [1.0, 1.0], 0.05, "thing")


def test_close_accepts_equal_infinities_and_names_the_worst_entry():
    close(math.inf, math.inf, 0.0)
    with pytest.raises(AssertionError, match="got 3"):
        close([1.0, 3.0, 1.2], [1.0, 1.0, 1.0], 0.1)


@pytest.mark.parametrize("bad", [0.9, math.nan, -math.inf])
def test_inequalities_refuse_what_lies_on_the_wrong_side(bad):
    with pytest.raises(AssertionError):
        at_least([2.0, bad], 1.0, 0.05)
    with pytest.raises(AssertionError):
        at_most([-2.0, -bad], -1.0, 0.05)


def test_a_strict_inequality_needs_its_margin():
    above(1.2, 1.0, 0.1)
    with pytest.raises(AssertionError):
        above(1.05, 1.0, 0.1)
    with pytest.raises(AssertionError):
        finite(torch.tensor([1.0, math.nan]))


def test_margins_are_noted():
    _LEDGERS.append(Ledger())
    try:
        at_least(np.array([3.0, 1.5]), 1.0)
        close(1.0, 1.01, 0.04)
        assert _LEDGERS[-1].slack == 0.5
        assert _LEDGERS[-1].share == pytest.approx(0.25)
    finally:
        _LEDGERS.pop()
