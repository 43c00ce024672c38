"""Section 1: the bound -3 log K, what it takes to reach it, and by how much other codes miss it (C1, C4, C5).

In short, with tau = mean <q', q''> the agreement of the two views and kappa = log K - 1 + lambda,

    L + 3 log K  >=  kappa (1 - tau)  +  mean over s != t of KL(P_st || uniform),

and everything the paper promises at the optimum (one-hot, invariant, balanced, pairwise independent) is read off it.
"""

import math

import numpy as np
import torch
from hypothesis import strategies as st

from proofs_checks.numbers.tolerance import at_least, at_most, close, entropy_tolerance, loss_tolerance
from proofs_checks.objective import Codes, Objective
from proofs_checks.premises import designs, designs_soft, strategies
from proofs_checks.register import check


def agreements(codes: Codes) -> np.ndarray:
    """tau_s = mean_n <q'_n(s), q''_n(s)>, (S,), in numpy."""
    return (codes.q1.numpy() * codes.q2.numpy()).sum(-1).mean(0)


def distances_from_uniform(codes: Codes) -> list[float]:
    """KL(P_st || uniform) of every pair s != t, block by block."""
    q1, q2 = codes.q1.numpy(), codes.q2.numpy()
    values = []
    for s in range(codes.s):
        for t in range(codes.s):
            if s != t:
                cells = (q1[:, s].T @ q2[:, t]).ravel() / codes.n
                seen = cells[cells > 0]
                values.append(float(np.sum(seen * (np.log(seen) + 2 * math.log(codes.k)))))
    return values


def first_segment(codes: Codes) -> Codes:
    """The first segment alone."""
    return Codes(codes.q1[:, :1].contiguous(), codes.q2[:, :1].contiguous(), f"first segment of {codes.label}")


def _below_at_two_units(objective: Objective) -> None:
    soft = designs_soft.soft_minimiser(designs.bush(2))
    at_least(objective.code_loss(soft, soft), -3 * math.log(2), 1e-9, "loss")


@check(
    "C1",
    given={"codes": strategies.codes(k=(3, 6), s=(1, 4)), "lam": strategies.weights},
    kills=("diag_sign", "diag_no_1_over_S", "off_sign", "off_mi_only", "joint_over_Nm1", "phi_log2", "phi_add_both"),
    breaks_without=(("K >= 3, or lambda >= 1 - log 2", _below_at_two_units),),
)
def no_code_lies_below_three_log_k(objective: Objective, codes: Codes, lam: float) -> None:
    """0 >= off_diagonal >= -2 log K, invariance >= 0, 0 >= diagonal >= -log K, so L >= -3 log K (S = 1: -log K).

    Premises: any codes on the closed simplex, any N, K >= 3, any lambda >= 0. Why: an entropy of K^2 cells lies in
    [0, 2 log K]; the K numbers P_ss(i,i) sum to tau <= 1, so by Jensen their sum of p log p is at least
    tau log(tau / K), and that is at least -log K for tau <= 1 <= K / e.
    """
    diagonal, off_diagonal, invariance = objective.code_terms(codes.q1, codes.q2)
    log_k, tolerance = math.log(codes.k), loss_tolerance(codes.n, codes.s, codes.k)
    jensen = math.fsum(tau * (math.log(tau) - log_k) for tau in agreements(codes) if tau > 0) / codes.s
    at_least(diagonal, jensen, tolerance, "diagonal")
    at_least(diagonal, -log_k, tolerance, "diagonal")
    at_most(diagonal, 0.0, tolerance, "diagonal")
    at_least(off_diagonal, -2 * log_k, tolerance, "off_diagonal")
    at_most(off_diagonal, 0.0, tolerance, "off_diagonal")
    at_least(invariance, 0.0, tolerance, "invariance")
    bound = -3 * log_k if codes.s > 1 else -log_k
    at_least(objective.code_loss(codes.q1, codes.q2, lam), bound, tolerance, "loss")


@check(
    "C1",
    given={"codes": strategies.codes(k=(1, 1), s=(1, 3)), "lam": strategies.weights},
    kills=("joint_over_Nm1", "phi_add_both", "phi_add_in_log"),
    cost=2,
)
def one_unit_carries_nothing(objective: Objective, codes: Codes, lam: float) -> None:
    """K = 1: L = 0 for all codes, the bound -3 log 1. Why: every code is the number one, every P is one."""
    close(objective.code_loss(codes.q1, codes.q2, lam), 0.0, loss_tolerance(codes.n, codes.s, 2), "loss")


@check(
    "C1",
    "C7",
    given={"codes": strategies.orthogonal(), "lam": strategies.weights},
    kills=("joint_view_rolled", "joint_samples_unpaired", "off_unmasked", "off_over_S2", "phi_add_in_log"),
)
def orthogonal_arrays_attain_the_bound(objective: Objective, codes: Codes, lam: float) -> None:
    """One-hot, view-invariant codes whose labels form an orthogonal array have L = -3 log K, term by term.

    Premises: every pair of units of two different segments occurs N / K^2 times (counted in `designs.bush`); any
    lambda. Why: P_st is uniform on K^2 cells, P_ss is the identity over K, and <q', q''> = 1.
    """
    terms = objective.code_terms(codes.q1, codes.q2)
    log_k, tolerance = math.log(codes.k), loss_tolerance(codes.n, codes.s, codes.k)
    for got, want, name in zip(terms, (-log_k, -2 * log_k, 0.0), ("diagonal", "off", "invariance"), strict=True):
        close(got, want, tolerance, name)
    close(objective.code_loss(codes.q1, codes.q2, lam), -3 * log_k, tolerance, "loss")


@check(
    "C1",
    "W13",
    given={
        "codes": strategies.orthogonal(k=(3, 4, 5)),
        "margin": st.floats(0.5, 10.0, width=32),
        "t": st.sampled_from([0.5, 1.0, 2.0]),
        "noise": st.sampled_from([0.0, 0.0, 0.1, 1.0]),
        "seed": strategies.seeds,
    },
    kills=("loss_constant", "temperature_ignored", "temperature_inverted", "lam_ignored", "off_unmasked"),
)
def finite_logits_stay_above_the_bound(
    objective: Objective, codes: Codes, margin: float, t: float, noise: float, seed: int
) -> None:
    """With logits in [-M t, M t], L + 3 log K >= kappa b, b = (K-1) e^{-2M} / (1 + (K-1) e^{-2M}): strictly positive.

    Premises: K >= 3, any lambda >= 0 (here 1, so kappa = log K). Why: a softmax of such logits has no entry above
    1 - b, so no view agrees with another more than that, and C5 charges kappa for what is missing. The infimum is
    approached, never attained; the codes drawn here are those that come nearest, on an orthogonal array, disturbed.
    """
    g = strategies.generator(seed)
    views = []
    for q in (codes.q1, codes.q2):
        z = (2 * q - 1) * margin + noise * torch.randn(q.shape, generator=g, dtype=torch.float64)
        views.append(t * z.clamp(-margin, margin).reshape(codes.n, -1))
    missing = (codes.k - 1) * math.exp(-2 * margin)
    missing = missing / (1 + missing)
    loss = objective.logit_loss(*views, codes.s, t, 1.0)
    tolerance = loss_tolerance(codes.n, codes.s, codes.k, magnitude=margin, lam=1.0, invariance=2 * margin)
    at_least(loss, -3 * math.log(codes.k) + math.log(codes.k) * missing, tolerance, "loss")


@check(
    "C4",
    given={
        "codes": strategies.codes(kinds=strategies.SOFT, n=(2, 8)),
        "lam": strategies.weights,
    },
    kills=("ti_sum_segments", "ti_linear", "ti_log_of_mean", "diag_marginal_entropy", "diag_renormalised", "diag_sign"),
)
def agreement_is_priced_by_class_size(objective: Objective, codes: Codes, lam: float) -> None:
    """d S(L_diag + lambda L_ti) / d(q'_n(i) q''_n(i)) = (log P_ss(i,i) + 1)/N - lambda/(N <q'_n, q''_n>).

    Hence it is at most (log P_ss(i,i) + 1 - lambda)/N, and never positive for lambda >= 1: no agreement is penalised.
    Premises: any positive codes. Why: chain rule; <q', q''> <= 1. Here the derivative is autograd's with respect to
    q', divided by q''; the right side is a loop's.
    """
    q1 = codes.q1.clone().requires_grad_()
    diagonal, _, invariance = objective.code_terms(q1, codes.q2)
    (slope,) = torch.autograd.grad(codes.s * (diagonal + lam * invariance), q1, materialize_grads=True)
    products = codes.q1.numpy() * codes.q2.numpy()
    log_p = np.log(products.mean(0))  # (S, K)
    price = slope.numpy() * codes.n / codes.q2.numpy()
    expected = np.empty_like(price)
    for n in range(codes.n):
        for s in range(codes.s):
            expected[n, s] = log_p[s] + 1 - lam / products[n, s].sum()
    scale = float(np.abs(log_p).max() + 1 + lam * (1 / products.sum(-1)).max())
    tolerance = 1e3 * np.finfo(float).eps * (codes.n + codes.k) * scale
    close(price, expected, tolerance, "price of agreement")
    at_most(price, log_p + 1 - lam, tolerance, "price of agreement")
    at_most(price - max(1 - lam, 0.0), 0.0, tolerance, "price of agreement beyond 1 - lambda")


def torn_slope(
    objective: Objective, counts: tuple[int, int, int], torn: int, lam: float, h: float
) -> tuple[float, float, float]:
    """((L(h) - L(0)) / h, share of unit 0's agreement in all samples, in the agreeing mass): `counts` samples a unit
    whose views agree, and `torn` samples of unit 1 whose second view splits evenly between units 1 and 2; h is taken
    from the agreement of unit 0."""
    labels = np.repeat(np.arange(3), (counts[0], counts[1] + torn, counts[2]))
    q1 = designs.one_hot(labels[:, None], 3)
    start = q1.clone()
    start[counts[0] : counts[0] + torn, 0] = torch.tensor([0.0, 0.5, 0.5])
    moved = start.clone()
    moved[: counts[0], 0, 0] -= h
    moved[: counts[0], 0, 1] += h
    slope = float(objective.code_loss(q1, moved, lam) - objective.code_loss(q1, start, lam)) / h
    agreeing = len(labels) - torn / 2
    return slope, counts[0] / len(labels), counts[0] / agreeing


def _of_the_agreeing_mass(objective: Objective) -> None:
    """The share of the agreeing mass in the place of the share of all samples."""
    slope, _, share = torn_slope(objective, (4, 0, 0), 8, 0.0, 1e-5)
    close(np.sign(slope), -np.sign(math.log(share) + 1), 0.0, "sign of the price, by the agreeing mass")


@check(
    "C4",
    given={
        "counts": st.tuples(st.integers(1, 12), st.integers(0, 12), st.integers(0, 12)),
        "torn": st.integers(0, 12),
        "lam": st.floats(0.0, 2.0, width=32, allow_subnormal=False),
    },
    kills=("lam_ignored", "ti_always", "diag_renormalised", "phi_log2", "phi_quadratic", "diag_marginal_entropy"),
    breaks_without=(("p is the share of all samples", _of_the_agreeing_mass),),
    examples=({"counts": (4, 0, 0), "torn": 8, "lam": 0.0},),
)
def large_units_are_pushed_to_disagree(
    objective: Objective, counts: tuple[int, int, int], torn: int, lam: float
) -> None:
    """Taking a share h of agreement from a unit that holds the agreement of a share p of ALL samples changes L by -p
    (log p + 1 - lambda) h + O(h^2).

    So below lambda = 1 a unit in which more than e^{lambda-1} of the samples agree (36.8 % at lambda = 0) gains by
    disagreeing, for every K. Premises: one segment, one-hot first view; `counts` samples a unit agree, `torn` others
    agree by half elsewhere; the second view moves h of its weight off the unit. Why: phi(p(1-h)) - phi(p) + lambda p
    (-log(1-h)), and nothing else changes.
    """
    h = 1e-5
    slope, p, _ = torn_slope(objective, counts, torn, lam, h)
    # second-order terms: phi'' = 1/p gives p h / 2, the logarithm lambda p h / 2; rounding: 1e-14 / h
    close(slope, -p * (math.log(p) + 1 - lam), (1 + lam) * h + 1e-14 / h, "slope")


@check(
    "C5",
    "C1",
    given={"codes": strategies.near_optimal() | strategies.codes(k=(2, 6)), "lam": strategies.weights},
    kills=(
        "off_same_view",
        "off_upper_only",
        "off_symmetrised",
        "diag_marginal_entropy",
        "phi_log2",
        "off_collision",
        "lam_ignored",
    ),
    breaks_without=(("kappa >= 0", lambda objective: _charged_for_disagreement(objective, _soft_at_two_units(), 0.0)),),
)
def the_gap_pays_for_every_defect(objective: Objective, codes: Codes, lam: float) -> None:
    """L + 3 log K >= kappa (1 - tau) + mean_{s != t} KL(P_st || uniform), kappa = log K - 1 + lambda.

    Therefore a gap of eps leaves, if kappa > 0: mean (1 - <q', q''>) <= eps/kappa, mean |q' - q''|^2 <= 2 eps/kappa,
    mean (1 - max q) <= eps/kappa, mean |P_st - 1/K^2|_1 <= sqrt(2 eps). Premises: any codes, kappa >= 0 (K >= 3, or
    K = 2 with lambda >= 1 - log 2). Why: tau log(tau/K) - lambda log tau >= -log K + kappa (1 - tau), from
    tau log tau >= -(1 - tau) and -log tau >= 1 - tau; then <q', q''> <= max q, |q' - q''|^2 <= 2 (1 - <q', q''>),
    and Pinsker.
    """
    if math.log(codes.k) - 1 + lam < 0:
        lam = lam + 1  # K = 2 needs the invariance term: kappa = log 2 - 1 + lambda
    _charged_for_disagreement(objective, codes, lam)


def _soft_at_two_units() -> Codes:
    soft = designs_soft.soft_minimiser(designs.bush(2))
    return Codes(soft, soft)


def _charged_for_disagreement(objective: Objective, codes: Codes, lam: float) -> None:
    kappa = math.log(codes.k) - 1 + lam
    diagonal, off_diagonal, invariance = (float(term) for term in objective.code_terms(codes.q1, codes.q2))
    gap = float(objective.code_loss(codes.q1, codes.q2, lam)) + 3 * math.log(codes.k)
    tau, divergences = agreements(codes), distances_from_uniform(codes)
    surprise = invariance if lam and math.isfinite(invariance) else 0.0
    tolerance = loss_tolerance(codes.n, codes.s, codes.k, lam=lam, invariance=surprise)
    at_least(gap, kappa * (1 - tau.mean()) + np.mean(divergences), tolerance, "gap")
    # the two halves by themselves, so that no surplus of one hides a lack of the other
    at_least(off_diagonal + 2 * math.log(codes.k), np.mean(divergences), tolerance, "off-diagonal part of the gap")
    at_most(off_diagonal + 2 * math.log(codes.k), np.mean(divergences), tolerance, "off-diagonal part of the gap")
    at_least(diagonal + math.log(codes.k), (kappa - lam) * (1 - tau.mean()), tolerance, "diagonal part of the gap")
    eps = gap + tolerance
    q1, q2 = codes.q1.numpy(), codes.q2.numpy()
    at_least(2 * eps, kappa * np.square(q1 - q2).sum(-1).mean(), 0.0, "twice the gap, for the distance of the views")
    for q in (q1, q2):
        at_least(eps, kappa * (1 - q.max(-1).mean()), 0.0, "gap, for codes that are not one-hot")
    joints = np.einsum("nsi,ntj->stij", q1, q2) / codes.n
    l1 = [np.abs(joints[s, t] - codes.k**-2).sum() for s in range(codes.s) for t in range(codes.s) if s != t]
    at_least(math.sqrt(2 * max(eps, 0.0)), np.mean(l1), 0.0, "sqrt(2 gap), for unevenness")


@check(
    "C5",
    given={"codes": strategies.near_optimal(k=(3, 7)).map(first_segment) | strategies.codes(k=(3, 6), s=(1, 1))},
    kills=("joint_view_rolled", "joint_samples_unpaired", "diag_marginal_entropy", "diag_renormalised", "phi_log2"),
)
def agreement_carries_information(objective: Objective, codes: Codes) -> None:
    """Fano: I(P_ss) >= H(marginal) - h(d) - d log(K-1), d = 1 - tau <= (L_diag + log K)/(log K - 1).

    Premises: K >= 3, any codes. Why: P_ss is the law of two codes sampled for the two views of a sample, d the
    probability that they differ; Fano's inequality; C1's bound on the diagonal.
    """
    joint = objective.joint(codes.q1, codes.q2)[0, 0].numpy()
    d = 1 - float(np.trace(joint))
    diagonal = float(objective.code_terms(codes.q1, codes.q2)[0])
    tolerance = 4 * entropy_tolerance(codes.n, codes.k**2)
    close(d, 1 - agreements(codes)[0], tolerance, "disagreement")
    at_least(diagonal + math.log(codes.k), (math.log(codes.k) - 1) * d, tolerance, "diagonal part of the gap")

    def entropy(p: np.ndarray) -> float:
        return -math.fsum(x * math.log(x) for x in p.ravel() if x > 0)

    information = entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint)
    fano = entropy(joint.sum(1)) - entropy(np.array([d, 1 - d])) - max(d, 0.0) * math.log(codes.k - 1)
    at_least(information, fano, tolerance, "information between the views")
