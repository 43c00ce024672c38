"""C37 to C39: the loss beside contrastive, spectral and InfoMax objectives. What is an identity, what only a bound."""

from math import log

import numpy as np
import torch
from hypothesis import strategies as st
from scipy.stats import entropy

from proofs_checks.numbers import constants
from proofs_checks.numbers.routes import agreements, contrast_basis, contrasts, off_pairs, relative_entropy
from proofs_checks.numbers.tolerance import at_least, at_most, close, entropy_tolerance, loss_tolerance
from proofs_checks.objective import Codes, Objective
from proofs_checks.premises import designs
from proofs_checks.premises.labels import Table, tables
from proofs_checks.premises.strategies import codes, hard_codes, seeds
from proofs_checks.register import check

# C37 ----------------------------------------------------------------------------------------------


def contrastive_off_term(codes: Codes) -> float:
    """mean over s != t and n of log( mean_m k'_s(n, m) k''_t(n, m) ): an InfoNCE denominator with a product kernel."""
    first, second = agreements(codes.q1), agreements(codes.q2)
    return float(np.mean([np.log((first[s] * second[t]).mean(1)).mean() for s, t in off_pairs(codes.s)]))


@check(
    "C37",
    given={"codes": hard_codes(n=(1, 30))},
    kills=("off_upper_only", "off_symmetrised", "off_same_view", "off_collision", "joint_view_rolled"),
)
def hard_codes_make_the_off_term_contrastive(objective: Objective, codes: Codes) -> None:
    """One-hot codes: L_off = mean over s != t and n of log mean_m k'_s(n,m) k''_t(n,m), k the agreement indicator,
    all samples being negatives: sample n's cell of P_st holds exactly the samples that agree with it in both. Exact,
    for any pairing of views."""
    expected = contrastive_off_term(codes)
    close(
        objective.code_terms(codes.q1, codes.q2)[1],
        expected,
        loss_tolerance(codes.n, codes.s, codes.k),
        "off-diagonal term",
    )


@check(
    "C37",
    given={"table": tables(n=(1, 25))},
    kills=("off_collision", "joint_view_rolled", "off_sign", "diag_sign", "phi_quadratic"),
)
def invariant_hard_codes_make_the_loss_infonce(objective: Objective, table: Table) -> None:
    """Invariant one-hot codes: L_diag + L_off = InfoNCE of k_s (mean over s) + InfoNCE of k_s k_t (mean over pairs) -
    2 log N, where InfoNCE = -mean_n log( k(n,n) / sum_m k(n,m) )."""
    n, s = table.labels.shape
    same = [table.labels[:, [a]] == table.labels[:, a] for a in range(s)]
    single = np.mean([np.log(same[a].sum(1)).mean() for a in range(s)])
    pair = np.mean([np.log((same[a] & same[b]).sum(1)).mean() for a, b in off_pairs(s)])
    q = table.codes
    close(objective.code_loss(q, q.clone()), single + pair - 2 * log(n), table.tolerance(), "loss as two InfoNCE")


@check(
    "C37",
    given={"codes": codes()},
    kills=("off_upper_only", "off_same_view", "off_collision", "joint_view_rolled", "off_sign"),
)
def soft_codes_are_only_bounded_by_contrast(objective: Objective, codes: Codes) -> None:
    """Any codes: L_off <= the contrastive expression with soft agreements <= log mean ||P_st||^2, and the sum of
    squared norms is two Grams of the batch: sum_{s != t} ||P_st||^2 = mean_nm [ (sum_s k'_s)(sum_t k''_t) - sum_s
    k'_s k''_s ]. No equality claimed."""
    first, second = agreements(codes.q1), agreements(codes.q2)
    tolerance = 2 * entropy_tolerance(codes.n, codes.k**2)
    middle = contrastive_off_term(codes)
    at_most(objective.code_terms(codes.q1, codes.q2)[1], middle, tolerance, "off-diagonal under contrast")
    pairs = codes.s * (codes.s - 1)
    gram = (first.sum(0) * second.sum(0) - (first * second).sum(0)).mean()
    at_most(middle, log(gram / pairs), tolerance, "contrast under collision")
    joint = objective.joint(codes.q1, codes.q2)
    squares = sum(float(joint[s, t].square().sum()) for s, t in off_pairs(codes.s))
    close(squares, gram, 1e-13 * pairs, "collision probability, by cells and by Grams")


# C38 ----------------------------------------------------------------------------------------------


@check(
    "C38",
    given={"k": st.sampled_from((2, 3, 5, 7)), "seed": seeds, "sharpness": st.sampled_from((0.1, 0.5, 2.0))},
    kills=("joint_view_rolled", "joint_samples_unpaired", "joint_over_Nm1", "off_unmasked", "off_mi_only"),
)
def the_saturated_optimum_is_a_regular_simplex(objective: Objective, k: int, seed: int, sharpness: float) -> None:
    """Bush array with S = K+1 (so N = 1 + S(K-1)), at the loss's minimum: the whitened codes f_n have <f_n, f_m> = -1
    for n != m and N - 1 for n = m, a regular simplex; its InfoNCE is log(1 + (N-1) e^(-N/((N-1)T))), the least that N
    points on a sphere allow, since their mean cosine cannot be below -1/(N-1)."""
    labels = np.random.default_rng(seed).permutation(designs.bush(k))
    n, q = len(labels), designs.one_hot(labels, k)
    close(objective.code_loss(q, q.clone()), -3 * log(k), loss_tolerance(n, k + 1, k), "loss")
    # the loss's own joint must say the same as the Gram: the whitened joint is the identity
    joint = objective.joint(q, q.clone()).numpy()
    helmert = contrast_basis(k)
    whitened = k * np.einsum("ia,stij,jb->satb", helmert, joint, helmert).reshape((k + 1) * (k - 1), -1)
    close(whitened, np.eye((k + 1) * (k - 1)), 1e-12, "whitened joint")
    f = contrasts(q)
    close(f @ f.T, n * np.eye(n) - 1, 1e-11, "Gram matrix")
    cosines = (f @ f.T) / (n - 1)
    infonce = -np.mean(np.diag(cosines) / sharpness - np.log(np.exp(cosines / sharpness).sum(1)))
    close(infonce, np.log1p((n - 1) * np.exp(-n / ((n - 1) * sharpness))), 1e-9, "InfoNCE of the simplex")


@check("C38", given={"codes": codes()}, kills=("joint_view_rolled", "joint_samples_unpaired", "joint_over_Nm1"))
def the_spectral_contrastive_loss_is_a_distance_to_whitening(objective: Objective, codes: Codes) -> None:
    """Any codes: -2 mean <f'_n, f''_n> + mean_nm <f'_n, f'_m><f''_n, f''_m> = ||C - I||^2 - S(K-1), C = mean f'
    f''^T. The left side uses the samples' Grams, the right side the loss's own joint, so the two objectives share
    their minimisers (C25)."""
    first, second = contrasts(codes.q1), contrasts(codes.q2)
    spectral = -2 * (first * second).sum(1).mean() + ((first @ first.T) * (second @ second.T)).mean()
    helmert = contrast_basis(codes.k)
    joint = objective.joint(codes.q1, codes.q2).numpy()
    covariance = codes.k * np.einsum("ia,stij,jb->satb", helmert, joint, helmert)
    side = codes.s * (codes.k - 1)
    distance = np.square(covariance.reshape(side, side) - np.eye(side)).sum() - side
    close(distance, spectral, 1e-12 * (side * codes.k) ** 2, "spectral contrastive loss")


@check(
    "C38",
    given={"k": st.sampled_from((3, 4, 5)), "s": st.integers(2, 4)},
    kills=("joint_view_rolled", "joint_samples_unpaired", "joint_over_Nm1", "off_unmasked", "off_mi_only"),
)
def at_an_optimum_every_anchor_sees_the_same_negatives(objective: Objective, k: int, s: int) -> None:
    """At L = -3 log K each sample agrees with the others, summed over m, in sum_m a_nm = N S/K and sum_m a_nm^2 = N
    (S/K + S(S-1)/K^2) segments: integers, the same for every n; and (1/N) F F^T is an orthogonal projector of rank
    S(K-1)."""
    labels = designs.bush(k, s)
    n, q = len(labels), designs.one_hot(labels, k)
    close(objective.code_loss(q, q.clone()), -3 * log(k), loss_tolerance(n, s, k), "loss")
    shared = (labels[:, None, :] == labels[None, :, :]).sum(-1)
    assert (k * shared.sum(1) == n * s).all()
    assert (k * k * (shared**2).sum(1) == n * (s * k + s * (s - 1))).all()
    f = contrasts(q)
    projector = f @ f.T / n
    close(projector @ projector, projector, 1e-12, "projector squared")
    close(np.trace(projector), s * (k - 1), 1e-11, "rank of the projector")


# C39 ----------------------------------------------------------------------------------------------


@check(
    "C39",
    given={"codes": codes()},
    kills=("off_collision", "off_same_view", "off_mi_only", "off_sign", "phi_quadratic"),
)
def the_off_term_is_infomax_that_rewards_uncertainty(objective: Objective, codes: Codes) -> None:
    """-H(P_st) = -I(n; (i,j)) - E H(q'_n(s)) - E H(q''_n(t)), with I the information that the pair of sampled units
    has about the sample index (relative entropy of each sample's product code to P_st). So the term REWARDS soft
    codes, where TWIST penalises them; and L_off >= -log N - mean row entropies, because I <= log N."""
    first, second = codes.q1.numpy(), codes.q2.numpy()
    rows = [entropy(first, axis=-1).mean(0), entropy(second, axis=-1).mean(0)]
    values = []
    for s, t in off_pairs(codes.s):
        products = first[:, s, :, None] * second[:, t, None, :]
        information = relative_entropy(products, products.mean(0)) / codes.n
        at_most(information, log(codes.n), 1e-12, "information about the sample")
        values.append(-information - rows[0][s] - rows[1][t])
    off_diagonal = objective.code_terms(codes.q1, codes.q2)[1]
    close(off_diagonal, np.mean(values), 4 * entropy_tolerance(codes.n, codes.k**2), "off-diagonal as InfoMax")
    floor = -log(codes.n) - rows[0].mean() - rows[1].mean()
    at_least(off_diagonal, floor, 4 * entropy_tolerance(codes.n, codes.k**2), "off-diagonal over the floor")


def block_information(joint: np.ndarray) -> float:
    """Mutual information of one block, as a relative entropy to the product of its marginals: IIC's objective."""
    return relative_entropy(joint, np.outer(joint.sum(1), joint.sum(0)))


@check(
    "C39",
    given={"k": st.integers(3, 8), "copies": st.integers(1, 3), "shift": st.integers(1, 2)},
    kills=("diag_whole_block", "diag_marginal_entropy", "diag_renormalised", "diag_sign", "phi_quadratic"),
)
def the_diagonal_term_is_stricter_than_iic(objective: Objective, k: int, copies: int, shift: int) -> None:
    """One segment, balanced hard codes. Views alike: -L_diag = I(P_ss) = log K, the optimum of IIC and TWIST. Units
    of one view relabelled without fixed unit: IIC still reads log K, L_diag reads 0. Uniform codes: I = 0, yet
    -L_diag = (2/K) log K, so -L_diag is no lower bound of the information."""
    labels = np.tile(np.arange(k), copies)[:, None]
    q, relabelled = designs.one_hot(labels, k), designs.one_hot((labels + shift) % k, k)
    uniform = torch.full_like(q, 1 / k)
    tolerance = loss_tolerance(len(q), 1, k)
    for name, other, diagonal, information in (
        ("alike", q, -log(k), log(k)),
        ("relabelled", relabelled, 0.0, log(k)),
        ("uniform", uniform, -2 / k * log(k), 0.0),
    ):
        view = uniform if name == "uniform" else q
        close(objective.code_terms(view, other)[0], diagonal, tolerance, f"diagonal term, {name}")
        close(block_information(objective.joint(view, other)[0, 0].numpy()), information, 1e-13, f"information, {name}")


@check("C39", kills=("diag_whole_block", "diag_marginal_entropy", "diag_renormalised", "diag_sign", "phi_quadratic"))
def at_two_units_the_diagonal_term_and_iic_disagree(objective: Objective) -> None:
    """K = 2, lambda = 0: L_diag's minimum -2/e has agreement 2/e and an information of only 0.1157 of log 2 = 0.6931,
    enclosed by intervals as log 2 - h(2/e); IIC's optimum, hard codes, reads L_diag = -log 2 > -2/e."""
    share = constants.two_over_e()
    enclosed = constants.log(2) + share * constants.log(share) + (1 - share) * constants.log(1 - share)
    hard = designs.one_hot(np.array([[0], [1]]), 2)
    soft = hard * constants.middle(share) + (1 - hard) * (1 - constants.middle(share))
    close(
        block_information(objective.joint(hard, soft)[0, 0].numpy()), constants.middle(enclosed), 1e-14, "information"
    )
    close(constants.middle(enclosed), 0.1157, 5e-5, "information at the diagonal term's optimum")
    close(objective.code_terms(hard, soft)[0], -constants.middle(share), loss_tolerance(2, 1, 2), "least diagonal term")
    close(objective.code_terms(hard, hard)[0], -log(2), loss_tolerance(2, 1, 2), "diagonal term of IIC's optimum")
    assert constants.certainly_less(-share, -constants.log(2)), "2/e > log 2"
