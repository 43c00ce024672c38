"""Section 3, shape: how the collapses are left, and what holds a code at one-hot (C15 to C19)."""

import math

import mpmath
import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from proofs_checks.checks.collapse import DEFECTS
from proofs_checks.checks.counting import inflow, slope
from proofs_checks.numbers.tolerance import above, at_least, at_most, close, eps, loss_tolerance
from proofs_checks.objective import Codes, Objective, gradients
from proofs_checks.premises import strategies
from proofs_checks.register import check

# the uniform collapse -----------------------------------------------------------------------------

DIRECTIONS = ("views agree", "views oppose", "common shift", "opposite shift", "logit shift")


def direction(family: str, n: int, s: int, k: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """A random unit direction (both views, (N, S, K)) in one eigenspace of the Hessian at z = 0."""

    def centred(x: Tensor, *axes: int) -> Tensor:
        for axis in axes:
            x = x - x.mean(axis, keepdim=True)
        return x

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    if family == "logit shift":
        first, second = (normal(n, s, 1).expand(n, s, k) for _ in range(2))
    else:
        varied = family in ("views agree", "views oppose")
        first = centred(normal(n, s, k), 0, 2) if varied else centred(normal(1, s, k), 2).expand(n, s, k)
        second = first if family in ("views agree", "common shift") else -first
    length = math.sqrt(float(first.square().sum() + second.square().sum()))
    return first / length, second / length


def curvature(family: str, k: int, lam: float) -> float:
    """The eigenvalue of C15, in units of 1 / (N S t^2 K^2)."""
    pull = 2 * math.log(k) - 1 + lam * k
    return {
        "views agree": -pull,
        "views oppose": pull,
        "common shift": 3 - 2 * math.log(k) + (1 - lam) * k,
        "opposite shift": 2 * math.log(k) - 1 + (1 + lam) * k,
        "logit shift": 0.0,
    }[family]


@check(
    "C15",
    given={
        "family": st.sampled_from(DIRECTIONS),
        "size": st.tuples(st.integers(2, 6), st.integers(2, 3), st.integers(2, 6)),
        "t": st.sampled_from([0.5, 1.0, 2.0]),
        "lam": strategies.weights,
        "seed": strategies.seeds,
    },
    kills=(
        "ti_linear",
        "ti_cross_entropy",
        "temperature_ignored",
        "temperature_inverted",
        "softmax_over_D",
        "stop_gradient",
        "diag_marginal_entropy",
        "diag_whole_block",
        "lam_ignored",
        "phi_quadratic",
    ),
    cost=2,
)
def the_uniform_collapse_is_a_strict_saddle(
    objective: Objective, family: str, size: tuple[int, int, int], t: float, lam: float, seed: int
) -> None:
    """At z = 0 the gradient vanishes and the Hessian has exactly five eigenvalues; in units of 1/(N S t^2 K^2):
    -(2 log K - 1 + lambda K) along sample-dependent directions in which the views agree, its negative where they
    oppose, 3 - 2 log K + (1 - lambda) K and 2 log K - 1 + (1 + lambda) K for common and opposite shifts of all
    samples, 0 for shifts of a segment's logits.

    Premises: N, K >= 2. So the collapse is left along view-consistent, sample-dependent signals. Why: with
    q = 1/K + delta, <q', q''> = 1/K + <delta', delta''>, the sums of P_st do not change, and phi is expanded to second
    order. The five families span all 2NSK directions; a random vector of each is an eigenvector, by autograd.
    """
    n, s, k = size
    v1, v2 = direction(family, n, s, k, strategies.generator(seed))
    z1, z2 = (torch.zeros(n, s * k, dtype=torch.float64, requires_grad=True) for _ in range(2))
    loss = objective.logit_loss(z1, z2, s, t, lam)
    first = torch.autograd.grad(loss, (z1, z2), create_graph=True, materialize_grads=True)
    unit = 1 / (n * s * t**2 * k**2)
    tolerance = 1e3 * eps() * (1 + lam) * k * max(unit, unit * t)
    for gradient in first:
        close(gradient, 0.0, tolerance * k, "gradient at the uniform collapse")
    along = (first[0] * v1.reshape(n, -1)).sum() + (first[1] * v2.reshape(n, -1)).sum()
    if along.requires_grad:
        second = torch.autograd.grad(along, (z1, z2), materialize_grads=True)
    else:  # a loss without second derivative
        second = (torch.zeros_like(z1), torch.zeros_like(z2))
    for product, v in zip(second, (v1, v2), strict=True):
        close(product, curvature(family, k, lam) * unit * v.reshape(n, -1), tolerance * k, f"curvature, {family}")


# the constant one-hot collapse --------------------------------------------------------------------


def constant_loss(margin: mpmath.mpf, k: int, lam: float) -> mpmath.mpf:
    """L of codes that are softmax(M, 0, ..., 0) for every sample, in high precision."""
    total = mpmath.exp(margin) + k - 1
    a, b = mpmath.exp(margin) / total, 1 / total
    entropies = 2 * (a * mpmath.log(a) + (k - 1) * b * mpmath.log(b))
    agreement = a**2 + (k - 1) * b**2
    diagonal = a**2 * mpmath.log(a**2) + (k - 1) * b**2 * mpmath.log(b**2)
    return diagonal + entropies - lam * mpmath.log(agreement)


@check(
    "C16",
    given={
        "margin": st.floats(8, 40, width=32),
        "size": st.tuples(st.integers(1, 5), st.integers(2, 3), st.integers(2, 8)),
        "lam": st.sampled_from([0.0, 1.0]),
    },
    kills=(
        "phi_clamp_follow_up",
        "phi_clamp_both",
        "phi_add_in_log",
        "stop_gradient",
        "gradient_bypasses_softmax",
        "phi_quadratic",
        "off_collision",
        "loss_constant",
    ),
    examples=({"margin": 20.0, "size": (3, 2, 4), "lam": 0.0}, {"margin": 30.0, "size": (3, 2, 4), "lam": 1.0}),
)
def the_one_hot_collapse_repels(objective: Objective, margin: float, size: tuple[int, int, int], lam: float) -> None:
    """All samples at z = M e_1: dL/dM = 2 (M + 1 - lambda)(K-1) e^{-M} (1 + o(1)) > 0, so descent shrinks the margin.

    Premises: any N, S >= 2, K >= 2; float64. The force is exponentially small but has the factor M of p log p; a
    clamp at 1e-8 takes most of it away from M = 18.4 on. Two routes: autograd over all logits; a derivative of the
    scalar formula in 50-digit arithmetic, and the asymptotic form within 5 %.
    """
    n, s, k = size
    z = torch.zeros(n, s, k, dtype=torch.float64)
    z[..., 0] = margin
    _, grad1, grad2 = gradients(objective, z.reshape(n, -1), z.reshape(n, -1), s, 1.0, lam)
    # over the units of a segment dL/dz sums to zero; the small entries carry the digits that the large one has lost
    force = -float((grad1 + grad2).reshape(n, s, k)[..., 1:].sum())
    with mpmath.workdps(50):
        exact = float(mpmath.diff(lambda m: constant_loss(m, k, lam), mpmath.mpf(margin)))
    close(force / exact, 1.0, 1e-6, "force against the exact derivative")
    close(
        force / (2 * (margin + 1 - lam) * (k - 1) * math.exp(-margin)), 1.0, 0.05, "force against its asymptotic form"
    )
    above(force, 0.0, 0.0, "force")


# empty cells --------------------------------------------------------------------------------------

HOLLOW = (
    "constant one-hot",
    "all segments identical",
    "units of one view relabelled",
    "segments of one view deranged",
    "one duplicated pair of segments",
    "equal groups of identical segments",
    "units never used",
)
"""Defects that leave an off-diagonal cell, or a diagonal cell of a used unit, empty."""


@check(
    "C17",
    given={
        "name": st.sampled_from(HOLLOW),
        "k": st.sampled_from([3, 4, 5]),
        "s": st.integers(2, 4),
        "seed": strategies.seeds,
    },
    kills=("phi_quadratic", "diag_marginal_entropy", "off_collision", "loss_constant", "phi_add_both", "diag_sign"),
)
def hollow_collapses_are_no_local_minima(objective: Objective, name: str, k: int, s: int, seed: int) -> None:
    """A code with an empty cell off the diagonal blocks, or an unused diagonal cell of a used unit, is no local minimum
    at lambda = 0: along q -> (1-e) q + e/K its slope is c log e + const with c > 0, which tends to minus infinity.

    Premises: one-hot codes, S >= 2. This covers constant, identical, duplicated, relabelled and deranged codes. Why:
    C10's slope; c is counted. Soft local minima next to them are another matter (C18).
    """
    defect = DEFECTS[name](k, s, np.random.default_rng(seed))
    c = inflow(defect.q1.numpy(), defect.q2.numpy())
    assert c > 0, f"{name} has no empty cell"
    n, segments, units = defect.q1.shape
    large, small = 1e-4, 1e-7
    change = slope(objective, defect.q1, defect.q2, large, 0.0) - slope(objective, defect.q1, defect.q2, small, 0.0)
    remainder = 20 * n * large * math.log(1 / large)
    rounding = 2 * loss_tolerance(n, segments, units) / small
    close(change, c * math.log(large / small), remainder + rounding, "change of the slope")


@check(
    "C17",
    "C19",
    given={"codes": strategies.orthogonal(k=(3, 4, 5, 7)), "lam": strategies.weights},
    kills=(
        "diag_marginal_entropy",
        "diag_renormalised",
        "diag_no_1_over_S",
        "off_unmasked",
        "ti_sum_segments",
        "lam_ignored",
    ),
)
def the_orthogonal_code_resists_smoothing(objective: Objective, codes: Codes, lam: float) -> None:
    """At the optimum the slope along q -> (1-e) q + e/K is +2 (1 - 1/K)(log K - 1 + lambda): each unit of lost
    agreement costs kappa = log K - 1 + lambda nats, and only the diagonal and the invariance term charge it.

    Premises: an orthogonal array, K >= 3. Why: 1 - tau = 2 e (1 - 1/K) + O(e^2); P_st stays uniform, so the
    off-diagonal term does not move at all.
    """
    e, k = 1e-6, codes.k
    rounding = 2 * loss_tolerance(codes.n, codes.s, k, lam=lam) / e
    got = slope(objective, codes.q1, codes.q2, e, lam)
    # second order: the diagonal cells are 1/K, so phi'' = K; agreement has curvature 2 (1 - 1/K)
    close(got, 2 * (1 - 1 / k) * (math.log(k) - 1 + lam), 20 * (1 + lam) * k * e + rounding, "slope at the optimum")
    softer = strategies.smooth(codes.q1, 0.3)
    off_diagonal = objective.code_terms(softer, softer)[1]
    close(off_diagonal, -2 * math.log(k), loss_tolerance(codes.n, codes.s, k), "off_diagonal of the softened code")


# softness -----------------------------------------------------------------------------------------


@check(
    "C19",
    given={"codes": strategies.codes(), "seed": strategies.seeds, "mixtures": st.integers(1, 4), "view": st.booleans()},
    kills=("off_sign", "off_symmetrised"),
)
def smoothing_the_units_of_a_view_never_raises_the_off_term(
    objective: Objective, codes: Codes, seed: int, mixtures: int, view: bool
) -> None:
    """L_off does not rise when the units of one view are mixed by a doubly stochastic matrix, another in every segment.

    Premises: any codes. So the off-diagonal term always (weakly) rewards softness. Why: such a matrix is a mixture of
    permutations (Birkhoff); a permutation leaves the entropy of P_st alone, and entropy is concave.
    """
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(mixtures), size=codes.s)
    mixing = np.zeros((codes.s, codes.k, codes.k))
    for s in range(codes.s):
        for share in shares[s]:
            mixing[s] += share * np.eye(codes.k)[rng.permutation(codes.k)]
    mixed = torch.einsum("nsi,sij->nsj", codes.q1 if view else codes.q2, torch.from_numpy(mixing))
    views = (mixed, codes.q2) if view else (codes.q1, mixed)
    before, after = objective.code_terms(codes.q1, codes.q2)[1], objective.code_terms(*views)[1]
    at_most(after, before, 2 * loss_tolerance(codes.n, codes.s, codes.k), "off_diagonal after smoothing")


@check(
    "C19",
    given={"codes": strategies.codes(k=(2, 6)), "keep": st.integers(0, 5), "view": st.booleans()},
    kills=("off_sign", "off_product_of_marginals", "off_gaussian_cov", "off_mi_only", "loss_constant"),
)
def merging_units_never_lowers_the_off_term(objective: Objective, codes: Codes, keep: int, view: bool) -> None:
    """Moving all weight of one unit of a view onto another, in every segment, lowers no L_off; and the loss of entropy
    is what a loop over the two columns finds.

    Premises: any codes. Why: entropy does not grow under a function of the outcome.
    """
    source, target = keep % codes.k, (keep + 1) % codes.k
    changed = (codes.q1 if view else codes.q2).clone()
    changed[..., target] += changed[..., source]
    changed[..., source] = 0
    views = (changed, codes.q2) if view else (codes.q1, changed)
    before, after = objective.code_terms(codes.q1, codes.q2)[1], objective.code_terms(*views)[1]
    tolerance = 2 * loss_tolerance(codes.n, codes.s, codes.k)
    at_least(after, before, tolerance, "off_diagonal after merging")
    q1, q2 = (codes.q1, codes.q2) if view else (codes.q2, codes.q1)
    rise = 0.0
    for s in range(codes.s):
        for t in range(codes.s):
            if s != t:
                for j in range(codes.k):
                    p, r = (float((q1[:, s, i] * q2[:, t, j]).mean()) for i in (source, target))
                    rise += sum(sign * x * math.log(x) for sign, x in ((1, p + r), (-1, p), (-1, r)) if x > 0)
    close(after - before, rise / (codes.s * (codes.s - 1)), tolerance, "rise of off_diagonal")


# local minima -------------------------------------------------------------------------------------


def descend(objective: Objective, seed: int, k: int, s: int, lam: float, scale: float) -> tuple[Tensor, Tensor, float]:
    """L-BFGS on free logits of N = K^2 samples, both views, from a normal start; (z1, z2, loss)."""
    g = strategies.generator(seed)
    z = [scale * torch.randn(k * k, s * k, generator=g, dtype=torch.float64) for _ in range(2)]
    z = [x.requires_grad_() for x in z]
    optimiser = torch.optim.LBFGS(z, lr=1, max_iter=150, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = objective.logit_loss(*z, s, 1.0, lam)
        loss.backward()
        return loss

    optimiser.step(closure)
    with torch.no_grad():
        return z[0].detach(), z[1].detach(), float(objective.logit_loss(*z, s, 1.0, lam))


def least_curvature(objective: Objective, z1: Tensor, z2: Tensor, s: int, lam: float) -> float:
    """The smallest eigenvalue of the Hessian in the logits of both views."""
    n, d = z1.shape

    def loss(z: Tensor) -> Tensor:
        return objective.logit_loss(z[: n * d].reshape(n, d), z[n * d :].reshape(n, d), s, 1.0, lam)

    hessian = torch.autograd.functional.hessian(loss, torch.cat([z1.flatten(), z2.flatten()]))
    return float(torch.linalg.eigvalsh(hessian)[0])


@check("C18", kills=("loss_constant", "loss_zero", "diag_sign"), cost=25)
def soft_local_minima_exist(objective: Objective) -> None:
    """Numerical: K = 3, S = 3, N = 9, lambda = 1: L-BFGS on free logits can end in a soft local minimum, 0.05 or more
    above -3 log 3 (which an orthogonal array attains): gradient below 1e-5 everywhere and no Hessian eigenvalue below
    -1e-5, where the uniform saddle has -0.017.

    Premises: free logits, one of three pinned starts, double precision; no claim about networks or about how often.
    """
    found = []
    for seed in (1, 0, 3):
        z1, z2, loss = descend(objective, seed, 3, 3, 1.0, 1.0)
        at_least(loss, -3 * math.log(3), 1e-9, "loss at the end of the descent")
        _, *both = gradients(objective, z1, z2, 3, 1.0, 1.0)
        steepest = max(float(x.abs().max()) for x in both)
        gap = loss + 3 * math.log(3)
        if gap > 0.05 and steepest < 1e-5 and least_curvature(objective, z1, z2, 3, 1.0) > -1e-5:
            found.append((seed, gap))
            break
    assert found, "every start left the soft region"
    assert 0.05 < found[0][1] < 1, f"gap {found[0][1]}"
