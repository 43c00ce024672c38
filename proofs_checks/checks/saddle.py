"""C52 and C53: how training leaves the uniform code, and from which order on the off-diagonal term takes part."""

import math

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from proofs_checks.numbers.routes import off_pairs
from proofs_checks.numbers.tolerance import above, at_most, close, eps, loss_tolerance
from proofs_checks.objective import Objective
from proofs_checks.premises import strategies
from proofs_checks.premises.strategies import Draw, generator
from proofs_checks.register import check

# linear logits -------------------------------------------------------------------------------------


def hessian_product(
    objective: Objective, x1: Tensor, x2: Tensor, step: Tensor, t: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Gradient and Hessian times `step` of L at W = 0, logits z_n(s) = W_s x_n; W and `step` have shape (S, K, M)."""
    s = len(step)
    w = torch.zeros_like(step, requires_grad=True)
    z1, z2 = (torch.einsum("skm,nm->nsk", w, x).reshape(len(x), -1) for x in (x1, x2))
    loss = objective.logit_loss(z1, z2, s, t, lam)
    (gradient,) = torch.autograd.grad(loss, w, create_graph=True, materialize_grads=True)
    if not gradient.requires_grad:
        return gradient.detach(), torch.zeros_like(step)
    (product,) = torch.autograd.grad((gradient * step).sum(), w, materialize_grads=True)
    return gradient.detach(), product


def predicted_product(x1: Tensor, x2: Tensor, step: Tensor, t: float, lam: float) -> np.ndarray:
    """-(2 log K - 1 + lambda K)/(S t^2 K^2) (I - 1/K) V_s (Sigma + Sigma^T), in numpy, segment by segment."""
    s, k, _ = step.shape
    sigma = x1.numpy().T @ x2.numpy() / len(x1)
    pull = (2 * math.log(k) - 1 + lam * k) / (s * t**2 * k**2)
    centred = np.eye(k) - 1 / k
    return np.stack([-pull * centred @ v @ (sigma + sigma.T) for v in step.numpy()])


@st.composite
def views_of_features(draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
    """Features (N, M) of two views, each of mean zero over the batch, correlated; and a direction (S, K, M)."""
    n, m = draw(st.integers(3, 9)), draw(st.integers(1, 4))
    s, k = draw(st.integers(2, 4)), draw(st.integers(2, 5))
    g = generator(draw(strategies.seeds))
    x = torch.randn(n, m, generator=g, dtype=torch.float64)
    noise = draw(st.sampled_from((0.0, 0.3, 3.0)))
    views = [x + noise * torch.randn(n, m, generator=g, dtype=torch.float64) for _ in range(2)]
    step = torch.randn(s, k, m, generator=g, dtype=torch.float64)
    return views[0] - views[0].mean(0), views[1] - views[1].mean(0), step


def _features_with_a_mean(objective: Objective) -> None:
    x = torch.tensor([[1.0], [1.5], [0.5]], dtype=torch.float64)
    step = torch.tensor([[[1.0], [-1.0], [0.0]]] * 2, dtype=torch.float64)
    close(hessian_product(objective, x, x, step, 1.0, 0.0)[1], predicted_product(x, x, step, 1.0, 0.0), 1e-9, "product")


@check(
    "C52",
    given={"features": views_of_features(), "t": st.sampled_from([0.5, 1.0, 2.0]), "lam": strategies.weights},
    kills=(
        "ti_linear",
        "ti_cross_entropy",
        "lam_ignored",
        "temperature_ignored",
        "softmax_over_D",
        "stop_gradient",
        "diag_marginal_entropy",
        "diag_whole_block",
        "diag_no_1_over_S",
        "gradient_doubled",
    ),
    breaks_without=(("features of mean zero", _features_with_a_mean),),
    cost=2,
)
def all_segments_grow_the_same_mode(
    objective: Objective, features: tuple[Tensor, Tensor, Tensor], t: float, lam: float
) -> None:
    """Logits W_s x_n, features of mean zero in each view: at W = 0 the gradient vanishes and the Hessian takes V to
    -(2 log K - 1 + lambda K)/(S t^2 K^2) (I - 1/K) V_s (Sigma + Sigma^T) in every segment: one block for all, none
    between two.

    Premises: N, K, S >= 2. So gradient flow grows each eigenvector of Sigma + Sigma^T, the cross-view covariance of
    the features, at one rate in all segments. Why: C15. Two routes: autograd twice through the logits; the formula. A
    direction in segment 0 alone must leave the others at zero, which any coupling would not.
    """
    x1, x2, step = features
    scale = float(max(x1.abs().max(), x2.abs().max(), 1)) ** 2 * float(step.abs().max())
    tolerance = 1e3 * eps() * (1 + lam) * scale * max(1, t**-2)
    alone = step.clone()
    alone[1:] = 0
    for direction in (step, alone):
        gradient, product = hessian_product(objective, x1, x2, direction, t, lam)
        close(gradient, 0.0, tolerance, "gradient at zero weights")
        close(product, predicted_product(x1, x2, direction, t, lam), tolerance, "Hessian product")


@check("C52", kills=("diag_sign", "lam_ignored", "stop_gradient", "ti_linear", "gradient_doubled"))
def the_mode_that_survives_the_views_grows_first(objective: Objective) -> None:
    """Two input modes, one twice as strong but with views that agree on it by 0.3 only, one that all views show: the
    second has the larger rate, 1 against 0.6 in units of the strength, and all three segments follow it alike. Growth
    per unit of gradient flow: 2 mu (2 log K - 1 + lambda K)/(S t^2 K^2).

    Premises: the exact eigenvalues of the cross-view covariance, here diagonal. Why: the block of C52.
    """
    sign, other = torch.tensor([1.0, 1.0, -1.0, -1.0] * 5), torch.tensor([1.0, -1.0] * 10)
    kept = torch.tensor([1.0] * 13 + [-1.0] * 7)  # the weaker view agrees on 13 of 20: 0.3 on average
    x1 = torch.stack([2**0.5 * sign, other], 1).double()
    x2 = torch.stack([2**0.5 * sign * kept, other], 1).double()
    x1, x2 = x1 - x1.mean(0), x2 - x2.mean(0)
    sigma = x1.T @ x2 / 20
    s, k, lam = 3, 4, 1.0
    step = torch.zeros(s, k, 2, dtype=torch.float64)
    rates = []
    for mode in (0, 1):
        step.zero_()
        step[:, 0, mode], step[:, 1, mode] = 1.0, -1.0
        _, product = hessian_product(objective, x1, x2, step, 1.0, lam)
        close(product[0], product[1], 1e-14, "first and second segment")
        close(product[1], product[2], 1e-14, "second and third segment")
        rates.append(-float((product * step).sum() / (step * step).sum()))
    pull = (2 * math.log(k) - 1 + lam * k) / (s * k**2)
    close(rates, [2 * float(sigma[0, 0]) * pull, 2 * float(sigma[1, 1]) * pull], 1e-14, "growth rates")
    above(rates[1], rates[0], 0.1 * pull, "rate of the mode that all views show")


# fourth order --------------------------------------------------------------------------------------


@st.composite
def displaced(draw: Draw) -> tuple[Tensor, Tensor]:
    """delta', delta'' (N, S, K): zero sum over the units of a code and over the batch, at most 1/K in size."""
    n, s, k = draw(st.integers(2, 9)), draw(st.integers(2, 4)), draw(st.integers(2, 5))
    g = generator(draw(strategies.seeds))
    related = draw(st.booleans())
    views: list[Tensor] = []
    for view in range(2):
        x = torch.randn(n, s, k, generator=g, dtype=torch.float64)
        x = views[0] + 0.3 * x if view and related else x
        x = x - x.mean(-1, keepdim=True)
        views.append(x - x.mean(0))
    largest = max(float(x.abs().max()) for x in views)
    return views[0] / (k * largest), views[1] / (k * largest)


def _a_common_shift(objective: Objective) -> None:
    """A displacement shared by all samples is noticed at second order."""
    delta = torch.tensor([0.2, -0.2, 0.0], dtype=torch.float64).expand(2, 2, 3)
    q = 1 / 3 + 0.01 * delta
    at_most(float(objective.code_terms(q, q)[1]) + 2 * math.log(3), 0.0, 1e-7, "excess of a common shift")


@check(
    "C53",
    given={"delta": displaced(), "epsilon": st.sampled_from((0.1, 0.03, 0.01))},
    kills=(
        "off_unmasked",
        "off_same_view",
        "off_collision",
        "off_over_S2",
        "phi_quadratic",
        "joint_over_Nm1",
        "off_sign",
    ),
    breaks_without=(("zero mean over the batch", _a_common_shift),),
)
def the_off_term_notices_segments_at_fourth_order(
    objective: Objective, delta: tuple[Tensor, Tensor], epsilon: float
) -> None:
    """q = 1/K + eps delta: L_off + 2 log K = (K^2/2) eps^4 mean |C_st|^2 + R, |R| <= (chi^2 x / 6)/(1-x)^2 with x = K^2
    eps^2 max|C_st| and chi^2 the mean of K^2 eps^4 |C_st|^2: nothing at second order.

    Premises: delta of zero sum over the batch, and over units. Why: P_st = 1/K^2 + eps^2 C_st; Taylor's remainder of r
    log r - r + 1. C_st is a numpy mean of outer products.
    """
    first, second = (x.numpy() for x in delta)
    n, s, k = first.shape
    shared = np.einsum("nsi,ntj->stij", first, second) / n
    blocks = np.stack([shared[a, b] for a, b in off_pairs(s)])
    leading = k**2 / 2 * epsilon**4 * np.square(blocks).sum((1, 2)).mean()
    x = k**2 * epsilon**2 * np.abs(blocks).max()
    q1, q2 = (1 / k + epsilon * d for d in delta)
    excess = float(objective.code_terms(q1, q2)[1]) + 2 * math.log(k)
    close(excess, leading, 2 * leading * x / (6 * (1 - x) ** 2) + loss_tolerance(n, s, k), "excess of L_off")


@check(
    "C53",
    given={"delta": displaced(), "lam": strategies.weights},
    kills=("diag_sign", "diag_marginal_entropy", "diag_whole_block", "ti_linear", "ti_sum_segments"),
    cost=2,
)
def the_other_terms_pull_at_second_order(objective: Objective, delta: tuple[Tensor, Tensor], lam: float) -> None:
    """L_diag + lambda L_ti along q = 1/K + eps delta: first derivative 0, second derivative -2 (2 log K - 1 + lambda K)
    mean over s of tr C_ss at eps = 0; of L_off both are 0.

    Premises: as above. Why: the diagonal cells gain eps^2 C_ss(i,i), <q', q''> gains eps^2 <delta', delta''> exactly.
    Autograd twice, against that formula.
    """
    a = torch.zeros((), dtype=torch.float64, requires_grad=True)
    n, s, k = delta[0].shape
    diagonal, off_diagonal, invariance = objective.code_terms(*(1 / k + a * d for d in delta))
    traces = float((delta[0] * delta[1]).sum()) / (n * s)
    expected = (-2 * (2 * math.log(k) - 1 + lam * k) * traces, 0.0)
    for value, curvature, name in zip(
        (diagonal + lam * invariance, off_diagonal), expected, ("pull", "L_off"), strict=True
    ):
        (slope,) = torch.autograd.grad(value, a, create_graph=True, materialize_grads=True)
        second = torch.zeros_like(slope)
        if slope.requires_grad:
            (second,) = torch.autograd.grad(slope, a, retain_graph=True, materialize_grads=True)
        close(slope, 0.0, 1e3 * eps() * (1 + lam) * k, f"slope of {name}")
        close(second, curvature, 1e3 * eps() * (1 + lam) * k, f"curvature of {name}")
