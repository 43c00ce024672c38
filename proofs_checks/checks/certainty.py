"""C45 and C46: how far a batch's entropy can be off, and how much entropy or information N samples can vouch for.

Hard codes of two segments, views alike: -L_off of a batch is the plug-in entropy of the N pairs of units it shows.
"""

from fractions import Fraction
from itertools import product
from math import comb, fsum, log, perm, prod

import numpy as np
from hypothesis import strategies as st

from musiclib import information
from proofs_checks.numbers.tolerance import above, at_least, at_most, close, entropy_tolerance, loss_tolerance
from proofs_checks.objective import Codes, Objective
from proofs_checks.premises import designs, strategies
from proofs_checks.register import check

# C45 ----------------------------------------------------------------------------------------------


def expected_reading(objective: Objective, law: list[Fraction], samples: int, k: int) -> float:
    """E of -L_off over all batches of N independent pairs of units with this law over the K^2 cells, by enumeration."""
    total = []
    for cells in product(range(k * k), repeat=samples):
        chance = prod((law[cell] for cell in cells), start=Fraction(1))
        if chance:
            q = designs.one_hot(np.array([divmod(cell, k) for cell in cells]), k)
            total.append(-float(chance) * float(objective.code_terms(q, q.clone())[1]))
    return fsum(total)


def _first_order_as_a_bound(objective: Objective) -> None:
    """'Biased low by about (cells - 1)/(2N), and by much more once N < K^2': it is less, at the published size too."""
    cells, samples = 80**2, 2048
    bias = log(cells) - information.expected_uniform_entropy(samples, cells)
    at_least(bias, (cells - 1) / (2 * samples), 0.0, "bias against its first order at N < K^2")


@check(
    "C45",
    "W11",
    given={
        "size": st.sampled_from(((1, 2), (2, 2), (3, 2), (4, 2), (1, 3), (2, 3))),
        "parts": st.lists(st.integers(0, 5), min_size=9, max_size=9),
    },
    kills=(
        "off_product_of_marginals",
        "off_mi_only",
        "off_gaussian_cov",
        "joint_over_Nm1",
        "phi_log2",
        "phi_clamp_both",
    ),
    breaks_without=(("the two-sided bound in the place of first order", _first_order_as_a_bound),),
    examples=({"size": (3, 2), "parts": [1] * 9}, {"size": (2, 3), "parts": [1] * 9}),
    cost=4,
)
def the_bias_lies_between_its_bounds(objective: Objective, size: tuple[int, int], parts: list[int]) -> None:
    """N pairs of units drawn from any law p over K^2 cells: max(0, H - log N) <= H(p) - E(-L_off) <= log(1 + (m-1)/N),
    m the number of cells that p uses.

    Premises: independent draws, views alike. Why: H - E H^ is the mean of KL(p^ || p) >= 0; a batch of N samples fills
    at most N cells; KL <= log(1 + chi^2), whose mean is log(1 + (m-1)/N) at most. The mean is taken over ALL batches,
    with their probabilities as fractions.
    """
    samples, k = size
    weights = [1 + parts[0], *parts[1 : k * k]]
    law = [Fraction(w, sum(weights)) for w in weights]
    used = [float(p) for p in law if p]
    entropy, m = -fsum(p * log(p) for p in used), len(used)
    tolerance = 2 * loss_tolerance(samples, 2, k)
    bias = entropy - expected_reading(objective, law, samples, k)
    at_least(bias, max(0.0, entropy - log(samples)), tolerance, "bias against H - log N")
    at_most(bias, log(1 + (m - 1) / samples), tolerance, "bias against log(1 + (m-1)/N)")


@check("C45", "W11", kills=("off_mi_only", "off_gaussian_cov", "joint_over_Nm1", "phi_clamp_both", "loss_constant"))
def first_order_misses_the_bias_on_both_sides(objective: Objective) -> None:
    """Uniform law: exact bias over (m-1)/(2N) is 0.862 at N = 2048, m = 80^2; 0.260 at N = 256, m = 80^2; 1.007 at N =
    512, m = 32^2; its largest value on 32^2 cells is 1.16, near N = 4m/3. Both bounds hold at each, 0.04 nats apart at
    N = 256.

    Why: the closed sum of C28. The objective's part: 12 samples in different cells out of 25 read log 12, the most
    that they can.
    """

    def ratio(samples: int, cells: int) -> float:
        bias = log(cells) - information.expected_uniform_entropy(samples, cells)
        at_least(bias, max(0.0, log(cells / samples)), 1e-12, "bias against log(m/N)")
        at_most(bias, log(1 + (cells - 1) / samples), 1e-12, "bias against log(1 + (m-1)/N)")
        return bias / ((cells - 1) / (2 * samples))

    for samples, units, stated in ((2048, 80, 0.862), (256, 80, 0.260), (512, 32, 1.007)):
        close(ratio(samples, units**2), stated, 6e-4, f"ratio at N = {samples}, K = {units}")
    ratios = {samples: ratio(samples, 1024) for samples in range(256, 4096, 32)}
    worst = max(ratios, key=ratios.get)
    close(ratios[worst], 1.16, 3e-3, "largest ratio on 1024 cells")
    close(worst / 1024, 4 / 3, 0.05, "where it is largest")
    q = designs.one_hot(np.array([divmod(7 * i % 25, 5) for i in range(12)]), 5)
    close(-objective.code_terms(q, q.clone())[1], log(12), loss_tolerance(12, 2, 5), "reading of 12 different pairs")


# C46 ----------------------------------------------------------------------------------------------


@check(
    "C46",
    "C9",
    given={"codes": strategies.hard_codes(n=(1, 20), k=(2, 6)) | strategies.codes(n=(1, 12))},
    kills=("off_product_of_marginals", "off_gaussian_cov", "phi_clamp_both", "joint_samples_unpaired", "loss_constant"),
)
def a_batch_reads_at_most_log_n(objective: Objective, codes: Codes) -> None:
    """-L_off <= log N + what the codes leave open (mean entropy of both views' codes): log N for hard codes; and the
    information between any two segments' sampled units is at most log N plus the same.

    Premises: any codes. Why: a block is a mixture of N product laws. Entropies of codes in numpy, row by row.
    """
    rows = [-np.sum(q * np.log(np.maximum(q, 1e-300)), -1).mean(0) for q in (codes.q1.numpy(), codes.q2.numpy())]
    most = log(codes.n) + rows[0].mean() + rows[1].mean()
    tolerance = 4 * entropy_tolerance(codes.n, codes.k**2)
    at_most(-objective.code_terms(codes.q1, codes.q2)[1], most, tolerance, "entropy that the batch shows")
    joint = objective.joint(codes.q1, codes.q2)
    shared = information.mutual_information(joint)
    at_most(shared, log(codes.n) + np.minimum.outer(rows[0], rows[1]), tolerance, "information that the batch shows")


def repeated(law: list[Fraction], samples: int, draws: int) -> dict[tuple[int, ...], Fraction]:
    """The law of N samples, with replacement, from M independent draws of `law`: sum over the indices drawn, each index
    holding one draw."""
    result: dict[tuple[int, ...], Fraction] = {}
    for indices in product(range(draws), repeat=samples):
        held = sorted(set(indices))
        for values in product(range(len(law)), repeat=len(held)):
            at = dict(zip(held, values, strict=True))
            chance = prod((law[v] for v in values), start=Fraction(1, draws**samples))
            word = tuple(at[i] for i in indices)
            result[word] = result.get(word, Fraction(0)) + chance
    return result


@check(
    "C46",
    given={
        "parts": st.lists(st.integers(1, 4), min_size=2, max_size=4),
        "samples": st.integers(1, 3),
        "draws": st.integers(1, 4),
        "k": st.integers(2, 3),
    },
    kills=(
        "off_product_of_marginals",
        "off_mi_only",
        "phi_log2",
        "joint_over_Nm1",
        "off_gaussian_cov",
        "phi_clamp_both",
    ),
    examples=(
        {"parts": [1, 1, 1, 1], "samples": 3, "draws": 4, "k": 2},
        {"parts": [2, 1], "samples": 2, "draws": 3, "k": 3},
    ),
    cost=10,
)
def no_lower_bound_can_vouch_for_more(objective: Objective, parts: list[int], samples: int, draws: int, k: int) -> None:
    """N samples of a law p, and N samples from M draws of p, differ by at most N(N-1)/(2M) in total variation, though
    the second law has entropy at most log M. So a lower bound that is right for every law with probability 1 - delta
    exceeds log M with probability at most delta + N(N-1)/(2M), whatever p.

    The rule 'all samples differ, so the entropy is large' meets it: under the uniform law on m = K^2 cells the batches
    that read log N on the loss are m!/((m-N)! m^N) of all, which exceeds 1 - N(N-1)/(2m).

    Premises: independent draws. Two routes: the laws of both as sums of fractions over all words; the loss over all
    batches against a falling factorial.
    """
    law = [Fraction(w, sum(parts)) for w in parts]
    other = repeated(law, samples, draws)
    words = product(range(len(law)), repeat=samples)
    distance = sum(abs(prod((law[v] for v in word), start=Fraction(1)) - other.get(word, 0)) for word in words) / 2
    assert distance <= Fraction(comb(samples, 2), draws), f"total variation {distance}"
    cells, high = k * k, 0
    for batch in product(range(cells), repeat=samples):
        q = designs.one_hot(np.array([divmod(cell, k) for cell in batch]), k)
        reading = -float(objective.code_terms(q, q.clone())[1])
        high += abs(reading - log(samples)) < 1e-9
    assert Fraction(high, cells**samples) == Fraction(perm(cells, samples), cells**samples), "share that reads log N"
    assert Fraction(high, cells**samples) >= 1 - Fraction(comb(samples, 2), cells)


@check("C46", kills=("off_gaussian_cov", "loss_constant", "off_product_of_marginals"))
def what_the_published_batches_can_vouch_for(objective: Objective) -> None:
    """At N = 2048, K = 80: the plug-in reads at most log 2048 = 7.62 of 2 log 80 = 8.76 nats; a certificate that fails
    in at most 5 % of the cases for every law stays, in all but 10 %, below 2 log N + log 10 = 17.6 nats. At N = 512, K
    = 32: 6.24 of 6.93, and 14.8. The entropy of all 102 segments may be as large as 447 nats.

    Why: M with N(N-1)/(2M) <= 0.05. The objective reads log N from N samples in N different cells.
    """
    for samples, units, most, certified in ((2048, 80, 7.62, 17.6), (512, 32, 6.24, 14.8)):
        close(log(samples), most, 6e-3, "most that the plug-in reads")
        above(2 * log(units), log(samples), 0.1, "entropy of two segments over what the batch can show")
        at_most(log(20 * comb(samples, 2)), 2 * log(samples) + log(10), 1e-12, "certificate")
        close(2 * log(samples) + log(10), certified, 0.06, "certificate")
    close(102 * log(80), 447.0, 0.1, "capacity of 102 segments")
    labels = np.array([divmod(5 * i % 64, 8) for i in range(40)])
    q = designs.one_hot(labels, 8)
    close(-objective.code_terms(q, q.clone())[1], log(40), loss_tolerance(40, 2, 8), "reading of 40 different pairs")
