"""C48 and C50: sample-contrastive against dimension-contrastive criteria, and what TWIST and IIC minimise."""

from math import log

import numpy as np
import torch
from hypothesis import strategies as st

from proofs_checks.checks.relations import block_information
from proofs_checks.numbers.routes import contrast_basis, contrasts
from proofs_checks.numbers.tolerance import above, at_least, close, loss_tolerance
from proofs_checks.objective import Codes, Objective
from proofs_checks.premises import designs, strategies
from proofs_checks.premises.labels import Table, arrays, tables
from proofs_checks.register import check

# C48 ----------------------------------------------------------------------------------------------


def gram_of_dimensions(objective: Objective, q: torch.Tensor) -> np.ndarray:
    """F^T F, side S (K-1), from the objective's joint of a view with itself: N K U^T P_st U block by block."""
    n, s, k = q.shape
    helmert = contrast_basis(k)
    joint = objective.joint(q, q.clone()).numpy()
    return n * k * np.einsum("ia,stij,jb->satb", helmert, joint, helmert).reshape(s * (k - 1), -1)


def off_square(gram: np.ndarray) -> float:
    """Sum of the squared entries off the diagonal."""
    return float(np.square(gram).sum() - np.square(np.diag(gram)).sum())


def _soft_norms(objective: Objective) -> None:
    """Soft codes have samples of other norms, and the two criteria differ by more than a constant."""
    q = strategies.smooth(designs.one_hot(designs.bush(3), 3), 0.3)
    close(np.square(contrasts(q)).sum(1), 4 * 2, 1e-9, "norms of soft samples")


@check(
    "C48",
    given={"codes": strategies.codes(kinds=("soft", "peaked", "hard", "mixed", "tied"), n=(1, 12))},
    kills=("joint_view_rolled", "joint_samples_unpaired", "joint_over_Nm1"),
    breaks_without=(("hard codes, for constant norms", _soft_norms),),
)
def two_contrastive_criteria_differ_by_norms(objective: Objective, codes: Codes) -> None:
    """Whitened codes F (N, S(K-1)) of one view: sum_{d != e} (F^T F)_de^2 + sum_d |F_d|^4 = sum_{n != m} (F F^T)_nm^2 +
    sum_n |f_n|^4, and |f_n|^2 = sum_s (K |q_n(s)|^2 - 1), which is S(K-1) for a hard code and less for any other.

    Premises: any codes. Why: |F^T F|^2 = |F F^T|^2. The left side comes from the objective's joint, the right side from
    the samples.
    """
    q = codes.q1
    f, across = contrasts(q), gram_of_dimensions(objective, q)
    among = f @ f.T
    norms = codes.k * np.square(q.numpy()).sum(-1).sum(1) - codes.s
    side = codes.s * (codes.k - 1)
    tolerance = 1e-13 * (codes.n * side) ** 2
    close(np.diag(among), norms, 1e-12 * side, "norms of the samples")
    at_least(side, norms, 1e-12 * side, "norm of a hard sample over the norms")
    left = off_square(across) + float(np.square(np.diag(across)).sum())
    close(left, off_square(among) + float(np.square(norms).sum()), tolerance, "criteria with their norms")


@check(
    "C48",
    given={"array": arrays()},
    kills=("joint_view_rolled", "joint_samples_unpaired", "joint_over_Nm1", "off_unmasked", "off_mi_only"),
)
def at_the_bound_both_criteria_are_least(objective: Objective, array: Table) -> None:
    """Orthogonal arrays: the dimensions' criterion is 0, every dimension has norm^2 N, and the samples' criterion is N
    R (N - R), R = S(K-1), the least that N vectors of norm^2 R in R dimensions allow (Welch); at N = R + 1 that is the
    regular simplex of C38.

    Premises: the bound attained. Why: the identity; sum_nm <f_n, f_m>^2 >= (sum_n |f_n|^2)^2 / R by Cauchy-Schwarz.
    """
    n, s = array.labels.shape
    q, side = array.codes, s * (array.k - 1)
    close(objective.code_loss(q, q.clone()), -3 * log(array.k), array.tolerance(), "loss")
    across, f = gram_of_dimensions(objective, q), contrasts(q)
    close(across, n * np.eye(side), 1e-11 * n, "Gram of the dimensions")
    close(off_square(f @ f.T), n * side * (n - side), 1e-11 * (n * side) ** 2, "criterion of the samples")


# C50 ----------------------------------------------------------------------------------------------


def twist(q1: np.ndarray, q2: np.ndarray) -> float:
    """Consistency + sharpness - diversity of one segment (N, K): mean KL(q' || q'') both ways, mean entropy of the
    codes, minus the entropy of their mean; each averaged over the views."""

    def entropy(p: np.ndarray) -> np.ndarray:
        return -(p * np.log(np.maximum(p, 1e-300))).sum(-1)

    def divergence(p: np.ndarray, r: np.ndarray) -> float:
        return float((p * (np.log(np.maximum(p, 1e-300)) - np.log(np.maximum(r, 1e-300)))).sum(-1).mean())

    consistency = (divergence(q1, q2) + divergence(q2, q1)) / 2
    return consistency + sum(float(entropy(q).mean() - entropy(q.mean(0))) for q in (q1, q2)) / 2


@check(
    "C50",
    given={"table": tables(k=(3, 5), s=(1, 1), n=(3, 10)), "copies": st.integers(1, 2), "balanced": st.booleans()},
    kills=(
        "diag_whole_block",
        "diag_renormalised",
        "diag_sign",
        "loss_constant",
        "phi_quadratic",
        "diag_marginal_entropy",
    ),
)
def one_segment_has_the_minimisers_of_twist(objective: Objective, table: Table, copies: int, balanced: bool) -> None:
    """S = 1, K >= 3: hard codes alike in both views are at -log K on TWIST's sum exactly if they are at -log K on
    L_diag, exactly if they are balanced; and a soft or disagreeing code is above -log K on both, by its own entropy
    and by kappa (1 - tau).

    Premises: unit weights of TWIST's three terms. Why: each of the three is bounded by its own minimum; C1 for S = 1.
    """
    k = table.k
    labels = np.repeat(np.arange(k), copies)[:, None] if balanced else table.labels
    q = designs.one_hot(labels, k)
    even = len(set(np.bincount(labels[:, 0], minlength=k).tolist())) == 1
    tolerance = loss_tolerance(len(labels), 1, k)
    theirs, ours = twist(q[:, 0].numpy(), q[:, 0].numpy()), float(objective.code_terms(q, q.clone())[0])
    for value, name in ((theirs, "TWIST"), (ours, "diagonal term")):
        at_least(value, -log(k), tolerance, name)
        assert (value < -log(k) + 1e-9) == even, f"{name} is at its least, or not, against the count"
    softer, other = strategies.smooth(q, 0.2), q.roll(1, -1)
    tau = float((softer * q).sum(-1).mean())
    close(tau, 0.8 + 0.2 / k, 1e-12, "agreement")
    at_least(objective.code_terms(softer, q)[0] + log(k), (log(k) - 1) * (1 - tau), tolerance, "soft second view")
    above(twist(softer[:, 0].numpy(), softer[:, 0].numpy()), -log(k), 0.1, "TWIST of soft codes")
    above(twist(q[:, 0].numpy(), other[:, 0].numpy()), -log(k), 1.0, "TWIST of views that disagree")
    close(objective.code_terms(q, other)[0], 0.0, tolerance, "diagonal term of views that disagree")


@check(
    "C50",
    given={"k": st.integers(3, 7), "s": st.integers(2, 5), "copies": st.integers(1, 2)},
    kills=("off_sign", "off_product_of_marginals", "off_gaussian_cov", "loss_constant", "loss_zero", "off_unmasked"),
)
def they_do_not_mind_identical_segments(objective: Objective, k: int, s: int, copies: int) -> None:
    """S identical balanced hard segments: TWIST's sum is -log K and IIC's information log K in every segment, their
    best values, and an invariance loss reads 0; this loss is log K above its bound, all of it in the off-diagonal
    term.

    Premises: K >= 3, S >= 2. Why: their terms are sums over segments; the off-diagonal term alone looks at two of
    them.
    """
    q = designs.one_hot(np.tile(np.arange(k), copies)[:, None].repeat(s, 1), k)
    joint = objective.joint(q, q.clone()).numpy()
    for segment in range(s):
        code = q[:, segment].numpy()
        close(twist(code, code), -log(k), 1e-12, "TWIST of a segment")
        close(block_information(joint[segment, segment]), log(k), 1e-12, "IIC of a segment")
    diagonal, off_diagonal, invariance = objective.code_terms(q, q.clone())
    tolerance = loss_tolerance(len(q), s, k, lam=1.0)
    close(invariance, 0.0, tolerance, "invariance")
    close(diagonal, -log(k), tolerance, "diagonal term")
    close(off_diagonal + 2 * log(k), log(k), tolerance, "what the off-diagonal term charges")
