"""Section 1 and 3, sharpened: the gap to second order, constant codes, and batches without an array (C43, C44, C51)."""

import math
from fractions import Fraction

import numpy as np
import torch
from hypothesis import strategies as st

from proofs_checks.checks.bounds import agreements, distances_from_uniform
from proofs_checks.numbers import constants
from proofs_checks.numbers.tolerance import above, at_least, close, eps, loss_tolerance
from proofs_checks.objective import Codes, Objective
from proofs_checks.premises import designs, designs_soft, strategies
from proofs_checks.register import check

THRESHOLD = constants.middle(constants.threshold())
"""1 - log 2, where kappa = 0 at K = 2."""

weights = st.one_of(strategies.weights, st.just(THRESHOLD))


def _third_order(objective: Objective) -> None:
    """The factor (1 + lambda)/2 is the largest that holds: a tenth more fails close to one-hot codes."""
    q = strategies.smooth(designs.one_hot(designs.bush(3), 3), 1e-3)
    d = 1 - float((q * q).sum(-1).mean())
    gap = float(objective.code_loss(q, q)) + 3 * math.log(3)
    at_least(gap, (math.log(3) - 1) * d + 0.55 * d**2, 0.0, "gap against a larger second order")


@check(
    "C43",
    given={"codes": strategies.near_optimal(k=(2, 6)) | strategies.codes(k=(2, 6)), "lam": weights},
    kills=(
        "diag_marginal_entropy",
        "diag_renormalised",
        "diag_no_1_over_S",
        "lam_ignored",
        "ti_linear",
        "phi_log2",
        "off_unmasked",
    ),
    breaks_without=(("the factor (1 + lambda) / 2", _third_order),),
)
def the_gap_pays_to_second_order(objective: Objective, codes: Codes, lam: float) -> None:
    """L + 3 log K >= kappa d + (1 + lambda) d^2 / 2 + mean KL(P_st || uniform), d = 1 - tau, for every K >= 2 and
    lambda >= 0: also where kappa = log K - 1 + lambda is zero or negative.

    Premises: any codes, S >= 2. Why: f(tau) = tau log(tau/K) - lambda log tau has f(1) = -log K, f'(1) = -kappa and
    f'' = 1/tau + lambda/tau^2 >= 1 + lambda on (0, 1]; C1 leaves f(tau_s) of each segment, and f's parabola is convex.
    """
    gap = float(objective.code_loss(codes.q1, codes.q2, lam)) + 3 * math.log(codes.k)
    d, kappa = 1 - float(agreements(codes).mean()), math.log(codes.k) - 1 + lam
    invariance = float(objective.code_terms(codes.q1, codes.q2)[2])
    surprise = invariance if lam and math.isfinite(invariance) else 0.0
    tolerance = loss_tolerance(codes.n, codes.s, codes.k, lam=lam, invariance=surprise)
    price = kappa * d + (1 + lam) / 2 * d**2 + np.mean(distances_from_uniform(codes))
    at_least(gap, price, tolerance, "gap")


@check(
    "C43",
    "W1",
    given={
        "labels": st.sampled_from([designs.bush(2, 2), designs.bush(2), designs.plackett_burman()]),
        "agreement": st.floats(0.5, 1.0, width=32),
    },
    kills=("lam_ignored", "ti_always", "ti_linear", "ti_sum_segments", "diag_renormalised", "phi_quadratic"),
    examples=({"labels": designs.bush(2), "agreement": 0.75},),
)
def at_the_threshold_the_price_is_quadratic(objective: Objective, labels: np.ndarray, agreement: float) -> None:
    """K = 2, lambda = 1 - log 2, kappa = 0: the gap of a soft array is tau log(tau/2) - lambda log tau + log 2, which
    lies between (1 + lambda) d^2 / 2 and that times 1/tau^2. So the bound is attained at d = 0 only: invariance at the
    minimum needs kappa >= 0, a gap in proportion to the disagreement kappa > 0.

    Premises: both views on the array, <q', q''> = tau everywhere. Why: f'(1) = 0 there, and 1 + lambda <= f'' <= (1 +
    lambda)/tau^2 on [tau, 1].
    """
    soft = designs_soft.soften(labels, 2, designs_soft.peak_for_agreement(agreement))
    tau = float((soft * soft).sum(-1).mean())
    gap = float(objective.code_loss(soft, soft, THRESHOLD)) + 3 * math.log(2)
    tolerance = loss_tolerance(len(labels), labels.shape[1], 2, lam=1.0, invariance=1.0)
    close(gap, tau * math.log(tau / 2) - THRESHOLD * math.log(tau) + math.log(2), tolerance, "gap")
    least = (1 + THRESHOLD) / 2 * (1 - tau) ** 2
    at_least(gap, least, tolerance, "gap against its second order")
    at_least(least / tau**2, gap, tolerance, "largest second order against the gap")


# constant codes ------------------------------------------------------------------------------------


def _one_sample(objective: Objective) -> None:
    """With one sample every code is constant, and nothing can move against it: one-hot codes are least."""
    q = torch.tensor([[[0.6, 0.4], [0.5, 0.5]]], dtype=torch.float64)
    step = torch.zeros_like(q)
    step[0, 0, 0], step[0, 0, 1] = 1.0, -1.0
    above(0.0, curvature(objective, q, step, 1.0), 0.1, "fall along the same step in the only sample")


def curvature(objective: Objective, q: torch.Tensor, step: torch.Tensor, lam: float) -> float:
    """Second derivative of L at q + a step (both views), at a = 0, by autograd."""
    a = torch.zeros((), dtype=torch.float64, requires_grad=True)
    moved = q + a * step
    (slope,) = torch.autograd.grad(objective.code_loss(moved, moved, lam), a, create_graph=True, materialize_grads=True)
    if not slope.requires_grad:
        return 0.0
    (second,) = torch.autograd.grad(slope, a, materialize_grads=True)
    return float(second)


@st.composite
def constants_with_units(draw: strategies.Draw) -> tuple[Codes, int, int]:
    """Soft codes that ignore the sample, both views alike, and two units of segment 0."""
    codes = draw(strategies.codes(n=(1, 1), k=(2, 6), kinds=("soft", "tied", "uniform"), views=("same",)))
    n = draw(st.integers(2, 6))
    q = codes.q1.expand(n, -1, -1).contiguous()
    i = draw(st.integers(0, codes.k - 1))
    return Codes(q, q, f"constant, {codes.label}"), i, (i + 1 + draw(st.integers(0, codes.k - 2))) % codes.k


@check(
    "C44",
    given={"case": constants_with_units(), "lam": strategies.weights},
    kills=(
        "diag_sign",
        "diag_whole_block",
        "diag_marginal_entropy",
        "diag_no_1_over_S",
        "phi_quadratic",
        "ti_linear",
        "ti_log_of_mean",
        "loss_constant",
    ),
    breaks_without=(("N >= 2", _one_sample),),
)
def a_constant_code_is_no_local_minimum(objective: Objective, case: tuple[Codes, int, int], lam: float) -> None:
    """At q_n = q for all n, moving one sample by eps (e_i - e_j) in a segment and another by the opposite has second
    derivative (2/(N S)) [4 log(q_i q_j) + 4 - 4 lambda (1/|q|^2 - (q_i - q_j)^2/|q|^4)] <= (8/(N S)) (1 + log(q_i
    q_j)), which is below zero.

    Premises: both views alike, q_i, q_j > 0, N, S >= 2, any lambda >= 0. Why: the mean code stays, so off-diagonal
    blocks change only to fourth order; q_i q_j <= 1/4; (q_i - q_j)^2 <= |q|^2. Two routes: autograd twice, the
    formula.
    """
    codes, i, j = case
    step = torch.zeros_like(codes.q1)
    step[0, 0, i], step[0, 0, j] = 1.0, -1.0
    step[1] = -step[0]
    code = codes.q1[0, 0].tolist()
    square, product = math.fsum(x * x for x in code), code[i] * code[j]
    pull = 1 / square - (code[i] - code[j]) ** 2 / square**2
    expected = 2 / (codes.n * codes.s) * (4 * math.log(product) + 4 - 4 * lam * pull)
    tolerance = 1e2 * eps() * (codes.n + codes.k) * (4 - 4 * math.log(product) + 8 * lam / square)
    got = curvature(objective, codes.q1, step, lam)
    close(got, expected, tolerance, "curvature")
    at_least(8 / (codes.n * codes.s) * (1 + math.log(product)), got, tolerance, "bound over the curvature")
    assert 1 + math.log(product) < 0


# batches without an array --------------------------------------------------------------------------


def least_gap(samples: int, units: int, lam: float) -> float:
    """min over d in [0, 1 - 1/K] of kappa d + (log(K^2/N) - 2 F(d))_+, F(d) = h(d) + d log(K-1), N < K^2.

    F grows on the range and is concave, so the sum falls until either its slope kappa - 2 F' vanishes, at (K-1)/(K-1 +
    e^(kappa/2)), or the bracket does; the first of the two is the minimum. The root is bracketed by bisection.
    """
    kappa, room = math.log(units) - 1 + lam, math.log(units**2 / samples)

    def spread(d: float) -> float:
        return (-d * math.log(d) if d else 0.0) - (1 - d) * math.log1p(-d) + d * math.log(units - 1)

    low, high = 0.0, 1 - 1 / units
    for _ in range(200):
        centre = (low + high) / 2
        low, high = (centre, high) if 2 * spread(centre) < room else (low, centre)
    d = min((units - 1) / (units - 1 + math.exp(kappa / 2)), low)
    return kappa * d + max(room - 2 * spread(d), 0.0)


@st.composite
def short_batches(draw: strategies.Draw) -> Codes:
    """Codes of N < K^2 samples, K >= 3, of any kind; some are fragments of arrays, smoothed."""
    k = draw(st.integers(3, 6))
    if draw(st.booleans()):
        return draw(strategies.codes(k=(k, k), n=(1, min(k * k - 1, 12))))
    k = draw(st.sampled_from((3, 4, 5)))
    labels = designs.partial_bush(k, draw(st.integers(1, k - 1)), draw(st.integers(2, 3)))
    q = strategies.smooth(designs.one_hot(labels, k), draw(st.floats(0, 0.5, width=32)))
    return Codes(q, q.clone(), "smoothed fragment")


def _a_whole_array(objective: Objective) -> None:
    q = designs.one_hot(designs.bush(3), 3)
    at_least(float(objective.code_loss(q, q)) + 3 * math.log(3), least_gap(8, 3, 0.0), 0.0, "gap of nine samples")


@check(
    "C51",
    "W13",
    given={"codes": short_batches(), "lam": strategies.weights},
    kills=(
        "off_product_of_marginals",
        "off_unmasked",
        "diag_no_1_over_S",
        "diag_renormalised",
        "phi_log2",
        "loss_constant",
    ),
    breaks_without=(("N < K^2", _a_whole_array),),
)
def a_short_batch_stays_above_the_bound(objective: Objective, codes: Codes, lam: float) -> None:
    """N < K^2 samples, K >= 3: every code, soft or hard, has L + 3 log K >= least_gap(N, K, lambda) > 0. So -3 log K is
    not even approached there, whatever the logits.

    Premises: S >= 2. Why: a block's entropy is at most log N plus those of the two codes (C39); a code of entropy H has
    1 - max q >= F^{-1}(H), and kappa (1 - max q) is charged (C5).
    """
    least = least_gap(codes.n, codes.k, lam)
    assert least > 0
    gap = float(objective.code_loss(codes.q1, codes.q2, lam)) + 3 * math.log(codes.k)
    invariance = float(objective.code_terms(codes.q1, codes.q2)[2])
    surprise = invariance if lam and math.isfinite(invariance) else 0.0
    at_least(gap, least, loss_tolerance(codes.n, codes.s, codes.k, lam=lam, invariance=surprise), "gap")


@check("C51", kills=("phi_clamp_both", "off_gaussian_cov", "loss_constant", "off_product_of_marginals"))
def the_known_amount_at_the_published_sizes(objective: Objective) -> None:
    """least_gap is 0.24 nats at N = 2048, K = 80 and 0.11 at N = 512, K = 32 (lambda = 0), and falls to 0 as N reaches
    K^2; a partial Bush array of K = 5, N = 10 is above it.

    Why: the formula on a fine grid of d, which can only be larger than its minimum, agrees with it.
    """
    for samples, units, stated in ((2048, 80, 0.24), (512, 32, 0.114), (6399, 80, 0.0)):
        value = least_gap(samples, units, 0.0)
        close(value, stated, 6e-3, f"least gap at N = {samples}, K = {units}")
        d = np.linspace(1e-9, 1 - 1 / units, 200_001)
        spread = -d * np.log(d) - (1 - d) * np.log1p(-d) + d * math.log(units - 1)
        grid = (math.log(units) - 1) * d + np.maximum(math.log(Fraction(units**2, samples)) - 2 * spread, 0)
        close(grid.min(), value, 1e-4, "least gap on a grid")
        at_least(grid.min(), value, 1e-12, "least gap on a grid")
    q = designs.one_hot(designs.partial_bush(5, 2, 4), 5)
    above(objective.code_loss(q, q), -3 * math.log(5) + least_gap(10, 5, 0.0), 0.1, "loss of a partial array")
    at_least(objective.code_terms(q, q)[1], -math.log(10), loss_tolerance(10, 4, 5), "off-diagonal term of ten samples")
