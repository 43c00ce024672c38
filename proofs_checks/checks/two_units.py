"""Section 1, K = 2: where the bound fails, what the minimisers look like, and which weight repairs it (C2, C3).

K = 2 is the only number of units below e, and log K - 1 < 0 there: without the invariance term, the diagonal term
gains more from unbalancing its mass than it loses from disagreement.
"""

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
import torch
from hypothesis import strategies as st

from proofs_checks.numbers import constants
from proofs_checks.numbers.tolerance import above, at_least, close, loss_tolerance
from proofs_checks.objective import Codes, Objective
from proofs_checks.premises import designs, designs_soft, strategies
from proofs_checks.register import check

LOG_2 = math.log(2)

arrays = st.sampled_from(
    [designs.bush(2, 2), designs.bush(2), designs.plackett_burman(), designs.full_factorial(2, 4)]
).map(lambda labels: labels.copy())
small_weights = st.integers(0, 39).map(lambda j: Fraction(j, 128))
"""lambda = 0, 1/128, ..., 39/128 = 0.3047, all below the threshold 1 - log 2 = 0.3069."""


@lru_cache(maxsize=256)
def least_loss(weight: Fraction) -> float:
    """min L at K = 2, from an interval enclosure."""
    return constants.middle(constants.least_loss_two_units_at(weight))


@check(
    "C2",
    given={"labels": arrays},
    kills=(
        "diag_marginal_entropy",
        "diag_renormalised",
        "diag_whole_block",
        "ti_always",
        "off_unmasked",
        "phi_add_in_log",
    ),
)
def soft_codes_beat_the_array(objective: Objective, labels: np.ndarray) -> None:
    """K = 2, lambda = 0: L = -2/e - 2 log 2 = -2.1221 < -3 log 2 = -2.0794 at codes that are not one-hot, and at codes
    that are not view-invariant.

    (a) both views a e_c + (1-a) e_other on an orthogonal array, a = 0.8433; (b) the first view one-hot, the second
    (2/e, 1 - 2/e), so that the views differ by |q' - q''|_1 = 2 - 4/e = 0.5285; (c) one-hot codes with a share d of
    the samples flipped between the views: tau log(tau/2) - 2 log 2 at tau = 1 - d, with the minimum approached near
    d = 1 - 2/e. Why: P_st stays uniform, P_ss(i,i) = tau/2, and tau log(tau/2) is least at tau = 2/e, inside (0, 1).
    """
    assert constants.certainly_less(constants.least_loss_two_units(), constants.perfect_loss(2))
    least, segments = constants.middle(constants.least_loss_two_units()), labels.shape[1]
    tolerance = loss_tolerance(len(labels), segments, 2)
    soft = designs_soft.soft_minimiser(labels)
    close(objective.code_loss(soft, soft), least, tolerance, "loss of the soft array (a)")
    above(1 - soft.max().item(), 0.0, 0.15, "distance of (a) from one-hot")
    hard, towards = designs_soft.one_sided_minimiser(labels)
    close(objective.code_loss(hard, towards), least, tolerance, "loss of the one-sided array (b)")
    close((hard - towards).abs().sum(-1), 2 - 4 / math.e, tolerance, "distance of the views in (b)")
    first, second = designs_soft.flipped_minimiser(labels, copies=19, flipped=5)
    flipped = objective.code_loss(strategies.one_hot(first, 2), strategies.one_hot(second, 2))
    tau = 14 / 19
    close(flipped, tau * math.log(tau / 2) - 2 * LOG_2, loss_tolerance(len(first), segments, 2), "loss of (c)")
    above(-3 * LOG_2 - float(flipped), 0.0, 0.04, "gain of (c) over the orthogonal array")


@check(
    "C2",
    given={"codes": strategies.codes(k=(2, 2))},
    kills=("diag_no_1_over_S", "diag_whole_block", "joint_over_Nm1", "phi_log2", "off_unmasked"),
)
def no_code_beats_the_soft_array(objective: Objective, codes: Codes) -> None:
    """K = 2, lambda = 0: L >= -2/e - 2 log 2 for all codes. Why: C1's Jensen step; tau log(tau/2) >= -2/e."""
    least = constants.middle(constants.least_loss_two_units())
    at_least(objective.code_loss(codes.q1, codes.q2), least, loss_tolerance(codes.n, codes.s, 2), "loss")


@check(
    "C2",
    given={"n": st.integers(1, 12), "segments": st.integers(2, 4)},
    kills=("diag_whole_block", "diag_no_1_over_S", "ti_always", "joint_over_Nm1", "off_mi_only", "phi_quadratic"),
)
def uniform_collapse_ties_with_the_array(objective: Objective, n: int, segments: int) -> None:
    """K = 2, lambda = 0: the uniform collapse has L = -3 log 2 exactly, the value of the perfect orthogonal code.

    Why: P_ss(i,i) = 1/4 twice is -log 2, and uniform codes are at the minimum of the off-diagonal term.
    """
    uniform = torch.full((n, segments, 2), 0.5, dtype=torch.float64)
    collapse = objective.code_loss(uniform, uniform)
    close(collapse, -3 * LOG_2, loss_tolerance(n, segments, 2), "loss of the uniform collapse")
    hard = strategies.one_hot(designs.bush(2, min(segments, 3)), 2)
    close(objective.code_loss(hard, hard), collapse, loss_tolerance(12, 4, 2), "loss of the orthogonal array")


@check(
    "C3",
    given={"labels": arrays, "weight": small_weights},
    kills=("lam_ignored", "ti_always", "ti_sum_segments", "ti_cross_entropy", "ti_linear", "diag_renormalised"),
)
def weak_invariance_moves_the_minimum(objective: Objective, labels: np.ndarray, weight: Fraction) -> None:
    """K = 2, 0 <= lambda < 1 - log 2: min L = tau* log(tau*/2) - lambda log tau* - 2 log 2 < -3 log 2, reached by the
    soft array with agreement tau* = lambda / W(e lambda / 2) < 1.

    Two routes to the value: the Lambert W of scipy inside the construction, an interval bisection of
    tau (1 + log(tau/2)) = lambda for the expected loss. Why: that equation is f'(tau) = 0.
    """
    assert constants.certainly_less(constants.least_loss_two_units_at(weight), constants.perfect_loss(2))
    soft = designs_soft.soft_minimiser(labels, float(weight))
    tolerance = loss_tolerance(len(labels), labels.shape[1], 2, lam=1.0, invariance=1.0)
    close(objective.code_loss(soft, soft, float(weight)), least_loss(weight), tolerance, "loss of the soft array")


@check(
    "C3",
    given={"codes": strategies.codes(k=(2, 2)), "weight": st.integers(0, 256).map(lambda j: Fraction(j, 128))},
    kills=("diag_no_1_over_S", "lam_ignored", "phi_log2", "diag_whole_block"),
    breaks_without=(
        (
            "lambda >= 1 - log 2 for the bound -3 log 2",
            lambda objective: at_least(
                objective.code_loss(*(designs_soft.soft_minimiser(designs.bush(2), 0.25),) * 2, 0.25), -3 * LOG_2, 1e-9
            ),
        ),
    ),
    examples=(
        {
            "codes": Codes(*(designs_soft.soft_minimiser(designs.bush(2)),) * 2, "soft array"),
            "weight": Fraction(1),
        },
    ),
)
def two_units_have_a_least_loss(objective: Objective, codes: Codes, weight: Fraction) -> None:
    """K = 2: no code lies below the minimum of C3, for any lambda; from lambda = 1 - log 2 on that is -3 log 2 again.

    Why: L >= f(tau) - 2 log 2 with f(tau) = tau log(tau/2) - lambda log tau, and f has one minimum on (0, 1].
    """
    loss = objective.code_loss(codes.q1, codes.q2, float(weight))
    tolerance = loss_tolerance(codes.n, codes.s, 2, lam=float(weight))
    at_least(loss, least_loss(weight), tolerance, "loss")


@check(
    "C3",
    given={
        "labels": arrays,
        "agreement": st.floats(0.5, 1.0, width=32),
        "lam": st.floats(0.0, 1.0, width=32, allow_subnormal=False),
    },
    kills=("lam_ignored", "ti_always", "ti_sum_segments", "ti_linear", "diag_whole_block", "phi_quadratic"),
    examples=tuple(
        {"labels": designs.bush(2), "agreement": 1 - 1e-4, "lam": lam} for lam in (0.0, 0.2, 0.3068, 0.5, 1.0)
    ),
)
def agreement_pays_above_the_threshold(objective: Objective, labels: np.ndarray, agreement: float, lam: float) -> None:
    """K = 2: the soft array with agreement tau has L = tau log(tau/2) - lambda log tau - 2 log 2; near tau = 1 a lost
    share h of agreement changes L by (lambda - (1 - log 2)) h: a cost from lambda = 1 - log 2 on, a gain below.

    Why: P_st stays uniform whatever tau, and f'(1) = 1 - log 2 - lambda.
    """
    peak = designs_soft.peak_for_agreement(agreement)
    soft = designs_soft.soften(labels, 2, peak)
    tau = peak**2 + (1 - peak) ** 2
    tolerance = loss_tolerance(len(labels), labels.shape[1], 2, lam=1.0, invariance=1.0)
    loss = objective.code_loss(soft, soft, lam)
    close(loss, tau * math.log(tau / 2) - lam * math.log(tau) - 2 * LOG_2, tolerance, "loss of the soft array")
    h = 1 - tau
    # f(1-h) - f(1) = (lambda - (1 - log 2)) h + (1 + lambda) h^2 / 2 + O(h^3); h <= 1/2
    change = float(loss) + 3 * LOG_2
    close(change, (lam - (1 - LOG_2)) * h, (1 + lam) * h**2 * 1.5 + tolerance, "change of the loss")
