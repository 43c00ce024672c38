"""C54 and C55: a second attribute that survives the views less often, and what identical segments cost beside a dead
one."""

from fractions import Fraction
from functools import lru_cache
from math import log

import numpy as np
import torch
from hypothesis import strategies as st

from proofs_checks.numbers.tolerance import above, at_least, close, loss_tolerance
from proofs_checks.objective import Objective
from proofs_checks.premises import designs_soft
from proofs_checks.premises.designs import one_hot
from proofs_checks.register import check

Weights = tuple[int, int]
"""How often the observed value of an attribute is the same in both views, and how often it is each of the others."""


def survival(weights: Weights, k: int) -> Fraction:
    """The probability that both views show the same value."""
    same, other = weights
    return Fraction(same, same + (k - 1) * other)


@lru_cache(maxsize=32)
def observations(k: int, first: Weights, second: Weights) -> tuple[np.ndarray, np.ndarray]:
    """Values (N, 2) of two independent attributes as each view shows them, every combination as often as its weight."""
    rows = []
    for a1, a2, b1, b2 in np.ndindex(k, k, k, k):
        times = first[int(a1 != a2)] * second[int(b1 != b2)]
        rows += [(a1, b1, a2, b2)] * times
    table = np.array(rows)
    return table[:, :2], table[:, 2:]


def codes(values: np.ndarray, attributes: tuple[int, ...], k: int, peaks: tuple[float, float]) -> torch.Tensor:
    """Codes (N, S, K) of segments that follow the given attributes, each with its attribute's peak."""
    return torch.cat([designs_soft.soften(values[:, [a]], k, peaks[a]) for a in attributes], dim=1)


def parts(rho: Fraction, k: int, p: float) -> tuple[float, float, float]:
    """(D, T, I) of C54: diagonal term, invariance term and information between two segments on this attribute."""
    same, other = p**2 + (1 - p) ** 2 / (k - 1), 2 * p * (1 - p) / (k - 1) + (k - 2) * ((1 - p) / (k - 1)) ** 2
    share = float(rho)
    tau = share * same + (1 - share) * other
    surprise = -share * log(same) - ((1 - share) * log(other) if share < 1 else 0.0)
    spread = (1 - tau) * log((1 - tau) / (k - 1)) if tau < 1 else 0.0
    return tau * log(tau / k), surprise, log(k) + tau * log(tau) + spread


def threshold(k: int, a: Fraction, b: Fraction, p: float) -> float:
    """c* of C54: the weight above which one of the segments should not take the second attribute."""
    same, other = p**2 + (1 - p) ** 2 / (k - 1), 2 * p * (1 - p) / (k - 1) + (k - 2) * ((1 - p) / (k - 1)) ** 2
    (d_a, _, shared), (d_b, _, _) = parts(a, k, p), parts(b, k, p)
    return (2 * shared + d_a - d_b) / (float(a - b) * log(same / other))


def losses(
    objective: Objective, k: int, s: int, weights: tuple[Weights, Weights], peaks: tuple[float, float], c: float
) -> tuple[float, float, float]:
    """(all segments on the first attribute, one of them on the second, tolerance)."""
    views = observations(k, *weights)
    values = []
    for attributes in ((0,) * s, (0,) * (s - 1) + (1,)):
        values.append(float(objective.code_loss(*(codes(v, attributes, k, peaks) for v in views), c)))
    return values[0], values[1], 2 * loss_tolerance(len(views[0]), s, k, lam=c, invariance=10.0)


peaks = st.sampled_from((0.5, 0.75, 0.9, 0.97))
kinds = st.sampled_from(((1, 0), (6, 1), (3, 1), (2, 1)))
weaker = st.sampled_from(((3, 1), (2, 1), (3, 2), (1, 1)))


@check(
    "C54",
    given={
        "k": st.integers(3, 4),
        "s": st.integers(2, 3),
        "first": kinds,
        "second": weaker,
        "p": st.tuples(peaks, peaks),
        "c": st.floats(0, 3, width=32, allow_subnormal=False),
    },
    kills=(
        "lam_ignored",
        "ti_always",
        "ti_linear",
        "ti_cross_entropy",
        "ti_log_of_mean",
        "off_product_of_marginals",
        "off_collision",
    ),
    cost=3,
)
def the_price_of_a_second_attribute(
    objective: Objective, k: int, s: int, first: Weights, second: Weights, p: tuple[float, float], c: float
) -> None:
    """All S segments on the first attribute: L = D_a + c T_a + I_a - 2 log K. One of them on the second: larger by
    (D_b - D_a + c (T_b - T_a) - 2 I_a)/S.

    Premises: independent uniform attributes; codes of any peak, not necessarily the same for both. Why: blocks of a
    segment on another attribute are uniform; the others have K cells of tau/K and K(K-1) of (1-tau)/(K(K-1)). The
    batch shows every combination of values as often as the law says, so it is the population.
    """
    (d_a, t_a, shared), (d_b, t_b, _) = (
        parts(survival(w, k), k, peak) for w, peak in zip((first, second), p, strict=True)
    )
    alike, parted, tolerance = losses(objective, k, s, (first, second), p, c)
    close(alike, d_a + c * t_a + shared - 2 * log(k), tolerance, "all segments on the first attribute")
    close(parted - alike, (d_b - d_a + c * (t_b - t_a) - 2 * shared) / s, tolerance, "one segment on the second")


def _survives_as_often(objective: Objective) -> None:
    """An attribute that survives as often as the first is taken by one of the segments at any weight."""
    alike, parted, _ = losses(objective, 3, 2, ((3, 1), (3, 1)), (0.9, 0.9), 100.0)
    above(parted, alike, 0.0, "one segment on an attribute that survives as often")


@check(
    "C54",
    given={
        "k": st.integers(3, 4),
        "first": st.sampled_from(((1, 0), (6, 1))),
        "second": weaker,
        "p": st.sampled_from((0.75, 0.9, 0.97)),
    },
    kills=("lam_ignored", "ti_always", "ti_linear", "off_product_of_marginals", "off_sign", "loss_constant"),
    breaks_without=(("b < a", _survives_as_often),),
    cost=3,
)
def above_the_threshold_segments_repeat(
    objective: Objective, k: int, first: Weights, second: Weights, p: float
) -> None:
    """A tenth below c* the segments are better on two attributes, a tenth above on one.

    Premises: b < a, one peak p > 1/K for both. Why: the difference is linear in c with slope (T_b - T_a)/S = (a - b)
    log (A/B)/S > 0.
    """
    a, b = survival(first, k), survival(second, k)
    c = threshold(k, a, b, p)
    step = 0.1 * max(abs(c), 0.1)
    for weight, sign in ((c + step, 1), (c - step, -1)):
        if weight >= 0:
            alike, parted, tolerance = losses(objective, k, 2, (first, second), (p, p), weight)
            above(sign * (parted - alike), tolerance, 0.0, f"order at c = {weight:.3f}, threshold {c:.3f}")
    alike, parted, tolerance = losses(objective, k, 2, (first, second), (p, p), 3 + c + step)
    above(parted, alike, tolerance, "two attributes over one, far above the threshold")


@check("C54", kills=("loss_constant", "ti_linear", "lam_ignored"))
def the_threshold_falls_as_codes_sharpen(objective: Objective) -> None:
    """K = 8, a = 1, p = 0.95: c* is 2.73, 1.19 and 0.64 for b = 3/4, 1/2, 1/4. With b = 1/2 it is 1.10, 0.84, 0.46 at
    p = 0.99, 0.999, 1 - 1e-6, and tends to (2 log K - log K - D_b)/((1 - b) log(1/(1-p))) (1 + o(1)). At K = 3, b =
    1/2, p = 1 - 1e-9 the loss prefers identical segments at c = 0.25 already.

    Premises: exact. Why: log(A/B) ~ log(1/(1-p)) while the numerator stays bounded.
    """
    one = Fraction(1)
    for b, stated in ((Fraction(3, 4), 2.73), (Fraction(1, 2), 1.19), (Fraction(1, 4), 0.64)):
        close(threshold(8, one, b, 0.95), stated, 6e-3, f"threshold at b = {b}")
    values = [threshold(8, one, Fraction(1, 2), p) for p in (0.99, 0.999, 1 - 1e-6)]
    close(values, (1.10, 0.84, 0.46), 6e-3, "thresholds of sharper codes")
    far = 1 - 1e-12
    limit = (log(8) - 0.5 * log(0.5 / 8)) / (0.5 * log(7 / (2 * (1 - far))))
    close(threshold(8, one, Fraction(1, 2), far) / limit, 1.0, 1e-3, "threshold against its limit")
    alike, parted, _ = losses(objective, 3, 2, ((1, 0), (2, 1)), (1 - 1e-9, 1 - 1e-9), 0.25)
    above(parted, alike, 0.2, "two attributes over one with sharp codes")


# C55 ----------------------------------------------------------------------------------------------


def _above_its_threshold(objective: Objective) -> None:
    identical, one_dead = dead_and_identical(objective, 3, 3, 2.0)
    at_least(identical, one_dead, 0.0, "identical segments over one dead")


def dead_and_identical(objective: Objective, k: int, s: int, lam: float) -> tuple[float, float]:
    """The loss of S identical balanced hard segments, and with the last of them uniform."""
    q = one_hot(np.arange(k)[:, None].repeat(s, 1), k)
    dead = q.clone()
    dead[:, -1] = 1 / k
    return float(objective.code_loss(q, q.clone(), lam)), float(objective.code_loss(dead, dead.clone(), lam))


@check(
    "C55",
    given={"k": st.integers(2, 8), "s": st.integers(2, 6), "lam": st.floats(0, 3, width=32, allow_subnormal=False)},
    kills=("lam_ignored", "ti_always", "ti_linear", "diag_no_1_over_S", "off_over_S2", "off_sign", "diag_whole_block"),
    breaks_without=(("lambda < 1 + 2/K", _above_its_threshold),),
    examples=({"k": 8, "s": 4, "lam": 1.0}, {"k": 3, "s": 2, "lam": 1.0}),
)
def a_dead_segment_is_cheaper_than_a_repeated_one(objective: Objective, k: int, s: int, lam: float) -> None:
    """One of S identical segments made uniform changes L by (lambda - 1 - 2/K) log K / S: less loss at lambda = 1.

    Premises: balanced, hard, invariant. Why: (1 - 2/K) log K of diagonal and lambda log K of invariance are lost over
    S; 2 (S-1) of S(S-1) blocks gain log K.
    """
    identical, one_dead = dead_and_identical(objective, k, s, lam)
    tolerance = 2 * loss_tolerance(k, s, k, lam=lam, invariance=log(k))
    close(one_dead - identical, (lam - 1 - 2 / k) * log(k) / s, tolerance, "change of the loss")
    close(identical, -2 * log(k), tolerance, "loss of identical segments")
