"""Section 2, the statements about ALL tables of labels (C7 to C10); `attainability` has those about particular ones.

A one-hot, view-invariant code is a table of labels, N samples by S segments. Counting its pairs of labels gives its
loss exactly, as a rational combination of logarithms of primes, so whether a bound is attained is decided without a
rounding.
"""

import math
from fractions import Fraction

import numpy as np
import torch
from hypothesis import strategies as st

from proofs_checks.numbers import exact
from proofs_checks.numbers.tolerance import at_least, close, loss_tolerance
from proofs_checks.objective import Objective
from proofs_checks.premises import designs, strategies
from proofs_checks.premises.designs import one_hot
from proofs_checks.premises.strategies import smooth
from proofs_checks.register import check


def loss_of(objective: Objective, labels: np.ndarray, units: int, lam: float = 0.0) -> float:
    """The loss of one-hot, invariant codes."""
    q = one_hot(labels, units)
    return float(objective.code_loss(q, q, lam))


@st.composite
def tables(draw, *, n: tuple[int, int], s: tuple[int, int], k: tuple[int, int]) -> tuple[np.ndarray, int]:
    """A random table of labels (N, S) over K units, and K."""
    samples, segments, units = draw(st.integers(*n)), draw(st.integers(*s)), draw(st.integers(*k))
    g = strategies.generator(draw(strategies.seeds))
    return torch.randint(units, (samples, segments), generator=g).numpy(), units


@check(
    "C7",
    given={"table": tables(n=(1, 12), s=(2, 3), k=(2, 4))},
    kills=(
        "off_over_S2",
        "off_unmasked",
        "joint_view_rolled",
        "joint_samples_unpaired",
        "phi_add_in_log",
        "off_collision",
    ),
    examples=({"table": (designs.bush(3, 3), 3)}, {"table": (designs.triple(4), 4)}),
    cost=3,
)
def the_bound_means_an_orthogonal_array(objective: Objective, table: tuple[np.ndarray, int]) -> None:
    """For one-hot, invariant codes L (any lambda) is a number that counting gives exactly; it is -3 log K if, and only
    if, the labels form an orthogonal array of strength two.

    Premises: invariant one-hot codes (C1: for kappa > 0 there is no other candidate). Why: -H(counts / N) is -2 log K
    only for equal counts. The expected loss comes from integer counts and exact logarithms of primes; whether it
    equals -3 log K is decided there, without rounding.
    """
    labels, units = table
    expected = exact.hard_terms(labels, labels, units).entropy_loss
    tolerance = loss_tolerance(*labels.shape, units)
    close(loss_of(objective, labels, units), float(expected), tolerance, "loss")
    close(loss_of(objective, labels, units, 1.0), float(expected), tolerance, "loss with the invariance term")
    attains = expected == exact.log_of(units) * -3
    assert attains == designs.is_strength_two(labels, units), "the bound is attained without an array, or missed by one"


@check("C9", kills=("off_product_of_marginals", "off_over_S2"))
def the_published_small_setting_has_a_hard_floor(objective: Objective) -> None:
    """N = 512, K = 32, S = 32: one-hot codes reach L = -14 log 2 = -9.70406 and nothing below, while -3 log K is
    -10.39721. N = 2048, K = 80: at most 83 segments could reach the floor -12.0066, so S = 102 cannot.

    Why: the partial Bush array with 16 slopes over GF(32); C9's count of agreeing pairs.
    """
    labels = designs.partial_bush(32, 16, 32)
    assert labels.shape == (512, 32), labels.shape
    close(loss_of(objective, labels, 32, 1.0), -14 * math.log(2), loss_tolerance(512, 32, 32, lam=1.0), "loss")
    assert designs.most_segments_at_hard_floor(2048, 80) == 83 < 102


def inflow(q1: np.ndarray, q2: np.ndarray) -> float:
    """Mass per unit of e that flows into empty cells of the terms when both views move to (1-e) q + e/K.

    An empty cell (i, j) of P_st receives e (p'_s(i) + p''_t(j)) / K to first order, p' and p'' the views' unit usage;
    an empty diagonal cell of P_ss receives e (p'_s(i) + p''_s(i)) / K.
    """
    n, s, k = q1.shape
    joint = np.einsum("nsi,ntj->stij", q1, q2) / n
    received = (q1.mean(0)[:, None, :, None] + q2.mean(0)[None, :, None, :]) / k * (joint == 0)  # (S, S, K, K)
    off = sum(received[a, b].sum() for a in range(s) for b in range(s) if a != b) / (s * (s - 1))
    return float(off + np.mean([np.trace(received[a, a]) for a in range(s)]))


def slope(objective: Objective, q1: torch.Tensor, q2: torch.Tensor, e: float, lam: float) -> float:
    """(L(e) - L(0)) / e along the smoothing of both views."""
    start = objective.code_loss(q1, q2, lam)
    return float(objective.code_loss(smooth(q1, e), smooth(q2, e), lam) - start) / e


@check(
    "C10",
    "C17",
    given={"table": tables(n=(2, 10), s=(2, 4), k=(4, 5)), "lam": strategies.weights},
    kills=("phi_quadratic", "off_collision", "off_gaussian_cov", "off_product_of_marginals", "loss_constant"),
)
def small_batches_reward_softness_without_limit(
    objective: Objective, table: tuple[np.ndarray, int], lam: float
) -> None:
    """N < K^2: along q -> (1-e) q + e/K the slope (L(e) - L(0)) / e of a one-hot code is c log e + const + O(e log e),
    with c > 0 the mass that flows into empty cells: it falls below every bound, so no one-hot code is a minimiser.

    Premises: one-hot, invariant codes (so the invariance term is finite), any lambda. Why: an empty cell that receives
    c e contributes phi(c e) / e = c log(c e); every other term has a finite slope. Counting gives c, compared here
    with the change of the measured slope over three powers of ten.
    """
    labels, k = table
    q = one_hot(labels, k)
    c = inflow(q.numpy(), q.numpy())
    assert c > 0, "N < K^2 one-hot samples left no empty cell"
    large, small = 1e-3, 1e-6
    change = slope(objective, q, q, large, lam) - slope(objective, q, q, small, lam)
    # O(e log e): cells filled by n >= 1 samples have curvature N / n, so the constant is of the order of N (1 + lambda)
    remainder = 20 * (1 + lam) * len(labels) * large * math.log(1 / large)
    rounding = 2 * loss_tolerance(*labels.shape, k, lam=lam) / small
    close(change, c * math.log(large / small), remainder + rounding, "change of the slope")


@check(
    "C8",
    given={"table": tables(n=(1, 12), s=(2, 4), k=(2, 5))},
    kills=("loss_constant", "off_product_of_marginals", "phi_log2", "off_unmasked", "diag_no_1_over_S"),
)
def counts_that_cannot_be_even_cost_a_known_amount(objective: Objective, table: tuple[np.ndarray, int]) -> None:
    """One-hot invariant codes have L + 3 log K >= (K^2 r / N)^2 / 2, r the distance of N / K^2 from the nearest
    integer.

    So the bound needs K^2 | N; -3 log 80 needs N to be a multiple of 6400. Premises: any table, S >= 2. Why: no count
    of a pair of units can be nearer to N / K^2 than r, so |P_st - 1/K^2|_1 >= K^2 r / N; Pinsker.
    """
    labels, k = table
    n, s = labels.shape
    r = abs(Fraction(n, k**2) - round(Fraction(n, k**2)))
    gap = loss_of(objective, labels, k) + 3 * math.log(k)
    at_least(gap, float(k**2 * r / n) ** 2 / 2, loss_tolerance(n, s, k), "gap")
