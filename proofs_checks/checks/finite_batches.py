"""C28 to C32: what a batch of N samples shows of a law, which way the batch bends the gradient, and the exact
symmetries.
"""

from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import comb, fsum, log, sqrt

import numpy as np
import torch
from hypothesis import strategies as st
from scipy.special import gammaln, xlogy
from scipy.stats import binom

from musiclib import information
from proofs_checks.numbers import exact
from proofs_checks.numbers.tolerance import above, at_least, close, loss_tolerance
from proofs_checks.objective import Codes, Objective
from proofs_checks.premises import designs
from proofs_checks.premises.strategies import codes, generator, seeds, weights
from proofs_checks.register import check, note_margin

# C28 ----------------------------------------------------------------------------------------------


def exact_expected_entropy(samples: int, cells: int) -> exact.LogSum:
    """E of the plug-in entropy of N uniform draws over m cells, exact: log N - (m/N) sum_k Bin(N, 1/m)(k) k log k, in
    fractions.
    """
    total = exact.LogSum()
    for k in range(2, samples + 1):
        weight = Fraction(comb(samples, k) * (cells - 1) ** (samples - k), cells**samples)
        total = total + weight * k * exact.log_of(k)
    return exact.log_of(samples) - Fraction(cells, samples) * total


@check(
    "C28",
    given={"size": st.sampled_from(((1, 2), (2, 2), (3, 2), (4, 2), (1, 3), (2, 3), (2, 4)))},
    kills=("off_product_of_marginals", "off_collision", "joint_over_Nm1", "off_gaussian_cov", "phi_clamp_both"),
    cost=8,
)
def the_mean_over_all_batches_is_the_closed_form(objective: Objective, size: tuple[int, int]) -> None:
    """S = 2, N samples, all K^(2N) equally likely hard invariant codes: the mean of L_diag and of L_off over every
    one of them is minus the expected plug-in entropy over K and K^2 cells. The formula is evaluated in fractions, the
    mean by enumeration."""
    samples, k = size
    tables = [np.array(row).reshape(samples, 2) for row in product(range(k), repeat=2 * samples)]
    values = [objective.code_terms(q, q) for q in (designs.one_hot(table, k) for table in tables)]
    for index, cells, name in ((0, k, "diagonal"), (1, k * k, "off-diagonal")):
        mean = fsum(float(value[index]) for value in values) / len(values)
        close(mean, -float(exact_expected_entropy(samples, cells)), loss_tolerance(samples, 2, k), f"mean {name}")


@check(
    "C28",
    given={"seed": seeds, "k": st.sampled_from((4, 6)), "n": st.sampled_from((12, 24, 48))},
    kills=("off_product_of_marginals", "off_collision", "joint_over_Nm1", "off_gaussian_cov", "phi_clamp_both"),
    cost=8,
)
def random_batches_fluctuate_around_the_closed_form(objective: Objective, seed: int, k: int, n: int) -> None:
    """iid uniform hard codes: the mean of L_off over 60 batches lies within 6 standard errors of the closed form (a
    false alarm once in 5e8). There N < K^2 or near it, where the first-order correction (K^2 - 1)/2N is far off."""
    g = generator(seed)
    draws = []
    for _ in range(60):
        q = torch.nn.functional.one_hot(torch.randint(k, (n, 4), generator=g), k).double()
        draws.append(float(objective.code_terms(q, q)[1]))
    expected = -information.expected_uniform_entropy(n, k * k)
    error = float(np.std(draws, ddof=1)) / sqrt(len(draws))
    note_margin(6 - abs(np.mean(draws) - expected) / error)
    close(np.mean(draws), expected, 6 * error, "mean off-diagonal term")


@check("C28", kills=("joint_over_Nm1", "off_gaussian_cov", "phi_clamp_both", "loss_constant"))
def the_published_batch_sizes_cannot_show_independence(objective: Objective) -> None:
    """Ideal codes read -11.78 instead of -13.15 at N = 2048, K = 80, and -9.36 instead of -10.40 at N = 512, K = 32:
    library formula against scipy's binomial law. The objective's part: at N = 1 the plug-in entropy of one draw is
    zero, whatever the law."""
    for samples, k, off_gap, loss in ((2048, 80, 1.3473, -11.78), (512, 32, 1.0065, -9.360), (65536, 80, 0.0497, None)):
        cells = k * k
        count = np.arange(2, samples + 1)
        expected = log(samples) - cells / samples * float(
            binom.pmf(count, samples, 1 / cells) @ (count * np.log(count))
        )
        close(information.expected_uniform_entropy(samples, cells), expected, 1e-9, "expected entropy, two routes")
        close(2 * log(k) - expected, off_gap, 6e-5, "gap of the off-diagonal term")
        if loss is not None:
            close(information.expected_batch_loss(samples, k), loss, 6e-3, "loss of ideal codes")
    close(information.independent_information(2048, 80, 80), 1.308, 6e-4, "information that independent segments show")
    q = designs.one_hot(np.array([[0, 1, 2]]), 3)
    close(torch.stack(objective.code_terms(q, q)), 0.0, loss_tolerance(1, 3, 3), "terms of a single sample")


# C29 ----------------------------------------------------------------------------------------------


@check(
    "C29",
    given={"seed": seeds, "k": st.sampled_from((4, 6)), "peak": st.sampled_from((0.5, 0.7, 0.9))},
    kills=("off_collision", "off_mi_only", "off_gaussian_cov", "joint_over_Nm1", "joint_of_halves", "phi_quadratic"),
    cost=25,
)
def softness_lowers_the_bias(objective: Objective, seed: int, k: int, peak: float) -> None:
    """Soft iid codes: the excess of L_off over -2 log K is (K^2 c^2 - 1)/(2N) to first order, c = E|q|^2, so soft
    codes are charged for fewer cells: K_eff = K c. Forty batches of N = 30 K; within 6 standard errors and 10 % of
    the first-order value."""
    g, n = generator(seed), 30 * k
    excess = []
    for _ in range(40):
        hard = torch.nn.functional.one_hot(torch.randint(k, (n, 3), generator=g), k).double()
        q = hard * peak + (1 - hard) * (1 - peak) / (k - 1)
        excess.append(float(objective.code_terms(q, q)[1]) + 2 * log(k))
    c = peak**2 + (1 - peak) ** 2 / (k - 1)
    expected = (k * k * c * c - 1) / (2 * n)
    error = float(np.std(excess, ddof=1)) / sqrt(len(excess))
    close(np.mean(excess), expected, 6 * error + 0.1 * expected, "mean excess")


# C30 ----------------------------------------------------------------------------------------------


def part(codes: Codes, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both views of some samples."""
    return codes.q1[rows], codes.q2[rows]


@check(
    "C30",
    given={"codes": codes(n=(4, 16), kinds=("soft", "peaked", "tied", "mixed")), "lam": weights},
    kills=("ti_log_of_mean", "joint_over_Nm1", "diag_sign", "off_sign", "joint_of_halves", "negatives_added"),
)
def the_loss_of_a_union_is_below_the_mean_of_its_parts(objective: Objective, codes: Codes, lam: float) -> None:
    """Two halves of equal size: L(A u B) <= (L(A) + L(B))/2, because L_diag and L_off are convex in the joint and the
    joint of the union is the mean of the joints; L_ti is linear, so equal. Repeating the batch changes nothing."""
    half = codes.n // 2
    whole = Codes(codes.q1[: 2 * half], codes.q2[: 2 * half])
    parts = [part(whole, torch.arange(half)), part(whole, torch.arange(half, 2 * half))]
    invariance = abs(float(objective.code_terms(whole.q1, whole.q2)[2]))
    tolerance = 2 * loss_tolerance(codes.n, codes.s, codes.k, lam=max(lam, 1.0), invariance=invariance)
    mean = sum(objective.code_loss(*views, lam) for views in parts) / 2
    at_least(mean, objective.code_loss(whole.q1, whole.q2, lam), tolerance, "mean of the halves over the whole")
    of_parts = sum(objective.code_terms(*views)[2] for views in parts) / 2
    close(of_parts, objective.code_terms(whole.q1, whole.q2)[2], tolerance, "invariance of halves and whole")
    twice = [torch.cat([q, q]) for q in (whole.q1, whole.q2)]
    close(objective.code_loss(*twice, lam), objective.code_loss(whole.q1, whole.q2, lam), tolerance, "batch repeated")


@check(
    "C30",
    given={"codes": codes(n=(3, 10), kinds=("soft", "peaked", "hard", "tied"), views=("same", "near"))},
    kills=("joint_over_Nm1", "off_sign", "negatives_added"),
    cost=3,
)
def a_batch_reads_less_than_its_leave_one_outs(objective: Objective, codes: Codes) -> None:
    """L(batch) <= mean of the losses with one sample left out: in expectation the loss falls as the batch grows."""
    keep = ~torch.eye(codes.n, dtype=torch.bool)
    mean = sum(objective.code_loss(*part(codes, rows)) for rows in keep) / codes.n
    tolerance = 2 * loss_tolerance(codes.n, codes.s, codes.k)
    at_least(mean, objective.code_loss(codes.q1, codes.q2), tolerance, "mean of the leave-one-outs over the batch")


@check(
    "C30",
    given={"shards": st.sampled_from((2, 4, 8)), "seed": seeds},
    kills=("joint_over_Nm1", "off_sign", "off_mi_only", "joint_samples_unpaired", "joint_of_halves"),
    cost=3,
)
def shards_that_do_not_share_their_joint_overestimate(objective: Objective, shards: int, seed: int) -> None:
    """N = 32 ideal codes over K = 4, on 2, 4, 8 processes: the mean of LOCAL losses exceeds the global one by at
    least 0.05 nats times (shards - 1), while L_ti does not move at all. So the joint must be gathered; the invariance
    need not be."""
    labels = np.random.default_rng(seed).permutation(np.tile(designs.bush(4, 4), (2, 1)))
    q = designs.one_hot(labels, 4)
    local = [objective.code_terms(x, x) for x in q.chunk(shards)]
    whole = objective.code_terms(q, q)
    mean = [sum(terms[index] for terms in local) / shards for index in range(3)]
    above(mean[1], whole[1], 0.05 * (shards - 1), "local off-diagonal terms over the global one")
    counted = [exact.hard_terms(rows, rows, 4).off_diagonal for rows in np.split(labels, shards)]
    close(mean[1], fsum(map(float, counted)) / shards, loss_tolerance(32, 4, 4), "mean of local off-diagonal terms")
    close(mean[2], whole[2], loss_tolerance(32, 4, 4, lam=1.0), "invariance")


# C31 ----------------------------------------------------------------------------------------------


def slope_of(objective: Objective, labels: torch.Tensor, k: int, r: float) -> float:
    """dL/dr of one batch of labels (N, 2) along q = r e_c + (1-r)/K, both views alike, lambda = 0."""
    hard = torch.nn.functional.one_hot(labels, k).double()
    share = torch.tensor(r, dtype=torch.float64, requires_grad=True)
    q = share * hard + (1 - share) / k
    (slope,) = torch.autograd.grad(objective.code_loss(q, q), share, materialize_grads=True)
    return float(slope)


@lru_cache(maxsize=256)
def expected_slope(samples: int, k: int, r: float) -> float:
    """E dL/dr over iid uniform batches of N samples, two segments: a finite sum, exact.

    A diagonal cell is (n a^2 + (N-n) b^2)/N with n ~ Bin(N, 1/K), a = r + (1-r)/K, b = (1-r)/K; an off-diagonal cell is
    (n a^2 + m a b + (N-n-m) b^2)/N, where n samples have both units, m exactly one: trinomial, with chances 1/K^2 and
    2 (K-1)/K^2. Every cell of a block has the same law.
    """
    a, b, da, db = r + (1 - r) / k, (1 - r) / k, 1 - 1 / k, -1 / k
    n = np.arange(samples + 1)
    cell = (n * a**2 + (samples - n) * b**2) / samples
    change = 2 * (n * a * da + (samples - n) * b * db) / samples
    diagonal = k * fsum(binom.pmf(n, samples, 1 / k) * (np.log(cell) + 1) * change)
    n, m = np.triu_indices(samples + 1)
    m = m - n  # all n, m >= 0 with n + m <= N
    rest = samples - n - m
    cell = (n * a**2 + m * a * b + rest * b**2) / samples
    change = (2 * n * a * da + m * (a * db + b * da) + 2 * rest * b * db) / samples
    chances = (1 / k**2, 2 * (k - 1) / k**2, ((k - 1) / k) ** 2)
    log_weight = gammaln(samples + 1) + sum(
        xlogy(count, chance) - gammaln(count + 1) for count, chance in zip((n, m, rest), chances, strict=True)
    )
    return diagonal + k**2 * fsum(np.exp(log_weight) * (np.log(cell) + 1) * change)


def full_slope(k: int, r: float) -> float:
    """dL/dr of the population: every P_st uniform, P_ss(i,i) = tau/K with tau = 1/K + r^2 (1 - 1/K)."""
    tau = 1 / k + r * r * (1 - 1 / k)
    return (log(tau / k) + 1) * 2 * r * (1 - 1 / k)


@check(
    "C31",
    given={
        "size": st.sampled_from(((1, 2), (2, 2), (3, 2), (1, 3), (2, 3), (1, 5))),
        "r": st.floats(0.125, 0.9375, width=32),
    },
    kills=(
        "diag_sign",
        "diag_whole_block",
        "diag_marginal_entropy",
        "diag_renormalised",
        "off_product_of_marginals",
        "off_collision",
        "off_over_S2",
        "joint_over_Nm1",
        "phi_quadratic",
    ),
    examples=({"size": (3, 2), "r": 0.875}, {"size": (2, 3), "r": 0.5}),
    cost=8,
)
def the_mean_slope_over_all_batches_is_the_finite_sum(objective: Objective, size: tuple[int, int], r: float) -> None:
    """N samples, two segments, all K^(2N) equally likely batches of codes q = r e_c + (1-r)/K: the mean of dL/dr over
    every one of them, by autograd, is `expected_slope`.

    Premises: views alike, lambda = 0. Why: linearity over cells; a cell depends on a binomial or trinomial count.
    """
    samples, k = size
    batches = [torch.tensor(row).reshape(samples, 2) for row in product(range(k), repeat=2 * samples)]
    mean = fsum(slope_of(objective, labels, k, r) for labels in batches) / len(batches)
    close(mean, expected_slope(samples, k, r), 1e-12, "mean slope over all batches")


def _the_sign_of_the_first_order(objective: Objective) -> None:
    """The population's sign, taken for that of a batch of 16."""
    above(0.0, expected_slope(16, 8, 0.9), 0.0, "fall of the loss towards hard codes in batches of 16")


@check(
    "C31",
    given={"seed": seeds},
    kills=(
        "diag_sign",
        "diag_whole_block",
        "diag_marginal_entropy",
        "diag_renormalised",
        "off_product_of_marginals",
        "phi_quadratic",
    ),
    breaks_without=(("N well above K^2 for the population's sign", _the_sign_of_the_first_order),),
    cost=25,
)
def a_small_batch_reverses_the_pull_to_hard_codes(objective: Objective, seed: int) -> None:
    """K = 8, codes of peakedness r = 0.9, lambda = 0: the population pulls towards harder codes (slope -1.99), batches
    of 16 and 32 push towards softer ones (+2.351, +0.849), batches of 64 pull again (-0.367), those of 1024 nearly
    like the population (-1.897). Exact sums; random batches of 16 lie within 6 standard errors of theirs.

    First order: the batch adds K^2 tau tau'/N to the slope, the derivative of C29's bias; within 0.01 at N = 1024.
    """
    k, r = 8, 0.9
    population = full_slope(k, r)
    close(population, -1.99, 6e-3, "slope of the population")
    for samples, stated in ((16, 2.351), (32, 0.849), (64, -0.367), (1024, -1.897)):
        close(expected_slope(samples, k, r), stated, 6e-4, f"expected slope in batches of {samples}")
    tau, growth = 1 / k + r * r * (1 - 1 / k), 2 * r * (1 - 1 / k)
    first_order = population + k * k * tau * growth / 1024
    close(expected_slope(1024, k, r), first_order, 0.01, "expected slope against its first order")
    g = generator(seed)
    slopes = [slope_of(objective, torch.randint(k, (16, 2), generator=g), k, r) for _ in range(60)]
    error = float(np.std(slopes, ddof=1)) / sqrt(len(slopes))
    note_margin(6 - abs(np.mean(slopes) - expected_slope(16, k, r)) / error)
    close(np.mean(slopes), expected_slope(16, k, r), 6 * error, "mean slope in batches of 16")


@check(
    "C31",
    given={"k": st.integers(3, 6), "seed": seeds},
    kills=("off_product_of_marginals", "phi_quadratic", "phi_add_in_log", "phi_clamp_follow_up", "off_sign"),
)
def no_batch_size_makes_hard_codes_stationary(objective: Objective, k: int, seed: int) -> None:
    """N = 2K^2 iid hard codes (some pair of units is missing from such a batch with high probability; here one is
    removed, so it surely is): the slope of the loss towards softer codes is unbounded, so the batch optimum has r < 1
    at every N."""
    g = generator(seed)
    labels = torch.randint(k, (2 * k * k, 2), generator=g)
    labels = labels[~((labels[:, 0] == 0) & (labels[:, 1] == 0))]
    hard = torch.nn.functional.one_hot(labels, k).double()
    slopes = []
    for softness in (1e-4, 1e-8):
        q = (1 - softness) * hard + softness / k
        slopes.append(float(objective.code_loss(q, q) - objective.code_loss(hard, hard)) / softness)
    joint = designs.pair_counts(labels[:, 0].numpy(), labels[:, 1].numpy(), k) / len(labels)
    gained = (joint.sum(1, keepdims=True) + joint.sum(0, keepdims=True))[joint == 0].sum() / k
    above(slopes[0] - gained * log(1e4) / 2, slopes[1], 0.0, "slope falls as the codes harden")
