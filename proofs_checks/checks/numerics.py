"""Section 6, numerics: logarithms near zero, large logits, low precision, the loss against the margin (C35, C36)."""

import math

import numpy as np
import torch
from hypothesis import strategies as st

from proofs_checks.checks.words import definition
from proofs_checks.numbers import constants
from proofs_checks.numbers.tolerance import above, at_least, at_most, close, eps, finite, loss_tolerance
from proofs_checks.objective import Codes, Objective, gradients
from proofs_checks.premises import strategies
from proofs_checks.register import check


def off_with(codes: Codes, phi) -> float:
    """The off-diagonal term of codes in numpy, with another elementwise function in the place of p log p."""
    q1, q2 = codes.q1.numpy(), codes.q2.numpy()
    total = 0.0
    for s in range(codes.s):
        for t in range(codes.s):
            if s != t:
                total += float(phi(q1[:, s].T @ q2[:, t] / codes.n).sum())
    return total / (codes.s * (codes.s - 1))


@check(
    "C35",
    given={"codes": strategies.codes(), "exponent": st.integers(2, 12)},
    kills=("phi_clamp_both", "phi_add_both", "phi_no_guard", "phi_log2", "off_sign", "off_over_S2"),
)
def a_clamp_inside_the_logarithm_is_safe(objective: Objective, codes: Codes, exponent: int) -> None:
    """sum P log max(P, eps) and sum P log(P + eps) lie above L_off by at most K^2 eps / e and K^2 eps: the bound stays
    true. The same in BOTH places lies below it, by up to that many terms eps log(1/eps).

    Premises: any codes, eps > 0. Why: the logarithm grows; p log(eps / p) <= eps / e and p log(1 + eps / p) <= eps;
    and max(P, eps) log max(P, eps) <= P log P wherever eps <= 1/e.
    """
    e = 10.0**-exponent
    true = float(objective.code_terms(codes.q1, codes.q2)[1])
    tolerance = loss_tolerance(codes.n, codes.s, codes.k)
    clamped = off_with(codes, lambda p: p * np.log(np.maximum(p, e)))
    added = off_with(codes, lambda p: p * np.log(p + e))
    both = off_with(codes, lambda p: np.maximum(p, e) * np.log(np.maximum(p, e)))
    at_least(clamped, true, tolerance, "clamped logarithm")
    at_most(clamped, true + codes.k**2 * e / math.e, tolerance, "clamped logarithm")
    at_least(added, true, tolerance, "shifted logarithm")
    at_most(added, true + codes.k**2 * e, tolerance, "shifted logarithm")
    at_most(both, true, tolerance, "clamped in both places")


@check("C35", kills=("phi_clamp_both", "phi_add_both", "phi_no_guard", "phi_xlogy", "phi_quadratic", "phi_log2"))
def p_log_p_has_a_finite_gradient_at_zero(objective: Objective) -> None:
    """phi(0) = 0 with a finite gradient, phi(p) = p log p to rounding down to the smallest normal number, in float32
    and float64; and phi never exceeds p log p, so no bound of this suite is bought by a guard.

    Why: only the logarithm is clamped, and at the smallest normal number. Against 30-digit logarithms of fractions.
    """
    for dtype in (torch.float32, torch.float64):
        tiny = torch.finfo(dtype).tiny
        p = torch.tensor(
            [0.0, tiny, 1e-30, 1e-12, 1e-5, 0.1, 1 / math.e, 0.5, 0.9, 1.0], dtype=dtype, requires_grad=True
        )
        value = objective.phi(p)
        exact = [float(x) * math.log(float(x)) if x > 0 else 0.0 for x in p.detach()]
        relative = value.detach().double().numpy() / np.maximum(np.abs(exact), tiny)
        close(relative, np.sign(exact), 8 * eps(dtype), "phi")
        (slope,) = torch.autograd.grad(value.sum(), p, materialize_grads=True)
        finite(slope, "slope of phi")
        expected = [math.log(float(x)) + 1 for x in p.detach()[1:]]
        close(slope[1:], expected, 100 * eps(dtype), "slope of phi")


@check(
    "C35",
    given={
        "logits": strategies.logits(k=(2, 6), s=(1, 4)),
        "scale": st.sampled_from([1.0, 30.0, 1000.0]),
        "lam": st.sampled_from([0.0, 1.0]),
    },
    kills=("phi_xlogy", "phi_no_guard", "softmax_no_shift", "ti_not_in_log_domain"),
)
def float32_stays_finite_for_any_logits(
    objective: Objective, logits: strategies.Logits, scale: float, lam: float
) -> None:
    """In float32, loss and both gradients are finite for logits up to 1e4, however the codes saturate.

    Premises: finite logits, t = 1. Why: the softmax is shifted, p log p is guarded, and <q', q''> is a logsumexp of
    log-codes. A wrong loss shows NaN or infinity where a cell underflows (p < 1e-38) or two views saturate apart.
    """
    z1, z2 = ((scale * z).clamp(-1e4, 1e4).float() for z in (logits.z1, logits.z2))
    loss, grad1, grad2 = gradients(objective, z1, z2, logits.s, 1.0, lam)
    for value, name in ((loss, "loss"), (grad1, "gradient of view 1"), (grad2, "gradient of view 2")):
        finite(value, name)


@check(
    "C35",
    given={"margin": st.floats(20, 10_000, width=32), "n": st.integers(1, 4)},
    kills=("ti_not_in_log_domain", "ti_linear", "lam_ignored", "softmax_no_shift", "ti_cross_entropy", "stop_gradient"),
)
def disagreement_is_felt_at_any_distance(objective: Objective, margin: float, n: int) -> None:
    """Two views saturated on different units (K = 2, logits (M, 0) and (0, M), float32): the invariance term is
    M - log 2 + O(e^{-M}) with gradient +-1/2 per sample, up to M = 1e4, where the codes themselves are 0 and 1.

    Why: -log <q', q''> = -log 2 q'(1) q'(2), computed as a logsumexp of logarithms. The term is isolated as the
    difference between lambda = 1 and lambda = 0.
    """
    z1 = torch.tensor([[margin, 0.0]]).repeat(n, 1)
    z2 = z1.flip(1)
    with_term = gradients(objective, z1, z2, 1, 1.0, 1.0)
    without = gradients(objective, z1, z2, 1, 1.0, 0.0)
    single = float(np.float32(margin))
    close(with_term[0] - without[0], single - math.log(2), 8 * eps(torch.float32) * single, "invariance term")
    push = torch.tensor([[0.5, -0.5]]).repeat(n, 1) / n
    for view, sign in ((1, 1), (2, -1)):
        close(
            with_term[view] - without[view],
            sign * push,
            4 * eps(torch.float32) * single,
            f"gradient of the invariance term, view {view}",
        )


@check(
    "C35",
    given={"codes": strategies.codes(k=(2, 6), n=(1, 12)), "x": st.integers(-10, 10).map(lambda j: j / 1000)},
    kills=("phi_log2", "phi_quadratic", "phi_clamp_both", "phi_add_both", "phi_no_guard"),
)
def a_wrong_mass_moves_the_floor(objective: Objective, codes: Codes, x: float) -> None:
    """If rounding leaves the mass of a joint at 1 + x, sum p log p becomes (1 + x) sum p log p + (1 + x) log(1 + x), so
    its floor moves by -x (2 log K - 1) + O(x^2): what a low-precision result may lie below the bound.

    Premises: any joint. Why: log((1 + x) p) = log(1 + x) + log p.
    """
    joint = (codes.q1[:, 0].T @ codes.q2[:, -1]) / codes.n
    tolerance = 2 * loss_tolerance(codes.n, codes.s, codes.k)
    clean = math.fsum(p * math.log(p) for p in joint.flatten().tolist() if p > 0)
    scaled = objective.phi((1 + x) * joint).sum()
    close(scaled, (1 + x) * clean + (1 + x) * math.log1p(x), tolerance, "sum p log p of a joint of mass 1 + x")
    even = objective.phi(torch.full((codes.k, codes.k), (1 + x) / codes.k**2, dtype=torch.float64)).sum()
    floor = -2 * math.log(codes.k)
    close(even, floor - x * (2 * math.log(codes.k) - 1), x**2 * 2 + tolerance, "floor of a joint of mass 1 + x")


@check(
    "C35",
    "W16",
    given={"logits": strategies.logits(k=(2, 5), s=(1, 3), n=(1, 8)), "lam": st.sampled_from([0.0, 1.0])},
    kills=("off_unmasked", "off_over_S2", "diag_renormalised", "ti_whole_vector", "softmax_over_D", "phi_log2"),
    cost=3,
)
def float32_and_float64_agree(objective: Objective, logits: strategies.Logits, lam: float) -> None:
    """The loss of float32 logits equals the exact one to float32 rounding: within 1e-5 of the size of the logits.

    Two routes: the implementation in float32; a loop in Python floats (float64, math.fsum) on the same logits, from
    the definition. Premises: any finite logits.
    """
    z1, z2 = logits.z1.float(), logits.z2.float()
    got = objective.logit_loss(z1, z2, logits.s, logits.t, lam)
    want, invariance = definition(z1.double().numpy(), z2.double().numpy(), logits.s, logits.t, lam)
    tolerance = loss_tolerance(
        logits.n, logits.s, logits.k, dtype=torch.float32, magnitude=logits.magnitude, lam=lam, invariance=invariance
    )
    close(got, want, tolerance, "loss in float32")


# the margin ---------------------------------------------------------------------------------------


def gap_at(margin: float, k: int, lam: float) -> float:
    """C36's gap of an orthogonal array whose logits are the margin on the label and zero elsewhere."""
    total = math.exp(margin) + k - 1
    a, b = math.exp(margin) / total, 1 / total
    lost = 2 * (k - 1) * a * b + (k - 1) * (k - 2) * b**2  # 1 - tau without cancellation
    tau = 1 - lost
    return tau * math.log1p(-lost) + lost * math.log(k) - lam * math.log1p(-lost)


@check(
    "C36",
    given={
        "codes": strategies.orthogonal(k=(2, 3, 4, 5)),
        "margin": st.floats(0, 30, width=32),
        "t": st.sampled_from([0.5, 1.0, 2.0]),
        "lam": strategies.weights,
    },
    kills=(
        "diag_marginal_entropy",
        "diag_whole_block",
        "diag_renormalised",
        "ti_linear",
        "ti_sum_segments",
        "lam_ignored",
        "temperature_ignored",
        "temperature_inverted",
        "softmax_over_D",
        "off_unmasked",
        "off_over_S2",
        "straight_through",
        "segments_units_swapped",
    ),
)
def the_gap_of_an_array_follows_its_margin(
    objective: Objective, codes: Codes, margin: float, t: float, lam: float
) -> None:
    """On an orthogonal array with logit margin M, L + 3 log K = tau log tau + (1 - tau) log K - lambda log tau, with
    tau = a^2 + (1-a)^2/(K-1) and a = 1/(1 + (K-1) e^{-M/t}); for K >= 3 it falls strictly with M, as
    2 (K-1) kappa e^{-M/t} for large M.

    Premises: both views on the array. Why: P_st stays uniform, the diagonal cells are tau/K. Checked at M and at M + 1.
    """
    losses = []
    for m in (margin, margin + 1):
        z = (m * t * codes.q1).reshape(codes.n, -1)
        losses.append(float(objective.logit_loss(z, z, codes.s, t, lam)))
        tolerance = loss_tolerance(codes.n, codes.s, codes.k, magnitude=m, lam=lam, invariance=1.0)
        close(losses[-1] + 3 * math.log(codes.k), gap_at(m, codes.k, lam), tolerance, f"gap at margin {m}")


@check(
    "C36",
    given={
        "codes": strategies.orthogonal(k=(3, 4, 5, 7)),
        "margin": st.floats(0.0, 12.0, width=32),
        "t": st.sampled_from([0.5, 1.0, 2.0]),
        "lam": strategies.weights,
    },
    kills=(
        "loss_constant",
        "lam_ignored",
        "diag_marginal_entropy",
        "temperature_inverted",
        "softmax_over_D",
        "loss_zero",
    ),
)
def a_larger_margin_is_always_better(objective: Objective, codes: Codes, margin: float, t: float, lam: float) -> None:
    """K >= 3: on an orthogonal array the loss falls strictly with the margin, by at least kappa times the agreement
    gained.

    Premises: both views on the array, any lambda >= 0. Why: f(tau) = tau log(tau/K) - lambda log tau has
    f' = log tau + 1 - log K - lambda/tau <= -kappa on (0, 1]. (K = 2, lambda = 0: best at M = 1.6833 t, see C2.)
    """
    losses, agreements = [], []
    for m in (margin, margin + 0.5):
        z = (m * t * codes.q1).reshape(codes.n, -1)
        losses.append(float(objective.logit_loss(z, z, codes.s, t, lam)))
        total = math.exp(m) + codes.k - 1
        agreements.append((math.exp(2 * m) + codes.k - 1) / total**2)
    kappa = math.log(codes.k) - 1 + lam
    tolerance = 2 * loss_tolerance(codes.n, codes.s, codes.k, magnitude=margin + 1, lam=lam, invariance=1.0)
    at_least(losses[0] - losses[1], kappa * (agreements[1] - agreements[0]), tolerance, "loss gained by the margin")


@check("C36", kills=("diag_marginal_entropy", "lam_ignored", "temperature_inverted", "off_over_S2", "softmax_over_D"))
def eighty_units_need_a_margin_of_ten(objective: Objective) -> None:
    """K = 80, lambda = 0: at margin M = 10 the gap is 0.024, at M = 5 still 2.15; the tail is 2 (K-1) kappa e^{-M/t}.
    K = 2, lambda = 0: the best margin is 1.6833 t.

    Premises: two segments, all 6400 pairs of labels once. The best margin at K = 2 is an interval enclosure.
    """
    a, b = (x.ravel() for x in np.mgrid[:80, :80])
    q = strategies.one_hot(np.stack([a, b], axis=1), 80)
    for margin, stated, lam in ((10.0, 0.024, 0.0), (5.0, 2.15, 0.0), (8.0, gap_at(8.0, 80, 1.0), 1.0)):
        z = (2 * margin * q).reshape(6400, -1)
        gap = float(objective.logit_loss(z, z, 2, 2.0, lam)) + 3 * math.log(80)
        tolerance = loss_tolerance(6400, 2, 80, magnitude=margin, lam=lam, invariance=1.0)
        close(gap, gap_at(margin, 80, lam), tolerance, f"gap at margin {margin}")
        close(gap, stated, 5e-3 * stated * 5, f"stated gap at margin {margin}")
    tail = 2 * 4 * (math.log(5) - 1) * math.exp(-12)
    close(gap_at(12.0, 5, 0.0) / tail, 1.0, 1e-3, "tail of the gap at K = 5")
    labels = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    best = constants.middle(constants.best_logit_gap())
    values = []
    for margin in (best - 0.01, best, best + 0.01):
        z = (margin * strategies.one_hot(labels, 2)).reshape(4, -1)
        values.append(float(objective.logit_loss(z, z, 2, 1.0, 0.0)))
    above(min(values[0], values[2]) - values[1], 0.0, 1e-6, "loss beside the best margin at K = 2")
