"""C20 to C24: which dependence between segments the loss sees, which it cannot see, and what that has to do with
second moments.

The fair comparison with the covariance criteria of Barlow Twins and VICReg is in `baselines_side.py`.
"""

from fractions import Fraction
from math import log

import dit
import numpy as np
import torch
from hypothesis import strategies as st
from scipy.stats import entropy

from proofs_checks.numbers.routes import blocks, off_pairs, relative_entropy
from proofs_checks.numbers.tolerance import above, at_least, at_most, close, entropy_tolerance, loss_tolerance
from proofs_checks.objective import Codes, Objective
from proofs_checks.premises import designs, designs_soft
from proofs_checks.premises.strategies import Draw, codes, generator, hard_codes, seeds
from proofs_checks.register import check

# C20 ----------------------------------------------------------------------------------------------


@check(
    "C20",
    given={"codes": codes()},
    kills=(
        "off_collision",
        "off_product_of_marginals",
        "off_same_view",
        "off_upper_only",
        "off_symmetrised",
        "off_gaussian_cov",
    ),
)
def the_off_term_is_unevenness_plus_information(objective: Objective, codes: Codes) -> None:
    """Any codes: L_off = -2 log K + mean over s != t of (log K - H(P_s)) + (log K - H(P_t)) + I(P_st), each bracket
    >= 0.

    Chain rule. The right side is computed from the codes' means (marginals) and scipy's relative entropy between the
    joint and the product of those means, so no joint entropy appears in it.
    """
    joint, first, second = blocks(codes), codes.q1.numpy().mean(0), codes.q2.numpy().mean(0)
    uneven = [2 * log(codes.k) - entropy(first[s]) - entropy(second[t]) for s, t in off_pairs(codes.s)]
    shared = [relative_entropy(joint[s, t], np.outer(first[s], second[t])) for s, t in off_pairs(codes.s)]
    tolerance = 2 * entropy_tolerance(codes.n, codes.k**2)
    at_least(np.array(uneven), 0.0, tolerance, "unevenness")
    at_least(np.array(shared), 0.0, tolerance, "mutual information")
    excess = objective.code_terms(codes.q1, codes.q2)[1] + 2 * log(codes.k)
    close(excess, np.mean(uneven) + np.mean(shared), tolerance, "excess of the off-diagonal term")


@check(
    "C20",
    given={"codes": codes(s=(2, 2), k=(2, 4), n=(2, 8), views=("same",))},
    kills=("off_collision", "off_product_of_marginals", "off_gaussian_cov", "off_sign", "phi_quadratic"),
    cost=3,
)
def with_even_marginals_the_excess_is_mutual_information(objective: Objective, codes: Codes) -> None:
    """Marginals made uniform (each sample joined by its K cyclic relabellings): the excess of L_off is the mutual
    information, here as the package `dit` computes it."""
    shifts = [codes.q1.roll(i, -1) for i in range(codes.k)]
    q = torch.cat(shifts)  # rolling both segments together keeps their dependence and evens out the units
    joint = np.einsum("ni,nj->ij", q[:, 0].numpy(), q[:, 1].numpy()) / len(q)
    law = dit.Distribution([(i, j) for i in range(codes.k) for j in range(codes.k)], joint.ravel())
    shared = dit.shannon.mutual_information(law, [0], [1]) * log(2)
    # dit drops nothing but normalises; its own tolerance is 1e-9
    close(objective.code_terms(q, q.clone())[1] + 2 * log(codes.k), shared, 1e-8, "excess of the off-diagonal term")


# C21 ----------------------------------------------------------------------------------------------


@check(
    "C21",
    given={"k": st.integers(2, 7), "seed": seeds},
    kills=("off_unmasked", "off_over_S2", "joint_view_rolled", "joint_samples_unpaired", "off_mi_only"),
)
def triples_are_invisible(objective: Objective, k: int, seed: int) -> None:
    """c3 = c1 + c2 mod K attains -3 log K, though c3 is a function of (c1, c2): the total correlation is log K, by
    counting.

    So "any form of dependency" is false: the loss sees pairs of segments, never triples.
    """
    labels = designs.triple(k)[np.random.default_rng(seed).permutation(k * k)]
    q = designs.one_hot(labels, k)
    close(objective.code_loss(q, q.clone()), -3 * log(k), loss_tolerance(k * k, 3, k), "loss of the triple")
    total_correlation = 3 * log(k) - designs.code_entropy(labels)
    close(total_correlation, log(k), 1e-13, "total correlation of the triple")
    if k <= 3:
        law = dit.Distribution([tuple(row) for row in labels.tolist()], [1 / len(labels)] * len(labels))
        close(dit.multivariate.total_correlation(law) * log(2), log(k), 1e-9, "total correlation, by dit")


@check(
    "C21",
    "C22",
    given={"k": st.sampled_from((2, 3, 4, 5, 7, 8))},
    kills=("off_unmasked", "off_over_S2", "joint_view_rolled", "joint_samples_unpaired", "off_mi_only"),
)
def the_saturated_optimum_is_mostly_redundant(objective: Objective, k: int) -> None:
    """Bush array with S = K+1 segments: at the bound, yet any two segments determine all others; all codewords
    together carry only 2 log K = log(1 + S(K-1)) nats, and the total correlation is (S-2) log K."""
    labels = designs.bush(k)
    q = designs.one_hot(labels, k)
    close(objective.code_loss(q, q.clone()), -3 * log(k), loss_tolerance(*labels.shape, k), "loss")
    joint_entropy = designs.code_entropy(labels)
    close(joint_entropy, 2 * log(k), 1e-13, "joint entropy of all segments")
    assert designs.codeword_share(k + 1, k) == k * k
    for s, t in ((0, 1), (k, 0)):
        assert len({tuple(row) for row in labels[:, [s, t]]}) == len(np.unique(labels, axis=0)), (
            "two segments fix the row"
        )


# C23 ----------------------------------------------------------------------------------------------


@st.composite
def interior(draw: Draw) -> Codes:
    """Two views of soft codes close enough to uniform that any rotation of the samples leaves them on the simplex."""
    n, s, k = draw(st.integers(3, 10)), draw(st.integers(2, 4)), draw(st.integers(2, 5))
    g = generator(draw(seeds))
    views = []
    for _ in range(2):
        delta = torch.randn(n, s, k, generator=g, dtype=torch.float64)
        delta -= delta.mean(-1, keepdim=True)
        views.append(
            1 / k + delta / (k * delta.square().sum(0).sqrt().max())
        )  # a column's norm bounds every rotated entry
    return Codes(*views, "interior")


def rotation_fixing_constants(n: int, seed: int) -> torch.Tensor:
    """A random orthogonal (N, N) matrix R with R 1 = 1."""
    g = generator(seed)
    basis = torch.linalg.qr(torch.cat([torch.ones(n, 1), torch.randn(n, n - 1, generator=g)], 1).double())[0][:, 1:]
    turn = torch.linalg.qr(torch.randn(n - 1, n - 1, generator=g).double())[0]
    return torch.full((n, n), 1 / n, dtype=torch.float64) + basis @ turn @ basis.T


@check(
    "C23",
    given={"codes": interior(), "seed": seeds},
    kills=("joint_view_rolled", "joint_over_Nm1", "joint_samples_unpaired", "views_transposed"),
)
def the_entropy_terms_see_second_moments_only(objective: Objective, codes: Codes, seed: int) -> None:
    """Rotate the samples of both views by one orthogonal R with R 1 = 1: all codes change, E[q' q''^T] does not, and
    neither do L_diag and L_off. They are functions of the matrix that Barlow Twins looks at (uncentred, not
    standardised)."""
    rotation = rotation_fixing_constants(codes.n, seed)
    turned = [torch.einsum("mn,nsk->msk", rotation, q).clamp_min(0) for q in (codes.q1, codes.q2)]
    assert max(float((x.sum(-1) - 1).abs().max()) for x in turned) < 1e-12
    before, after = objective.code_terms(codes.q1, codes.q2), objective.code_terms(*turned)
    tolerance = 4 * loss_tolerance(codes.n, codes.s, codes.k) + 1e-12 * log(codes.k)
    for index, name in enumerate(("diagonal", "off-diagonal")):
        close(after[index], before[index], tolerance, f"{name} after the rotation")
    rotated_joint = objective.joint(*turned)
    close(rotated_joint, blocks(codes), 1e-13, "joint after the rotation")


@check(
    "C23",
    given={"k": st.sampled_from((2, 4, 6)), "points": st.integers(1, 6), "strength": st.sampled_from((0.2, 0.7, 1.0))},
    kills=("joint_view_rolled", "joint_over_Nm1", "phi_quadratic", "off_sign", "off_over_S2"),
)
def soft_codes_hide_a_function(objective: Objective, k: int, points: int, strength: float) -> None:
    """Second segment = a parabola of the first, yet every P_st is uniform and L_off = -2 log K exactly: no criterion
    of second moments, and so neither MUSIC nor a covariance penalty, sees it. The distance correlation does, and so
    would any test of functions of the code."""
    q = designs_soft.parabola(k, points, strength)
    close(objective.code_terms(q, q.clone())[1], -2 * log(k), loss_tolerance(len(q), 2, k), "off-diagonal term")
    close(objective.joint(q, q.clone())[0, 1], 1 / k**2, 1e-15, "joint of the two segments")
    close(np.cov(q[:, 0].T.numpy(), q[:, 1].T.numpy())[:k, k:], 0.0, 1e-15, "covariances across the segments")
    x, y = q[:, 0, 0].numpy(), q[:, 1, 0].numpy()
    above(abs(np.corrcoef(np.abs(x - 1 / k), y)[0, 1]), 0.5, 0.0, "correlation of |x| with y")


@check(
    "C23",
    given={"codes": codes(n=(2, 12))},
    kills=(
        "off_same_view",
        "joint_view_rolled",
        "joint_over_Nm1",
        "joint_samples_unpaired",
        "phi_quadratic",
        "off_collision",
        "off_gaussian_cov",
        "off_upper_only",
    ),
)
def information_lies_between_two_norms_of_the_covariance(objective: Objective, codes: Codes) -> None:
    """For every pair of segments |C|_1^2 / 2 <= I(P_st) <= log(1 + chi^2), C the cross-covariance of the two codes
    (numpy.cov) and chi^2 = sum C^2 / (p q). So I = 0 exactly when the covariance vanishes. I is taken from the loss:
    L_off minus the marginals."""
    first, second = codes.q1.numpy(), codes.q2.numpy()
    uneven, low, high = [], [], []
    for s, t in off_pairs(codes.s):
        covariance = np.cov(first[:, s].T, second[:, t].T, bias=True)[: codes.k, codes.k :]
        p, q = first[:, s].mean(0), second[:, t].mean(0)
        uneven.append(2 * log(codes.k) - entropy(p) - entropy(q))
        low.append(np.abs(covariance).sum() ** 2 / 2)
        high.append(np.log1p((covariance**2 / np.maximum(np.outer(p, q), 1e-290)).sum()))
    information = float(objective.code_terms(codes.q1, codes.q2)[1]) + 2 * log(codes.k) - np.mean(uneven)
    tolerance = 4 * entropy_tolerance(codes.n, codes.k**2)
    at_least(information, np.mean(low), tolerance, "information over Pinsker's bound")
    at_most(information, np.mean(high), tolerance, "information under the chi-square bound")


@check(
    "C23",
    given={"codes": hard_codes(n=(2, 12))},
    kills=("joint_view_rolled", "joint_over_Nm1", "joint_samples_unpaired", "views_transposed"),
)
def for_hard_codes_uncorrelated_means_independent(objective: Objective, codes: Codes) -> None:
    """One-hot codes: the covariance of two indicators is P_st(i,j) - P_s(i) P_t(j), so vanishing covariances are
    independence.
    """
    joint = objective.joint(codes.q1, codes.q2).numpy()
    for s, t in off_pairs(codes.s):
        together = np.cov(codes.q1[:, s].T.numpy(), codes.q2[:, t].T.numpy(), bias=True)[: codes.k, codes.k :]
        product_of_marginals = np.outer(joint[s, t].sum(1), joint[s, t].sum(0))
        close(joint[s, t] - product_of_marginals, together, 1e-14, f"covariance of segments {s} and {t}")


# C24 ----------------------------------------------------------------------------------------------

RHOS = tuple(Fraction(a, 4) for a in (1, 2, 3, 4))


@st.composite
def dependent_pairs(draw: Draw) -> designs_soft.DependentPair:
    """y = pi(x) with probability rho, pi any uncorrelated permutation, K in 4, 5, 7, 8."""
    k, rho = draw(st.sampled_from((4, 5, 7, 8))), draw(st.sampled_from(RHOS))
    choices = designs_soft.uncorrelated_permutations(k, limit=40)
    return designs_soft.dependent_pair(k, rho, draw(st.sampled_from(choices)))


@check(
    "C24",
    given={"pair": dependent_pairs()},
    kills=("off_product_of_marginals", "off_collision", "off_gaussian_cov", "off_mi_only", "off_sign"),
)
def the_off_term_measures_uncorrelated_dependence(objective: Objective, pair: designs_soft.DependentPair) -> None:
    """x, y uniform and uncorrelated as numbers, dependent as variables: coded one-hot, L_off + 2 log K = I(x; y), the
    two-value closed form ((1 + rho(K-1)) log(1 + rho(K-1)) + (K-1)(1-rho) log(1-rho)) / K. The correlation of the
    numbers is 0 in integers by construction. What scalar criteria say about the same pair: see baselines_side."""
    q = designs.one_hot(pair.labels, pair.units)
    tolerance = loss_tolerance(len(q), 2, pair.units)
    close(objective.code_terms(q, q.clone())[1] + 2 * log(pair.units), pair.information, tolerance, "excess")
    above(pair.information, 0.0, 0.05, "information of the pair")


@check("C24", kills=("off_product_of_marginals", "off_gaussian_cov", "off_mi_only", "off_sign", "phi_quadratic"))
def no_uncorrelated_permutation_of_two_three_or_six_levels(objective: Objective) -> None:
    """Exhaustive for K = 3; at every K = 2 mod 4 the condition 4 sum x pi(x) = K(K-1)^2 has no solution in integers,
    because the right side is 2 mod 4. Where the family exists it is dependent: at K = 4 the loss reads log 4 more
    than at independence."""
    exists = [bool(designs_soft.uncorrelated_permutations(k, limit=1)) for k in (2, 3, 4, 5, 6)]
    assert exists == [False, False, True, True, False]
    assert all(k * (k - 1) ** 2 % 4 == 2 for k in range(2, 400, 4))
    pair = designs_soft.dependent_pair(4, Fraction(1))
    q = designs.one_hot(pair.labels, 4)
    close(objective.code_terms(q, q)[1], -log(4), loss_tolerance(len(q), 2, 4), "off-diagonal of a full dependence")
