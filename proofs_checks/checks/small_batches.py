"""C10, C11 and C6: with fewer than K^2 samples no minimiser is one-hot, and with very few the uniform collapse wins;
exact ties.

Codes are one-hot unless said. Cells of the joint of a one-hot code are counts over N, so ties are decided by `exact`,
which compares coefficients of logarithms of primes, and strict inequalities by intervals.
"""

from fractions import Fraction
from math import log

import numpy as np
import torch
from hypothesis import strategies as st

from proofs_checks.numbers import constants, exact
from proofs_checks.numbers.tolerance import above, at_least, close, loss_tolerance
from proofs_checks.objective import Codes, Objective
from proofs_checks.premises import designs
from proofs_checks.premises.labels import Table, fragments
from proofs_checks.premises.strategies import Draw, codes
from proofs_checks.register import check

# C10 ----------------------------------------------------------------------------------------------


def softened_loss(labels: np.ndarray, k: int, amount: float) -> float:
    """L at lambda = 0 of (1 - eps) q + eps/K in both views, from the counts: the joint is a mixture of the joint of
    counts, the products of its marginals with uniform, and uniform."""
    samples, segments = labels.shape
    off = diagonal = 0.0
    for s in range(segments):
        for t in range(segments):
            joint = designs.pair_counts(labels[:, s], labels[:, t], k) / samples
            rows, columns = joint.sum(1, keepdims=True), joint.sum(0, keepdims=True)
            mixed = (1 - amount) ** 2 * joint + amount * (1 - amount) / k * (rows + columns) + (amount / k) ** 2
            cells = np.diag(mixed) if s == t else mixed.ravel()
            value = float(cells[cells > 0] @ np.log(cells[cells > 0]))
            diagonal, off = (diagonal + value, off) if s == t else (diagonal, off + value)
    return diagonal / segments + off / (segments * (segments - 1))


def _one_segment(objective: Objective) -> None:
    """With one segment a balanced one-hot code is at its bound -log K, and smoothing costs from the first step on."""
    q = designs.one_hot(designs.partial_bush(5, 2, 1), 5)
    start, softer = objective.code_loss(q, q.clone()), 0.999 * q + 0.001 / 5
    above(start, objective.code_loss(softer, softer.clone()), 0.0, "one segment over its smoothed code")


@check(
    "C10",
    given={"table": fragments(), "lam": st.sampled_from([0.0, 1.0])},
    kills=(
        "phi_quadratic",
        "off_collision",
        "phi_clamp_both",
        "ti_cross_entropy",
        "phi_add_in_log",
        "off_product_of_marginals",
    ),
    breaks_without=(("S >= 2", _one_segment),),
)
def smoothing_a_hard_code_pays_without_bound(objective: Objective, table: Table, lam: float) -> None:
    """N < K^2, S >= 2: the slope (L(eps) - L(0)) / eps of q -> (1-eps) q + eps/K falls below every number as eps -> 0,
    at lambda = 0 and 1, even from the best hard codes. Proof: an empty cell in an occupied row gains about eps/K^2 and
    contributes eps log eps. So no one-hot code is a minimiser. Each decade of eps must lower the slope by at least
    half of what the empty cells say."""
    q = table.codes
    softer = {e: (1 - e) * q + e / table.k for e in (1e-3, 1e-8)}
    start = objective.code_loss(q, q.clone(), lam)
    slopes = {e: float(objective.code_loss(x, x.clone(), lam) - start) / e for e, x in softer.items()}
    empty = np.mean(
        [
            (designs.pair_counts(a, b, table.k) == 0).mean()
            for i, a in enumerate(table.labels.T)
            for j, b in enumerate(table.labels.T)
            if i != j
        ]
    )  # balanced segments: an empty cell gains (p_i + p_j)/K = 2/K^2 per unit of eps
    predicted = 2 * empty * log(1e-8 / 1e-3)
    above(slopes[1e-3] + predicted / 2, slopes[1e-8], 0.0, "slope falls with eps")
    close(
        objective.code_loss(softer[1e-3], softer[1e-3].clone()),
        softened_loss(table.labels, table.k, 1e-3),
        table.tolerance(),
        "loss of the smoothed code",
    )


@check(
    "C10",
    given={"k": st.sampled_from((5, 7, 8)), "lam": st.sampled_from([0.0, 1.0])},
    kills=(
        "phi_quadratic",
        "off_collision",
        "phi_clamp_both",
        "ti_cross_entropy",
        "phi_add_in_log",
        "off_product_of_marginals",
    ),
)
def an_explicit_soft_code_beats_every_hard_code(objective: Objective, k: int, lam: float) -> None:
    """N = 2K < K^2: the partial Bush array with 2 slopes, smoothed a little, lies below the floor of ALL hard codes
    (C9).
    """
    table = Table(designs.partial_bush(k, 2, 3), k, "2 slopes")
    amount = {0.0: 0.1, 1.0: 0.01}[lam]
    x = (1 - amount) * table.codes + amount / k
    at_most_floor = designs.hard_floor(2 * k, k)
    above(at_most_floor, objective.code_loss(x, x.clone(), lam), 0.01, "floor of hard codes over the soft code")
    agreement = (1 - amount) ** 2 + 2 * amount * (1 - amount) / k + amount**2 / k
    expected = softened_loss(table.labels, k, amount) - lam * log(agreement)
    close(objective.code_loss(x, x.clone(), lam), expected, table.tolerance(lam), "loss of the soft code")


# C11 and the ties ---------------------------------------------------------------------------------


@st.composite
def small_batches(draw: Draw) -> tuple[Codes, float]:
    """Hard codes, views of any relation, with so few samples that counting prefers the uniform collapse, and the
    weight.

    lambda = 0: N < K^(1+2/K), proven with intervals. lambda = 1: N < K^(1/2+1/K).
    """
    lam = draw(st.sampled_from([0.0, 1.0]))
    k = draw(st.integers(3, 10))
    limit = constants.uniform_wins_below(k) if lam == 0 else constants.uniform_wins_below_with_unit_weight(k)
    most = max(n for n in range(1, 40) if constants.certainly_less(n, limit) and (lam == 0 or n < k))
    n = draw(st.integers(1, most))
    views = ("same", "rolled", "independent", "flipped") if lam == 0 else ("same",)
    return draw(hard_codes_of(k, n, views)), lam


def hard_codes_of(k: int, n: int, views: tuple[str, ...]) -> st.SearchStrategy[Codes]:
    """One-hot codes with K units and N samples exactly."""

    return codes(kinds=("hard",), k=(k, k), n=(n, n), s=(2, 4), views=views)


@check(
    "C11",
    given={"case": small_batches()},
    kills=(
        "phi_quadratic",
        "off_gaussian_cov",
        "diag_whole_block",
        "diag_marginal_entropy",
        "off_mi_only",
        "ti_always",
        "lam_ignored",
    ),
)
def small_batches_prefer_the_uniform_collapse(objective: Objective, case: tuple[Codes, float]) -> None:
    """N < K^(1+2/K) at lambda = 0, N < K^(1/2+1/K) < K at lambda = 1: the uniform collapse has a lower loss than any
    hard code.
    """
    codes, lam = case
    uniform = torch.full_like(codes.q1, 1 / codes.k)
    collapse = objective.code_loss(uniform, uniform.clone(), lam)
    tolerance = loss_tolerance(codes.n, codes.s, codes.k, lam=lam)
    close(collapse, designs.uniform_loss(codes.k, lam), tolerance, "uniform collapse")
    at_least(objective.code_loss(codes.q1, codes.q2, lam), collapse, tolerance, "hard code over the collapse")


@check(
    "C11",
    kills=(
        "phi_quadratic",
        "off_gaussian_cov",
        "diag_whole_block",
        "diag_marginal_entropy",
        "off_mi_only",
        "ti_always",
    ),
)
def eight_samples_over_four_units_tie_exactly(objective: Objective) -> None:
    """K = 4, N = 8 = 4^(1+2/4), lambda = 0: the best hard code and the uniform collapse both have L = -5 log 2. The
    tie is decided by comparing coefficients of logarithms of primes; no float takes part in it."""
    labels = designs.partial_bush(4, 2, 4)
    uniform = [[[Fraction(1, 4)] * 4] * 4] * 8
    best = exact.hard_terms(labels, labels, 4).entropy_loss
    assert best == exact.rational_terms(uniform, uniform).entropy_loss == -5 * exact.log_of(2)
    q, u = designs.one_hot(labels, 4), torch.full((8, 4, 4), 0.25, dtype=torch.float64)
    close(objective.code_loss(q, q), -5 * log(2), loss_tolerance(8, 4, 4), "best hard code")
    close(objective.code_loss(u, u), -5 * log(2), loss_tolerance(8, 4, 4), "uniform collapse")


@check("C6", kills=("diag_sign", "diag_whole_block", "diag_marginal_entropy", "diag_renormalised", "phi_quadratic"))
def four_samples_over_three_units_tie_and_soften(objective: Objective) -> None:
    """K = 3, N = 4 (K does not divide N), diagonal term: the invariant hard code with classes (2, 1, 1) ties exactly
    with a code that has one view-mismatched sample, because phi(1/2) = phi(1/4); one sample made uniform is better
    than both."""
    first = np.array([[0, 0], [0, 0], [1, 1], [2, 2]])
    second = np.array([[0, 0], [1, 1], [1, 1], [2, 2]])
    third = exact.as_rational(first, 3)
    third[1] = [[Fraction(1, 3)] * 3] * 2
    kept, mismatched = exact.hard_terms(first, first, 3).diagonal, exact.hard_terms(first, second, 3).diagonal
    softened = exact.rational_terms(third, third).diagonal
    assert kept == mismatched
    assert constants.certainly_less(softened, kept)
    tolerance = loss_tolerance(4, 2, 3)
    q1, q2 = designs.one_hot(first, 3), designs.one_hot(second, 3)
    q3 = torch.tensor([[[float(x) for x in code] for code in row] for row in third], dtype=torch.float64)
    for views, value in (((q1, q1), kept), ((q1, q2), mismatched), ((q3, q3), softened)):
        close(objective.code_terms(*views)[0], float(value), tolerance, "diagonal")
