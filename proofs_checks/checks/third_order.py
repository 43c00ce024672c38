"""C56: entropies of three segments at once. They see the modular triple (C21) and miss the modular quadruple.

Two segments of one view, taken together, are one segment with K^2 units; the off-diagonal term between it and a third
segment, padded to K^2 units, is minus the entropy of the three. So the objective itself measures third order.
"""

from itertools import combinations
from math import log

import dit
import numpy as np
import torch
from hypothesis import strategies as st

from musiclib import information
from proofs_checks.numbers.routes import contrast_basis
from proofs_checks.numbers.tolerance import above, at_least, close, entropy_tolerance, loss_tolerance
from proofs_checks.objective import Objective
from proofs_checks.premises import designs
from proofs_checks.premises.strategies import seeds
from proofs_checks.register import check


def taken_together(q: torch.Tensor, s: int, t: int, u: int) -> torch.Tensor:
    """Codes (N, 2, K^2): segments s and t as one, and segment u on the first K of as many units."""
    n, _, k = q.shape
    pair = torch.einsum("ni,nj->nij", q[:, s], q[:, t]).reshape(n, k * k)
    third = torch.zeros_like(pair)
    third[:, :k] = q[:, u]
    return torch.stack([pair, third], dim=1)


def third_order(objective: Objective, q1: torch.Tensor, q2: torch.Tensor) -> float:
    """Mean over all triples s < t < u of minus the entropy of P_stu, both ways round."""
    triples = list(combinations(range(q1.shape[1]), 3))
    return float(np.mean([float(objective.code_terms(*(taken_together(q, *x) for q in (q1, q2)))[1]) for x in triples]))


def quadruple(k: int) -> np.ndarray:
    """(a, b, c, a + b + c mod K): K^3 samples; any three segments are independent, the fourth is their function."""
    a, b, c = (grid.ravel() for grid in np.mgrid[:k, :k, :k])
    return np.stack([a, b, c, (a + b + c) % k], axis=1)


def mixed_moments(labels: np.ndarray, k: int) -> float:
    """sum over contrasts d, e, f of (mean_n f_d(s) f_e(t) f_f(u))^2 of three segments: HOME's third order."""
    f = np.sqrt(k) * np.eye(k)[labels] @ contrast_basis(k)
    return float(np.square(np.einsum("na,nb,nc->abc", *(f[:, s] for s in range(3))) / len(labels)).sum())


def _pairwise_only(objective: Objective) -> None:
    """The loss as it is does not see the triple."""
    q = designs.one_hot(designs.triple(3), 3)
    above(objective.code_loss(q, q.clone()), -3 * log(3), 1e-3, "pairwise loss of the triple")


@check(
    "C56",
    given={"k": st.integers(2, 5), "seed": seeds},
    kills=(
        "off_product_of_marginals",
        "off_mi_only",
        "off_gaussian_cov",
        "off_sign",
        "loss_constant",
        "joint_samples_unpaired",
    ),
    breaks_without=(("third order", _pairwise_only),),
)
def third_order_closes_the_triple(objective: Objective, k: int, seed: int) -> None:
    """c3 = c1 + c2: at the bound of the loss, and log K above the least third-order term, -2 log K of -3 log K; the
    third mixed moments of the contrasts have squared norm K - 1, where the pairwise covariances vanish. Independent
    segments reach -3 log K.

    Premises: hard invariant codes, all K^2 or K^3 rows once. Why: K^2 of K^3 cells are used, each K^-2; chi^2 of that
    law against the uniform one is K - 1, all of it of third order. Entropies are counted by `dit` for K <= 3.
    """
    labels = np.random.default_rng(seed).permutation(designs.triple(k))
    q = designs.one_hot(labels, k)
    tolerance = 2 * loss_tolerance(k**3, 3, k * k)
    close(objective.code_loss(q, q.clone()), -3 * log(k), tolerance, "loss of the triple")
    close(third_order(objective, q, q.clone()), -2 * log(k), tolerance, "third order of the triple")
    close(mixed_moments(labels, k), k - 1, 1e-11, "third mixed moments")
    free = designs.one_hot(designs.full_factorial(k, 3), k)
    close(third_order(objective, free, free.clone()), -3 * log(k), tolerance, "third order of independent segments")
    close(mixed_moments(designs.full_factorial(k, 3), k), 0.0, 1e-11, "third mixed moments of independent segments")
    if k <= 3:
        law = dit.Distribution([tuple(row) for row in labels.tolist()], [1 / len(labels)] * len(labels))
        close(dit.multivariate.entropy(law) * log(2), 2 * log(k), 1e-9, "entropy of the triple")


@check(
    "C56",
    given={"k": st.integers(2, 4), "seed": seeds},
    kills=("off_mi_only", "off_sign", "off_over_S2", "joint_samples_unpaired", "joint_view_rolled"),
    cost=4,
)
def third_order_leaves_the_quadruple(objective: Objective, k: int, seed: int) -> None:
    """c4 = c1 + c2 + c3: pairs and triples are at their least, -2 log K and -3 log K, and the fourth segment is a
    function of the others, total correlation log K, by counting. So each order sees its own dependence and none
    beyond.

    Premises: all K^3 rows once. Why: any three of the four columns show every row of three units once.
    """
    labels = np.random.default_rng(seed).permutation(quadruple(k))
    q = designs.one_hot(labels, k)
    tolerance = 2 * loss_tolerance(k**3, 4, k * k)
    close(objective.code_loss(q, q.clone()), -3 * log(k), tolerance, "loss of the quadruple")
    close(third_order(objective, q, q.clone()), -3 * log(k), tolerance, "third order of the quadruple")
    close(information.total_correlation(torch.from_numpy(labels)), log(k), 1e-12, "total correlation")


@check(
    "C56",
    given={"k": st.integers(2, 4), "n": st.integers(1, 20), "seed": seeds},
    kills=("off_product_of_marginals", "off_gaussian_cov", "phi_clamp_both", "phi_log2", "joint_samples_unpaired"),
)
def third_order_is_bounded_and_capped(objective: Objective, k: int, n: int, seed: int) -> None:
    """Any hard invariant codes: the third-order term is minus the entropy of the triples, counted, so at least -log
    min(N, K^3): a batch of N reads at most log N of 3 log K.

    Premises: hard codes. Why: at most min(N, K^3) cells are filled.
    """
    labels = np.random.default_rng(seed).integers(k, size=(n, 3))
    q = designs.one_hot(labels, k)
    value = third_order(objective, q, q.clone())
    close(value, -designs.code_entropy(labels), entropy_tolerance(n, k**4), "third-order term")
    at_least(value, -log(min(n, k**3)), entropy_tolerance(n, k**4), "third-order term over its cap")
