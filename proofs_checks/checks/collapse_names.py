"""C47: the four collapses that CPLearn (arXiv 2410.04959) names, each with what this loss charges for it.

representation  all samples have one embedding: `constant_codes_stay_above_the_uniform_one` (C12)
dimensional     the embeddings fill a subspace of the S (K-1) dimensions of the whitened code
cluster         some units of a segment are never used
intracluster    samples of one cluster have one embedding
"""

from math import e, log

import numpy as np
from hypothesis import strategies as st

from proofs_checks.numbers.routes import contrasts, off_pairs
from proofs_checks.numbers.tolerance import at_least, close, loss_tolerance
from proofs_checks.objective import Codes, Objective
from proofs_checks.premises import designs, strategies
from proofs_checks.premises.designs import one_hot
from proofs_checks.premises.labels import Table, arrays
from proofs_checks.premises.strategies import array
from proofs_checks.register import check


def tightness(ratio: int) -> float:
    """c(R): r log r - r + 1 >= c(R) (r - 1)^2 on [0, R]."""
    return (ratio * log(ratio) - ratio + 1) / (ratio - 1) ** 2


def price_of_dimensions(missing: int, s: int, k: int) -> float:
    """The least gap of codes whose whitened coordinates leave `missing` of the S (K-1) dimensions empty, K >= 3."""
    return missing / max(s * (s - 1) / tightness(k * k), s * k / tightness(k), s * k * k / (log(k) - 1))


@st.composite
def flat_codes(draw: strategies.Draw) -> tuple[Codes, int]:
    """Codes of a known rank bound: few samples; or an array, spoilt a little, with a segment that repeats another."""
    k, lost = draw(st.sampled_from((3, 4, 5))), draw(st.integers(1, 3))
    if draw(st.booleans()):
        s = draw(st.integers(2, 3))
        codes = draw(strategies.codes(k=(k, k), s=(s, s), n=(1, s * (k - 1) - 1)))
        return codes, s * (k - 1) - codes.n
    labels = np.concatenate([array(k, 3), array(k, lost)], axis=1)
    q = strategies.smooth(one_hot(labels, k), draw(st.sampled_from((0.0, 1e-3, 0.1, 0.5))))
    return Codes(q, q.clone(), f"{lost} segments repeated"), lost * (k - 1)


def _every_dimension(objective: Objective) -> None:
    q = one_hot(designs.bush(3), 3)
    at_least(float(objective.code_loss(q, q)) + 3 * log(3), price_of_dimensions(1, 4, 3), 0.0, "gap of all dimensions")


@check(
    "C47",
    given={"case": flat_codes(), "lam": strategies.weights},
    kills=("off_unmasked", "off_product_of_marginals", "diag_no_1_over_S", "phi_log2", "joint_over_Nm1"),
    breaks_without=(("a dimension is missing", _every_dimension),),
)
def missing_dimensions_have_a_price(objective: Objective, case: tuple[Codes, int], lam: float) -> None:
    """Dimensional collapse: if the whitened codes of a view leave m of S(K-1) dimensions empty, L + 3 log K >= m /
    max(S(S-1)/c(K^2), S K/c(K), S K^2/(log K - 1)).

    Premises: K >= 3, any codes, any lambda >= 0. Why: the whitened joint (1/N) F'^T F'' has rank S(K-1) - m at most, so
    |F'^T F''/N - I|^2 >= m. Off-diagonal blocks contribute chi^2 <= KL/c(K^2); a diagonal block at most K D/c(K) + K^2
    d, where D + (log K - 1) d is its part of the gap. The rank is counted here by singular values.
    """
    codes, missing = case
    side = codes.s * (codes.k - 1)
    values = np.linalg.svd(contrasts(codes.q1), compute_uv=False)
    assert (values > 1e-9).sum() <= side - missing, "the codes fill more dimensions than their construction says"
    gap = float(objective.code_loss(codes.q1, codes.q2, lam)) + 3 * log(codes.k)
    invariance = float(objective.code_terms(codes.q1, codes.q2)[2])
    surprise = invariance if lam and np.isfinite(invariance) else 0.0
    tolerance = loss_tolerance(codes.n, codes.s, codes.k, lam=lam, invariance=surprise)
    at_least(gap, price_of_dimensions(missing, codes.s, codes.k), tolerance, "gap")


def least_diagonal(units: int) -> float:
    """min over tau in [0, 1] of tau log(tau / K): -log K from three units on, -K/e below."""
    return -log(units) if units >= 3 else -units / e


@check(
    "C47",
    given={"codes": strategies.codes(kinds=("dead", "hard", "constant"), k=(3, 7)), "lam": strategies.weights},
    kills=(
        "off_gaussian_cov",
        "diag_no_1_over_S",
        "diag_whole_block",
        "diag_marginal_entropy",
        "phi_clamp_both",
        "loss_constant",
        "off_over_S2",
    ),
    examples=({"codes": Codes(*(one_hot(array(3, 3), 5),) * 2, "three of five units"), "lam": 0.0},),
)
def unused_units_have_a_price(objective: Objective, codes: Codes, lam: float) -> None:
    """Cluster collapse: with K'_s and K''_s units used by the views, K_s by both, L >= mean of -log K_s (of -K_s/e for
    K_s < 3) plus mean over s != t of -log(K'_s K''_t): 3 log(K/K') above the bound if K' units are left everywhere,
    and an array over K' units pays exactly that.

    Premises: any codes, any lambda >= 0. Why: C1's steps on the cells that are there.
    """
    used = [(q.sum(0) > 0).numpy() for q in (codes.q1, codes.q2)]
    first, second = (u.sum(1) for u in used)
    both = (used[0] & used[1]).sum(1)
    diagonal, off_diagonal, _ = objective.code_terms(codes.q1, codes.q2)
    tolerance = loss_tolerance(codes.n, codes.s, codes.k, lam=lam)
    floor = np.mean([least_diagonal(int(u)) if u else 0.0 for u in both])
    pairs = -np.mean([log(first[s] * second[t]) for s, t in off_pairs(codes.s)])
    at_least(diagonal, floor, tolerance, "diagonal term")
    at_least(off_diagonal, pairs, tolerance, "off-diagonal term")
    at_least(objective.code_loss(codes.q1, codes.q2, lam), floor + pairs, tolerance, "loss")
    q = one_hot(array(3, 3), codes.k)
    close(objective.code_loss(q, q, lam), -3 * log(3), loss_tolerance(9, 3, codes.k, lam=lam), "array on three units")


@check(
    "C47",
    given={"table": arrays(), "copies": st.integers(1, 4)},
    kills=("off_unmasked", "off_over_S2", "joint_view_rolled", "joint_samples_unpaired", "phi_add_in_log"),
)
def clusters_vary_in_segments_and_not_in_codewords(objective: Objective, table: Table, copies: int) -> None:
    """Intracluster collapse: at the bound the samples that share a unit of one segment are spread evenly over the units
    of any other, so no segment's cluster is a point. The samples of one whole codeword are: an array written `copies`
    times is at the bound, and every codeword has that many samples or more with one and the same embedding.

    Premises: the bound attained. Why: P_st(i, j) = 1/K^2, counted; the loss sees means over samples only.
    """
    labels = np.tile(table.labels, (copies, 1))
    q = designs.one_hot(labels, table.k)
    tolerance = loss_tolerance(*labels.shape, table.k)
    close(objective.code_loss(q, q.clone()), -3 * log(table.k), tolerance, "loss of the copies")
    joint = objective.joint(q, q.clone()).numpy()
    for s, t in off_pairs(labels.shape[1]):
        within = joint[s, t] / joint[s, t].sum(1, keepdims=True)
        close(within, 1 / table.k, 1e-12, f"units of segment {t} inside a cluster of segment {s}")
        counts = designs.pair_counts(labels[:, s], labels[:, t], table.k)
        assert (counts == len(labels) // table.k**2).all()
    multiplicities = np.unique(labels, axis=0, return_counts=True)[1]
    assert multiplicities.min() >= copies
    assert multiplicities.max() * designs.codeword_share(labels.shape[1], table.k) <= len(labels)
