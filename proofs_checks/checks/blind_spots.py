"""C26 and C27: duplicates within a view, and attributes with skewed classes: what the loss overlooks and what it asks
for."""

from fractions import Fraction
from math import inf, log

import numpy as np
import torch
from hypothesis import strategies as st

from proofs_checks.numbers import constants, exact
from proofs_checks.numbers.tolerance import above, close, loss_tolerance
from proofs_checks.objective import Objective
from proofs_checks.premises import designs, designs_soft
from proofs_checks.premises.strategies import Draw
from proofs_checks.register import check


def _finite_at_unit_weight(objective: Objective) -> None:
    """The price of the entropy terms, taken for the whole price at lambda = 1."""
    first, second = (designs.one_hot(labels, 5) for labels in designs_soft.one_view_duplicates(5, 3))
    loss = objective.code_loss(first, second, 1.0)
    close(loss, -(2 + 2 / 5) * log(5), 1e-9, "loss of the duplicates at lambda = 1")


@check(
    "C26",
    given={"k": st.integers(2, 7), "s": st.integers(2, 5)},
    kills=("off_same_view", "diag_whole_block", "diag_marginal_entropy", "diag_renormalised", "off_mi_only"),
    breaks_without=(("lambda = 0", _finite_at_unit_weight),),
)
def duplicates_within_a_view_escape_the_off_term(objective: Objective, k: int, s: int) -> None:
    """All segments equal within each view, the two views independent: L_off is at its minimum -2 log K. L_diag objects,
    -(2/K) log K instead of -log K, and the invariance term, which is infinite, because the views disagree; so at lambda
    = 0 the gap is (1 - 2/K) log K and at any lambda > 0 infinite."""
    first, second = (designs.one_hot(labels, k) for labels in designs_soft.one_view_duplicates(k, s))
    diagonal, off_diagonal, invariance = objective.code_terms(first, second)
    tolerance = loss_tolerance(k * k, s, k)
    close(off_diagonal, -2 * log(k), tolerance, "off-diagonal term")
    close(diagonal, -2 / k * log(k), tolerance, "diagonal term")
    close(invariance, inf, 0.0, "invariance term")


@check(
    "C26",
    given={"k": st.integers(2, 5), "s": st.integers(2, 4), "agreeing": st.integers(0, 6), "rest": st.integers(1, 6)},
    kills=("off_same_view", "off_product_of_marginals", "off_collision", "off_gaussian_cov", "diag_marginal_entropy"),
    examples=({"k": 3, "s": 2, "agreeing": 0, "rest": 1}, {"k": 3, "s": 2, "agreeing": 6, "rest": 1}),
)
def what_the_views_share_of_a_duplicate_is_charged(
    objective: Objective, k: int, s: int, agreeing: int, rest: int
) -> None:
    """All segments equal within each view; a share rho of the samples agrees between the views. Every block, s = t or
    not, has the same two kinds of cells, (1 + rho (K-1))/K^2 and (1 - rho)/K^2, so L_off exceeds -2 log K by their
    mutual information: 0 at rho = 0, log K at rho = 1. The off-diagonal term is blind to duplicates exactly as far as
    the views do not share them.

    Premises: hard codes, `agreeing` copies of every (u, u) for `rest` copies of every (u, v). Why: count the cells.
    """
    u, v = designs_soft.one_view_duplicates(k, s)
    same = np.repeat(np.arange(k), agreeing * k)[:, None].repeat(s, 1)
    first, second = (np.concatenate([np.tile(x, (rest, 1)), same]) for x in (u, v))
    rho = agreeing / (agreeing + rest)
    on, off = (1 + rho * (k - 1)) / k**2, (1 - rho) / k**2
    information = 2 * log(k) + k * on * log(on) + k * (k - 1) * off * log(off)
    diagonal, off_diagonal, _ = objective.code_terms(designs.one_hot(first, k), designs.one_hot(second, k))
    tolerance = loss_tolerance(len(first), s, k)
    close(off_diagonal + 2 * log(k), information, tolerance, "excess of the off-diagonal term")
    close(diagonal, k * on * log(on), tolerance, "diagonal term")


@st.composite
def laws(draw: Draw) -> tuple[int, ...]:
    """A skewed law over K units as integer parts."""
    return tuple(draw(st.lists(st.integers(1, 6), min_size=2, max_size=5)))


@check(
    "C27",
    given={"parts": laws(), "s": st.integers(2, 3)},
    kills=("off_collision", "off_gaussian_cov", "ti_always", "off_mi_only", "phi_quadratic"),
)
def independent_attributes_read_three_entropies(objective: Objective, parts: tuple[int, ...], s: int) -> None:
    """One-hot, invariant, pairwise independent attributes with the law p have L = -3 H(p) at every lambda, so they
    stand to the uniform collapse, -(2 + 2/K) log K at lambda = 0, as 3 H(p) to (2 + 2/K) log K. A uniform class prior
    is built in."""
    labels, k = designs_soft.skewed_attributes(parts, s), len(parts)
    q = designs.one_hot(labels, k)
    tolerance = loss_tolerance(*labels.shape, k)
    close(
        objective.code_loss(q, q.clone(), 1.0), -3 * designs_soft.entropy_of(parts), tolerance, "loss of the attributes"
    )
    law = [Fraction(part, sum(parts)) for part in parts]
    value, collapse = 3 * exact.phi_sum(law), -Fraction(2 * k + 2, k) * exact.log_of(k)
    collapsed = torch.full_like(q, 1 / k)
    gap = objective.code_loss(q, q.clone()) - objective.code_loss(collapsed, collapsed.clone())
    close(gap, float(value) - float(collapse), 2 * tolerance, "attributes minus collapse")


@check("C27", kills=("off_gaussian_cov", "ti_always", "off_mi_only", "phi_quadratic", "off_sign"))
def a_perfect_semantic_code_can_rank_below_the_collapse(objective: Objective) -> None:
    """K = 4, p = (.7, .1, .1, .1), lambda = 0: three independent attributes, perfectly coded, read -3 H(p) = -2.82;
    the uniform collapse reads -3.47. That H(p) < (2/3)(1 + 1/K) log K here is proven with intervals."""
    parts = (7, 1, 1, 1)
    value = 3 * exact.phi_sum(Fraction(part, 10) for part in parts)
    assert constants.certainly_less(constants.uniform_loss(4), value)
    q = designs.one_hot(designs_soft.skewed_attributes(parts), 4)
    collapsed = torch.full_like(q, 1 / 4)
    above(objective.code_loss(q, q), objective.code_loss(collapsed, collapsed), 0.64, "perfect code over the collapse")
