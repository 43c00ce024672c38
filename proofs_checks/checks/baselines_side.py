"""The covariance criteria's side of the argument: Barlow Twins and VICReg on the same codes, and on scalar features.

"MUSIC can minimize any form of dependency beyond the linear correlation" invites a comparison, and a fair one has to
say what is compared: the criterion or the coding. The three verdicts, each checked below:

* where they are blind and MUSIC is not: two scalar features that are dependent and uncorrelated. But MUSIC was shown
  their one-hot codes; shown the same codes, Barlow Twins sees the dependence too (C24).
* where MUSIC is as blind as they are: triples of segments (C21), and soft codes whose second moments match
  independence (C23).
* where they coincide: on one-hot codes MUSIC's optimum is exact whitening, a zero of Barlow Twins (C25); and near it
  the two penalties agree to second order. What MUSIC adds there is a pressure to be one-hot.

The two criteria are written here from the papers' equations (Zbontar et al. 2021, eq. 1-2; Bardes et al. 2022, eq.
1-6), in float64 and without their numerical eps; `tests/test_baselines_side.py` compares them with
`musiclib.methods`.
"""

from math import log

import numpy as np
import torch
from hypothesis import strategies as st

from proofs_checks.checks.dependence import dependent_pairs, interior
from proofs_checks.numbers.routes import blocks, contrast_basis, contrasts, off_pairs
from proofs_checks.numbers.tolerance import above, at_least, at_most, close, loss_tolerance
from proofs_checks.objective import Codes, Objective
from proofs_checks.premises import designs, designs_soft
from proofs_checks.premises.labels import Table, arrays
from proofs_checks.premises.strategies import Draw, seeds
from proofs_checks.register import check


def standardise(z: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and variance 1 (over N); a constant column becomes 0."""
    centred = z - z.mean(0)
    deviation = np.sqrt(np.square(centred).mean(0))
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 1e-12)


def cross_correlation(z1: np.ndarray, z2: np.ndarray) -> np.ndarray:
    """C_ij = mean_n of the standardised z1[n, i] z2[n, j]."""
    return standardise(z1).T @ standardise(z2) / len(z1)


def barlow_twins(z1: np.ndarray, z2: np.ndarray, weight: float = 1.0) -> float:
    """sum_i (1 - C_ii)^2 + weight sum_{i != j} C_ij^2."""
    c = cross_correlation(z1, z2)
    diagonal = np.diag(c)
    return float(np.square(1 - diagonal).sum() + weight * np.square(c - np.diag(diagonal)).sum())


def vicreg_variance(z: np.ndarray) -> float:
    """(1/D) sum_d max(0, 1 - std_d), variance over N - 1."""
    return float(np.maximum(0.0, 1 - z.std(0, ddof=1)).mean())


def vicreg_covariance(z: np.ndarray) -> float:
    """(1/D) sum_{i != j} Cov_ij^2, covariance over N - 1."""
    covariance = np.atleast_2d(np.cov(z.T))
    return float(np.square(covariance - np.diag(np.diag(covariance))).sum() / z.shape[1])


def vicreg(z1: np.ndarray, z2: np.ndarray, weights: tuple[float, float, float] = (25.0, 25.0, 1.0)) -> float:
    """invariance + variance hinge of both views + covariance of both views, weighted."""
    invariance = float(np.square(z1 - z2).mean())
    a, b, c = weights
    variance = vicreg_variance(z1) + vicreg_variance(z2)
    return a * invariance + b * variance + c * (vicreg_covariance(z1) + vicreg_covariance(z2))


# Where they are blind and MUSIC is not ------------------------------------------------------------


@check(
    "C24",
    given={"pair": dependent_pairs()},
    kills=("off_product_of_marginals", "off_collision", "off_gaussian_cov", "off_mi_only", "off_sign"),
)
def on_scalars_covariance_is_blind(objective: Objective, pair: designs_soft.DependentPair) -> None:
    """Two equispaced scalar features, dependent and uncorrelated, views identical: Barlow Twins' loss is 0 and
    VICReg's is 0. Coded one-hot, the loss exceeds independence by their mutual information, at least 0.03 nats.

    And the fair half: Barlow Twins on THOSE one-hot codes (contrast coordinates) reads 2 rho^2 (K-1), not 0. What
    sees the dependence is the coding."""
    scalars = pair.scalars.numpy()
    close(barlow_twins(scalars, scalars), 0.0, 1e-25, "Barlow Twins on the scalars")
    close(vicreg(scalars, scalars), 0.0, 1e-25, "VICReg on the scalars")
    q = designs.one_hot(pair.labels, pair.units)
    excess = objective.code_terms(q, q.clone())[1] + 2 * log(pair.units)
    close(excess, pair.information, loss_tolerance(len(q), 2, pair.units), "excess of MUSIC's off-diagonal term")
    above(excess, 0.0, 0.03, "excess of MUSIC's off-diagonal term")
    f = contrasts(q)
    close(barlow_twins(f, f), 2 * float(pair.rho) ** 2 * (pair.units - 1), 1e-11, "Barlow Twins on the one-hot codes")


# Where MUSIC is as blind as they are --------------------------------------------------------------


@check(
    "C21",
    given={"k": st.integers(2, 7), "seed": seeds},
    kills=("off_unmasked", "off_over_S2", "joint_view_rolled", "joint_samples_unpaired", "off_mi_only"),
)
def on_triples_all_three_are_blind(objective: Objective, k: int, seed: int) -> None:
    """c3 = c1 + c2 mod K, one-hot: MUSIC is at its minimum, Barlow Twins reads 0 and VICReg's covariance 0 in
    contrast coordinates, while the three segments share log K nats. No pairwise criterion can do better."""
    labels = designs.triple(k)[np.random.default_rng(seed).permutation(k * k)]
    q = designs.one_hot(labels, k)
    f = contrasts(q)
    close(objective.code_loss(q, q.clone()), -3 * log(k), loss_tolerance(k * k, 3, k), "MUSIC")
    close(barlow_twins(f, f), 0.0, 1e-24, "Barlow Twins")
    close(vicreg_covariance(f), 0.0, 1e-24, "VICReg's covariance")
    close(3 * log(k) - designs.code_entropy(labels), log(k), 1e-13, "total correlation")


@check(
    "C23",
    given={"points": st.integers(1, 8), "strength": st.sampled_from((0.3, 1.0))},
    kills=("joint_view_rolled", "joint_over_Nm1", "phi_quadratic", "off_sign", "off_over_S2"),
)
def on_soft_codes_all_three_are_blind(objective: Objective, points: int, strength: float) -> None:
    """K = 2, second segment a parabola of the first: MUSIC's off-diagonal term is at its minimum, Barlow Twins reads
    0 and VICReg's covariance 0. (A K = 2 segment is one number, q(1) - q(2), its only contrast.)"""
    q = designs_soft.parabola(2, points, strength)
    f = contrasts(q)
    close(objective.code_terms(q, q.clone())[1], -2 * log(2), loss_tolerance(len(q), 2, 2), "MUSIC's off-diagonal term")
    close(barlow_twins(f, f), 0.0, 1e-24, "Barlow Twins")
    close(vicreg_covariance(f), 0.0, 1e-24, "VICReg's covariance")


# Where they coincide ------------------------------------------------------------------------------


def whitened_joint(objective: Objective, q1: torch.Tensor, q2: torch.Tensor) -> np.ndarray:
    """C = mean_n f'_n f''_n^T = K U^T P_st U, block by block, from the objective's joint; side S (K-1)."""
    s, k = q1.shape[1:]
    helmert = contrast_basis(k)
    joint = objective.joint(q1, q2).numpy()
    return k * np.einsum("ia,stij,jb->satb", helmert, joint, helmert).reshape(s * (k - 1), -1)


@st.composite
def arrays_and_neighbours(draw: Draw) -> Table:
    """Orthogonal arrays with K >= 3, and tables one symbol away from one: on both sides of the equivalence."""
    array = draw(arrays(("Bush 3", "Bush 4", "Bush 5", "triple 3", "triple 6", "two copies of Bush 3")))
    labels = array.labels.copy()
    if draw(st.booleans()):
        labels[0, 0] = (labels[0, 0] + 1) % array.k
    return Table(labels, array.k, array.label)


def _constant_segment_of_two(objective: Objective) -> None:
    """K = 2: one segment constant, its contrast is always 1, so it is whitened too; the loss is not at its bound."""
    labels = designs.triple(2)[:, :2].copy()
    labels[:, 0] = 0
    q = designs.one_hot(labels, 2)
    close(whitened_joint(objective, q, q), np.eye(2), 1e-12, "whitened joint of the constant segment")
    close(objective.code_loss(q, q), -3 * log(2), 1e-9, "loss")


@check(
    "C25",
    given={"table": arrays_and_neighbours()},
    kills=("phi_quadratic", "joint_samples_unpaired", "off_unmasked", "joint_view_rolled", "off_sign"),
    breaks_without=(("K >= 3", _constant_segment_of_two),),
)
def the_optimum_is_exact_whitening(objective: Objective, table: Table) -> None:
    """One-hot invariant codes, K >= 3: L = -3 log K <=> the whitened joint is the identity <=> the labels are an
    orthogonal array (counted). There Barlow Twins in contrast coordinates reads 0. One symbol changed breaks all of
    them together."""
    q, is_array = table.codes, designs.is_strength_two(table.labels, table.k)
    gap = float(objective.code_loss(q, q.clone())) + 3 * log(table.k)
    distance = np.abs(whitened_joint(objective, q, q.clone()) - np.eye(table.labels.shape[1] * (table.k - 1))).max()
    f = contrasts(q)
    redundancy = barlow_twins(f, f)
    if is_array:
        close(gap, 0.0, table.tolerance(), "gap of an array")
        close(distance, 0.0, 1e-12, "distance to whitening of an array")
        close(redundancy, 0.0, 1e-22, "Barlow Twins of an array")
    else:
        above(gap, 0.0, 1e-4, "gap beside an array")
        above(distance, 0.0, 1e-3, "distance to whitening beside an array")
        above(redundancy, 0.0, 1e-6, "Barlow Twins beside an array")


@check(
    "C25",
    given={"array": arrays(("Bush 3", "Bush 4", "Bush 5", "triple 6")), "r": st.sampled_from((0.1, 0.3, 0.6, 0.9))},
    kills=("diag_renormalised", "phi_quadratic", "joint_samples_unpaired", "off_unmasked", "joint_view_rolled"),
)
def barlow_twins_does_not_ask_for_one_hot_codes(objective: Objective, array: Table, r: float) -> None:
    """q = 1/K + r (e_c - 1/K) on an array: standardising undoes r, so Barlow Twins reads 0 for every r > 0; MUSIC's
    gap is log K + tau log(tau/K) > 0, tau = 1/K + r^2 (1 - 1/K): .30, .58, .82 at K = 3, 4, 5, r = .3. VICReg's
    variance hinge does see it, 1 - r times sqrt(N/(N-1)), as long as nothing rescales the features."""
    k, n = array.k, len(array.labels)
    q = 1 / k + r * (array.codes - 1 / k)
    tau = 1 / k + r * r * (1 - 1 / k)
    gap = log(k) + tau * log(tau / k)
    f = contrasts(q)
    close(barlow_twins(f, f), 0.0, 1e-22, "Barlow Twins")
    close(vicreg_covariance(f), 0.0, 1e-22, "VICReg's covariance")
    close(vicreg_variance(f), max(0.0, 1 - r * np.sqrt(n / (n - 1))), 1e-12, "VICReg's variance hinge")
    close(objective.code_loss(q, q.clone()) + 3 * log(k), gap, array.tolerance(), "MUSIC's gap")
    at_least(gap, (log(k) - 1) * (1 - tau), 1e-12, "MUSIC's gap against what C5 charges for softness")


@check(
    "C25",
    given={"array": arrays(("Bush 3", "Bush 4", "Bush 5", "triple 6"))},
    kills=("phi_quadratic", "joint_samples_unpaired", "off_unmasked", "joint_view_rolled", "off_sign"),
)
def on_raw_one_hot_features_barlow_twins_is_never_zero(objective: Objective, array: Table) -> None:
    """Fed the D one-hot features themselves, Barlow Twins with weight 1 reads S K/(K-1) at MUSIC's optimum: the units
    of one segment exclude each other, correlation -1/(K-1), which it counts as redundancy and MUSIC does not."""
    q, s = array.codes, array.labels.shape[1]
    close(objective.code_loss(q, q.clone()), -3 * log(array.k), array.tolerance(), "MUSIC")
    raw = q.reshape(len(q), -1).numpy()
    close(barlow_twins(raw, raw), s * array.k / (array.k - 1), 1e-10, "Barlow Twins on the raw codes")


@check(
    "C25",
    given={"codes": interior(), "shrink": st.sampled_from((1.0, 0.3, 0.1))},
    kills=("phi_quadratic", "off_gaussian_cov", "off_collision", "off_unmasked"),
)
def near_independence_the_two_penalties_agree(objective: Objective, codes: Codes, shrink: float) -> None:
    """Near uniform blocks, L_off + 2 log K = chi^2/2 (1 + o(1)), chi^2 = K^2 ||P_st - 1/K^2||^2, the squared
    Frobenius norm that a covariance penalty sums: |excess - chi^2/2| <= chi^2 x / (6 (1-x)^2) with x = max|K^2 P - 1|
    < 1 (Taylor's remainder of r log r - r + 1). Entropy against Frobenius: two metrics with one zero set."""
    q1, q2 = (1 / codes.k + 0.4 * shrink * (q - 1 / codes.k) for q in (codes.q1, codes.q2))
    joint = blocks(Codes(q1, q2))
    ratio = np.stack([joint[s, t] for s, t in off_pairs(codes.s)]) * codes.k**2 - 1
    furthest = np.abs(ratio).max()
    assert furthest <= 0.97, "0.4 keeps each code within 0.4/K of uniform, so 1.4^2 - 1 bounds the ratio"
    chi_squared = np.square(ratio).sum((1, 2)).mean() / codes.k**2
    excess = float(objective.code_terms(q1, q2)[1]) + 2 * log(codes.k)
    remainder = furthest / (6 * (1 - furthest) ** 2)
    tolerance = loss_tolerance(codes.n, codes.s, codes.k)
    at_most(abs(excess - chi_squared / 2), remainder * chi_squared, tolerance, "excess against half of chi-square")
