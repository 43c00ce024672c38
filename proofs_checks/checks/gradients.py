"""Section 6, gradients: the closed form, and how large it can be (C33, C34)."""

import math

import numpy as np
import torch
from hypothesis import strategies as st

from proofs_checks.numbers.tolerance import above, at_most, close, gradient_tolerance
from proofs_checks.objective import Logits, Objective, gradients
from proofs_checks.premises import strategies
from proofs_checks.register import check


def softmax(z: np.ndarray) -> np.ndarray:
    """Along the last axis, in numpy."""
    powers = np.exp(z - z.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def closed_form(logits: Logits, lam: float, off_one: float = 1.0, diagonal_one: float = 1.0) -> list[np.ndarray]:
    """dL/dz of both views, (N, D) each, from C33's equations, block by block in numpy.

    `off_one` and `diagonal_one` stand for the "+ 1" of d(p log p) in the two kinds of blocks.
    """
    n, s, k, t = logits.n, logits.s, logits.k, logits.t
    q = [softmax(z.numpy().reshape(n, s, k) / t) for z in (logits.z1, logits.z2)]
    results = []
    for view in (0, 1):
        own, other = q[view], q[1 - view]
        g = np.zeros((n, s, k))
        for a in range(s):
            for b in range(s):
                joint = own[:, a].T @ other[:, b] / n  # rows: this view's units
                if a == b:
                    force = np.diag((np.log(np.diag(joint)) + diagonal_one) / s)
                else:
                    force = (np.log(joint) + off_one) / (s * (s - 1))
                g[:, a] += other[:, b] @ force.T / n
        agreement = (own * other).sum(-1, keepdims=True)
        g -= lam * other / (n * s * agreement)
        results.append((own * (g - (own * g).sum(-1, keepdims=True)) / t).reshape(n, -1))
    return results


@check(
    "C33",
    "W9",
    given={"logits": strategies.logits(kinds=strategies.SOFT, temperatures=(1.0, 0.5, 2.0)), "lam": strategies.weights},
    kills=(
        "stop_gradient",
        "gradient_bypasses_softmax",
        "straight_through",
        "softmax_over_D",
        "segments_units_swapped",
        "temperature_ignored",
        "temperature_inverted",
        "view_sharpened",
        "diag_sign",
        "diag_no_1_over_S",
        "off_sign",
        "off_unmasked",
        "off_upper_only",
        "off_symmetrised",
        "joint_over_Nm1",
        "joint_view_rolled",
        "ti_linear",
        "ti_log_of_mean",
        "loss_zero",
    ),
)
def the_gradient_is_its_closed_form(objective: Objective, logits: Logits, lam: float) -> None:
    """dL/dz = (1/t) q o (g - <q, g>), with g' = sum_t G_st q''_t / N - lambda q'' / (N S <q', q''>), and the mirror
    image for the second view; G_st = (log P_st + 1)/(S(S-1)) off the diagonal, diag(log P_ss(i,i) + 1)/S on it.

    Premises: positive codes. Two routes: autograd, and the equations block by block in numpy. The "+ 1" of the
    off-diagonal blocks adds a constant to g, which the softmax Jacobian removes; that of the diagonal does not, and
    leaving it out is seen below.
    """
    _, *got = gradients(objective, logits.z1, logits.z2, logits.s, logits.t, lam)
    tolerance = gradient_tolerance(
        logits.n, logits.s, logits.k, magnitude=logits.magnitude, temperature=logits.t, lam=lam
    )
    for want in (closed_form(logits, lam), closed_form(logits, lam, off_one=0.0)):
        for view, (a, b) in enumerate(zip(got, want, strict=True)):
            close(a, b, tolerance, f"gradient of view {view + 1}")


@check("C33", kills=("diag_marginal_entropy", "diag_whole_block", "diag_renormalised", "diag_sign"))
def the_plus_one_of_the_diagonal_matters(objective: Objective) -> None:
    """Without the "+ 1" in the diagonal blocks the closed form is another gradient: the diagonal cells of a block do
    not sum to a constant, so the softmax Jacobian does not remove it.

    Premises: any codes whose views do not agree fully; one example with a difference above a tenth of the gradient.
    """
    z1, z2 = strategies.logits_of("soft", "independent", (5, 2, 3), seed=7)
    logits = Logits(z1.reshape(5, -1), z2.reshape(5, -1), 2)
    _, got, _ = gradients(objective, logits.z1, logits.z2, 2, 1.0, 0.0)
    with_one, without = closed_form(logits, 0.0)[0], closed_form(logits, 0.0, diagonal_one=0.0)[0]
    close(got, with_one, gradient_tolerance(5, 2, 3, magnitude=logits.magnitude), "gradient")
    assert np.abs(got.numpy() - without).max() > 0.1 * np.abs(with_one).max()


@st.composite
def lonely(draw: strategies.Draw) -> Logits:
    """All samples but one on unit 0 in the first view and on unit 1 in the second; that one divides itself between the
    two in the first view, and is where the others are in the second. Its cells hold little but its own weight, and
    what it does decides them: the largest gradients known."""
    n, s, k = draw(st.sampled_from((30, 300, 1000))), draw(st.integers(1, 3)), draw(st.integers(2, 6))
    share, t = draw(st.floats(0.375, 0.875, width=32)), draw(st.sampled_from((0.5, 1.0, 2.0)))
    z1, z2 = (torch.zeros(n, s, k, dtype=torch.float64) for _ in range(2))
    z1[..., 0], z2[..., 1] = 40.0, 40.0
    z1[0] = -30.0
    z1[0, :, 0], z1[0, :, 1] = math.log(share), math.log(1 - share)
    views = (t * z1.reshape(n, -1), t * z2.reshape(n, -1))
    first, second = views if draw(st.booleans()) else views[::-1]
    return Logits(first, second, s, t, f"lonely, share {share}")


@check(
    "C34",
    given={"logits": lonely() | strategies.logits(), "lam": strategies.weights},
    kills=(
        "gradient_doubled",
        "gradient_bypasses_softmax",
        "straight_through",
        "temperature_inverted",
        "diag_no_1_over_S",
    ),
)
def the_gradient_is_bounded_whatever_the_logits(objective: Objective, logits: Logits, lam: float) -> None:
    """|dL/dz'_n|_1 <= (log N + (3/2) log K + 2 + 2 lambda) / (t N) for every sample, both views, any logits.

    Premises: none. So L is globally Lipschitz in the logits. Why: with g the derivative in the code q, |q (g - <q,
    g>)|_1 <= 2 (1 - w) sum of q g over the units above the mean, w their mass, for g >= 0. Off the diagonal g is a
    mean of -log P <= log N - log q' - log q'' (P >= q' q''/N), which gives 2 w (1 - w) (log N + 2 log K + log 1/w) <=
    (1/2) log N + log K + 0.52; on the diagonal it is q'' times such a logarithm, minus q'': (1/2)(log N + log K) +
    1.2; the invariance gives lambda |q q''/<q, q''> - q|_1 <= 2 lambda. The codes drawn come within 0.72 of the bound.
    """
    _, *both = gradients(objective, logits.z1, logits.z2, logits.s, logits.t, lam)
    bound = (math.log(logits.n) + 1.5 * math.log(logits.k) + 2 + 2 * lam) / (logits.t * logits.n)
    for view, gradient in enumerate(both):
        at_most(gradient.abs().sum(1), bound, 1e-12 * bound, f"gradient norm of view {view + 1}")


@check("C34", kills=("gradient_doubled", "loss_constant", "off_symmetrised", "off_over_S2"))
def the_bound_of_the_gradient_is_nearly_used_up(objective: Objective) -> None:
    """N = 1000, K = 2, S = 2, lambda = 0: the lonely sample's gradient in the first view has a closed form in the two
    cells that it decides, above 0.7 of the bound; so the bound does not hold with its constant halved.

    Premises: exact up to the margin e^-40. Why: P_st(0,1) = (N - 1 + w)/N and P_st(1,1) = (1 - w)/N in every block,
    also on the diagonal, where only unit 1 has weight in the second view: dL/dq'(0) - dL/dq'(1) is (log P_st(0,1) -
    log P_st(1,1) - log P_ss(1,1) - 1)/N.
    """
    n, w = 1000, 0.55
    z1, z2 = (torch.zeros(n, 2, 2, dtype=torch.float64) for _ in range(2))
    z1[..., 0], z2[..., 1] = 40.0, 40.0
    z1[0, :, 0], z1[0, :, 1] = math.log(w), math.log(1 - w)
    _, gradient, _ = gradients(objective, z1.reshape(n, -1), z2.reshape(n, -1), 2, 1.0, 0.0)
    crowd, alone = math.log((n - 1 + w) / n), math.log((1 - w) / n)
    difference = (crowd - alone - alone - 1) / n  # of the two units' derivatives, both terms, summed over segments
    norm = float(gradient[0].abs().sum())
    close(norm, 2 * w * (1 - w) * difference, 1e-15, "gradient norm of the lonely sample")
    above(norm, 0.7 * (math.log(n) + 1.5 * math.log(2) + 2) / n, 0.0, "gradient norm against the bound")


@check(
    "C33",
    "W9",
    given={
        "logits": strategies.logits(kinds=("soft", "peaked", "tied"), n=(1, 6), temperatures=(1.0, 2.0)),
        "lam": st.sampled_from([0.0, 1.0]),
        "seed": strategies.seeds,
    },
    kills=("stop_gradient", "gradient_bypasses_softmax", "straight_through"),
)
def each_view_moves_the_loss_as_its_gradient_says(objective: Objective, logits: Logits, lam: float, seed: int) -> None:
    """For each view by itself, the loss changes along a direction as the gradient of that view predicts.

    Premises: float64, moderate logits. Why: no gradient is stopped, replaced or passed around anything. The other route
    is a central difference of fourth order.
    """
    g = strategies.generator(seed)
    views = (logits.z1, logits.z2)
    loss, *both = gradients(objective, *views, logits.s, logits.t, lam)
    h = 2e-3 * logits.t
    for view in (0, 1):
        towards = torch.randn(views[view].shape, generator=g, dtype=torch.float64).clamp(-2, 2)

        def along(step: float, view: int = view, towards: torch.Tensor = towards) -> float:
            moved = [z + step * towards if i == view else z for i, z in enumerate(views)]
            return float(objective.logit_loss(*moved, logits.s, logits.t, lam))

        difference = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
        close(difference, float((both[view] * towards).sum()), 1e-6 + 1e-13 * abs(float(loss)) / h, f"view {view + 1}")
