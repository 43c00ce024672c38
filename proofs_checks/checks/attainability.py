"""C7 to C11: who attains -3 log K, who cannot, and what a batch with fewer than K^2 samples does instead.

Codes here are one-hot unless said. For one-hot codes every cell of the joint is a count over N, so the expected
values come from `exact.hard_terms` (counting and exact logarithms), never from a second floating-point evaluation of
the loss.
"""

from itertools import combinations_with_replacement, product
from math import comb, log

import numpy as np
from hypothesis import strategies as st

from proofs_checks.numbers import constants, exact
from proofs_checks.numbers.tolerance import at_least, close, loss_tolerance
from proofs_checks.objective import Codes, Objective
from proofs_checks.premises import designs
from proofs_checks.premises.labels import Table, arrays, fragments
from proofs_checks.premises.strategies import Draw, hard_codes, seeds, weights
from proofs_checks.register import check, note_margin

# C7 -----------------------------------------------------------------------------------------------


@check(
    "C7",
    given={"array": arrays(), "lam": weights},
    kills=(
        "joint_view_rolled",
        "joint_samples_unpaired",
        "off_unmasked",
        "off_over_S2",
        "phi_add_in_log",
        "diag_no_1_over_S",
    ),
)
def every_orthogonal_array_attains_each_term(objective: Objective, array: Table, lam: float) -> None:
    """An orthogonal array of strength two, as one-hot codes equal in both views, has L_diag = -log K, L_off = -2 log
    K and L_ti = 0 to rounding, hence L = -3 log K at every lambda. The array proved its strength by counting when it
    was built."""
    q = array.codes
    diagonal, off_diagonal, invariance = objective.code_terms(q, q.clone())
    close(diagonal, -log(array.k), array.tolerance(), "diagonal")
    close(off_diagonal, -2 * log(array.k), array.tolerance(), "off-diagonal")
    close(invariance, 0.0, array.tolerance(1.0), "invariance")
    close(objective.code_loss(q, q.clone(), lam), -3 * log(array.k), array.tolerance(lam), "loss")


@check(
    "C7",
    given={"array": arrays(), "seed": seeds},
    kills=(
        "joint_view_rolled",
        "joint_samples_unpaired",
        "off_unmasked",
        "off_over_S2",
        "phi_add_in_log",
        "diag_no_1_over_S",
    ),
)
def a_swap_of_two_symbols_raises_the_loss_by_its_count(objective: Objective, array: Table, seed: int) -> None:
    """The converse, one step away: exchange the symbols of two samples in one segment (which keeps the segment
    balanced). The loss rises, and by exactly what the counts say. If it did not, two different symbols would stand in
    the same place."""
    rng = np.random.default_rng(seed)
    labels = array.labels.copy()
    column = rng.integers(labels.shape[1])
    a, b = (rng.choice(np.flatnonzero(labels[:, column] == unit)) for unit in rng.permutation(array.k)[:2])
    labels[[a, b], column] = labels[[b, a], column]
    terms = exact.hard_terms(labels, labels, array.k)
    rows_differ = (np.delete(labels[a], column) != np.delete(labels[b], column)).any()
    is_worse = constants.certainly_less(constants.perfect_loss(array.k), terms.entropy_loss)
    assert is_worse == bool(rows_differ), "counting: a swap leaves the optimum unless the two samples agree elsewhere"
    q = designs.one_hot(labels, array.k)
    close(objective.code_loss(q, q.clone()), float(terms.entropy_loss), array.tolerance(), "loss after the swap")
    if rows_differ:
        note_margin(float(terms.entropy_loss) + 3 * log(array.k))


@check("C7", kills=("joint_view_rolled", "off_over_S2", "phi_add_in_log"), cost=10)
def the_papers_eighty_units_are_attainable(objective: Objective) -> None:
    """K = 80 is no prime power, yet GF(16) x GF(5) is an orthogonal array with N = 6400, S = 6: here the bound -3 log
    80 is met.
    """
    labels = designs.paper_units_array()
    q = designs.one_hot(labels, 80)
    close(objective.code_loss(q, q), -3 * log(80), loss_tolerance(6400, 6, 80), "loss")


# C8 -----------------------------------------------------------------------------------------------


def rao_gap(samples: int, segments: int, k: int) -> float:
    """A lower bound of L + 3 log K for hard invariant codes, positive exactly when N < 1 + S(K-1): Rao's bound with a
    remainder.

    The matrix M = mean of (1, f)(1, f)^T, f the contrast coordinates of C25, has side 1 + S(K-1) and rank <= N, so at
    least r = 1 + S(K-1) - N eigenvalues are 0 and ||M - I||^2 >= r. Block by block ||M - I||^2 <= sum_{s != t}
    chi2_st + (K + 2) sum_s chi2_s, where chi2 measures the distance of P_st and of the marginal P_s from uniform.
    With R = cells, r log r - r + 1 >= c(R) (r - 1)^2 on [0, R], c(R) = (R log R - R + 1) / (R - 1)^2, so KL >= c(R)
    chi2; and the gap is the mean of KL_st plus the mean of KL_s.
    """
    missing = 1 + segments * (k - 1) - samples
    c_pair, c_one = ((r * log(r) - r + 1) / (r - 1) ** 2 for r in (k * k, k))
    return missing / max(segments * (segments - 1) / c_pair, segments * (k + 2) / c_one)


@st.composite
def short_tables(draw: Draw) -> Table:
    """Hard invariant codes with N < 1 + S(K-1): fewer samples than Rao's bound. Some start as an array, so they are
    good.
    """
    k = draw(st.sampled_from((2, 3, 4, 5)))
    seed, good = draw(seeds), draw(st.booleans())
    rng = np.random.default_rng(seed)
    if good:  # a Bush array whose last segment repeats another: N = K^2 with S = K + 2
        base = designs.bush(k)
        labels = np.concatenate([base, base[:, [rng.integers(k + 1)]]], axis=1)
    else:
        segments = draw(st.integers(2, 5))
        samples = draw(st.integers(1, segments * (k - 1)))
        labels = rng.integers(k, size=(samples, segments))
    return Table(labels, k, f"{'repeated segment' if good else 'any'}, seed {seed}")


@check(
    "C8",
    given={"table": short_tables(), "lam": weights},
    kills=(
        "joint_samples_unpaired",
        "joint_over_Nm1",
        "off_unmasked",
        "off_product_of_marginals",
        "phi_log2",
        "diag_no_1_over_S",
    ),
)
def below_raos_size_the_bound_is_missed(objective: Objective, table: Table, lam: float) -> None:
    """N < 1 + S(K-1) => no hard invariant code attains -3 log K, and the gap is at least `rao_gap` > 0."""
    samples, segments = table.labels.shape
    q = table.codes
    least = rao_gap(samples, segments, table.k)
    assert least > 0
    at_least(
        objective.code_loss(q, q, lam), -3 * log(table.k) + least, table.tolerance(lam), "loss against Rao's remainder"
    )


@check(
    "C8",
    kills=("joint_samples_unpaired", "joint_over_Nm1", "off_unmasked", "off_product_of_marginals", "phi_log2"),
    cost=10,
)
def four_samples_make_no_four_binary_segments_independent(objective: Objective) -> None:
    """N = 4, K = 2, S = 4 (one segment too many for Rao): over ALL hard invariant codes the least L_off is -2 log 2 +
    (log 2)/6, one duplicated segment. Exhaustive: segments up to exchange and up to relabelling, 330 tables."""
    columns = [(0, *rest) for rest in product((0, 1), repeat=3)]
    least = min(
        float(objective.code_terms(*(designs.one_hot(np.array(chosen).T, 2),) * 2)[1])
        for chosen in combinations_with_replacement(columns, 4)
    )
    close(least, -2 * log(2) + log(2) / 6, loss_tolerance(4, 4, 2), "best off-diagonal term")


# C9 -----------------------------------------------------------------------------------------------


@check(
    "C9",
    given={"codes": hard_codes(k=(3, 6), s=(2, 4), n=(1, 40)), "lam": weights},
    kills=("off_product_of_marginals", "off_gaussian_cov", "phi_clamp_both", "off_unmasked", "joint_samples_unpaired"),
)
def hard_codes_stay_above_their_floor(objective: Objective, codes: Codes, lam: float) -> None:
    """One-hot codes, K >= 3, any N, any pairing of views: L_off >= -log min(N, K^2) and L >= -log K - log min(N,
    K^2).
    """
    tolerance = loss_tolerance(codes.n, codes.s, codes.k, lam=lam)
    off_diagonal = objective.code_terms(codes.q1, codes.q2)[1]
    at_least(off_diagonal, -log(min(codes.n, codes.k**2)), tolerance, "off-diagonal")
    lam = lam if bool(((codes.q1 * codes.q2).sum(-1) > 0).all()) else 0.0  # an infinite invariance term proves nothing
    at_least(
        objective.code_loss(codes.q1, codes.q2, lam),
        designs.hard_floor(codes.n, codes.k),
        tolerance,
        "loss at the floor",
    )


@check(
    "C9",
    given={"table": fragments(), "lam": weights},
    kills=(
        "off_product_of_marginals",
        "off_gaussian_cov",
        "phi_clamp_both",
        "off_unmasked",
        "joint_samples_unpaired",
        "off_over_S2",
    ),
)
def partial_bush_arrays_sit_on_the_floor(objective: Objective, table: Table, lam: float) -> None:
    """N = m K < K^2: the polynomials with m slopes are balanced and two samples agree at most once, hence L = -log K
    - log N.
    """
    q = table.codes
    close(
        objective.code_loss(q, q.clone(), lam),
        designs.hard_floor(len(q), table.k),
        table.tolerance(lam),
        "loss at the floor",
    )


def counting_excess(samples: int, segments: int, k: int) -> float:
    """A lower bound of L_off + log N for hard invariant codes with N < K^2, positive when S exceeds K(N-1)/(N-K).

    In segment s at least A = N(N/K - 1)/2 pairs of samples agree (convexity), so a pair agrees in a = S A / binom(N,
    2) segments on average and the number of (pair of samples, pair of segments) coincidences is at least binom(N, 2)
    times the piecewise linear hull of binom(a, 2). A cell of n samples holds binom(n, 2) coincidences and costs n log
    n / N, at least 2 log(N) / (N - 1) / N for each (n log n / binom(n, 2) falls with n <= N).
    """
    pairs = comb(samples, 2)
    mean = segments * samples * (samples / k - 1) / 2 / pairs
    whole = int(mean)
    hull = comb(whole, 2) + (mean - whole) * whole  # binom(a, 2) interpolated between integers
    coincidences = pairs * hull / comb(segments, 2)
    return coincidences * 2 * log(samples) / (samples - 1) / samples


@st.composite
def crowded_tables(draw: Draw) -> Table:
    """K < N < K^2 with more segments than counting allows at the floor, for K = 3 and 4; some are Bush fragments
    widened.
    """
    k = draw(st.sampled_from((3, 4)))
    seed, slopes = draw(seeds), draw(st.integers(2, k - 1))
    rng = np.random.default_rng(seed)
    samples = slopes * k
    limit = designs.most_segments_at_hard_floor(samples, k)
    segments = draw(st.integers(limit + 1, limit + 3))
    labels = rng.permuted(np.repeat(np.tile(np.arange(k), slopes)[:, None], segments, axis=1), axis=0)
    if draw(st.booleans()):
        fragment = designs.partial_bush(k, slopes)
        labels = np.concatenate([fragment, labels], axis=1)[:, :segments]
    return Table(labels, k, f"crowded, seed {seed}")


@check(
    "C9",
    given={"table": crowded_tables()},
    kills=("off_product_of_marginals", "off_gaussian_cov", "phi_clamp_both", "off_unmasked", "joint_samples_unpaired"),
)
def too_many_segments_cannot_sit_on_the_floor(objective: Objective, table: Table) -> None:
    """S > K(N-1)/(N-K), K | N < K^2: L_off misses -log N by at least `counting_excess` > 0. The paper's N = 2048, K =
    80, S = 102 is such a case (at most 83 segments), and there K does not even divide N."""
    samples, segments = table.labels.shape
    q = table.codes
    excess = counting_excess(samples, segments, table.k)
    assert excess > 0
    assert designs.most_segments_at_hard_floor(2048, 80) == 83
    at_least(objective.code_terms(q, q)[1], -log(samples) + excess, table.tolerance(), "off-diagonal of a crowded code")
