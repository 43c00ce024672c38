"""Exact soft codes and dependent families: the constructions that show where the paper's words stop being true.

Each returns codes of shape (N, S, K), float64, on the closed simplex, or label tables as in `designs.py`, and each
checks the property that it exists for before it returns. Integers decide wherever the property is a count.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations
from math import e, log, sqrt

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import lambertw
from torch import Tensor

from proofs_checks.premises.designs import DesignError, one_hot, pair_counts, partial_bush, triple, verify_strength_two

# ---------------------------------------------------------------------------------------------------------------------
# Soft arrays


def soften(labels: Int[np.ndarray, "n s"], units: int, peak: float) -> Float[Tensor, "n s k"]:
    """Codes with probability `peak` on the labelled unit and the rest spread evenly.

    peak = 1 gives one-hot codes, peak = 1/K the uniform collapse. Two views made with the same peak agree by
    <q', q''> = peak^2 + (1 - peak)^2 / (K - 1) everywhere.
    """
    if not 0 <= peak <= 1:
        raise DesignError(f"peak must lie in [0, 1], got {peak}")
    hard = one_hot(labels, units)
    return hard * peak + (1 - hard) * ((1 - peak) / (units - 1))


def peak_for_agreement(agreement: float) -> float:
    """The peak a >= 1/2 with a^2 + (1-a)^2 = agreement, for K = 2 and agreement in [1/2, 1]."""
    return (1 + sqrt(2 * agreement - 1)) / 2


def best_agreement(invariance_weight: float) -> float:
    """The agreement tau* that minimises tau log(tau/2) - lambda log tau at K = 2 (C2, C3).

    2/e at lambda = 0; lambda / W0(e lambda / 2) below the threshold 1 - log 2; 1 from there on.
    """
    if invariance_weight == 0:
        return 2 / e
    if invariance_weight >= 1 - log(2):
        return 1.0
    return float(invariance_weight / lambertw(e * invariance_weight / 2).real)


def soft_minimiser(labels: Int[np.ndarray, "n s"], invariance_weight: float = 0.0) -> Float[Tensor, "n s 2"]:
    """The minimiser at K = 2 that is soft in both views (C2 a, C3), on an orthogonal array over 2 units.

    At lambda = 0 the peak is (1 + sqrt(4/e - 1)) / 2 = 0.843336..., reached at a logit gap of 1.683260... temperatures.
    """
    verify_strength_two(labels, 2)
    return soften(labels, 2, peak_for_agreement(best_agreement(invariance_weight)))


def one_sided_minimiser(labels: Int[np.ndarray, "n s"]) -> tuple[Tensor, Tensor]:
    """Two views as good as any at K = 2, lambda = 0, and not invariant (C2 b).

    The first view is hard, the second has 2/e on the same unit and 1 - 2/e on the other.
    """
    verify_strength_two(labels, 2)
    return one_hot(labels, 2), soften(labels, 2, 2 / e)


def flipped_minimiser(
    labels: Int[np.ndarray, "n s"], copies: int, flipped: int
) -> tuple[Int[np.ndarray, "m s"], Int[np.ndarray, "m s"]]:
    """Hard views that disagree on a share of the samples, where that pays (C2 c).

    In `flipped` of `copies` copies of an array over 2 units the second view shows the other unit everywhere. P_st stays
    uniform (a flip maps the array's counts onto themselves) and each P_ss(i,i) is (1 - flipped/copies)/2; both are
    counted here. The loss is nearest to its minimum where the share flipped is nearest to 1 - 2/e = 0.2642.
    """
    index = verify_strength_two(labels, 2)
    first = np.tile(labels, (copies, 1))
    second = first.copy()
    second[: flipped * len(labels)] = 1 - second[: flipped * len(labels)]
    for s in range(labels.shape[1]):
        for t in range(labels.shape[1]):
            counts = pair_counts(first[:, s], second[:, t], 2)
            if s != t and (counts != index * copies).any():
                raise DesignError(f"segments {s} and {t} are no longer independent across views")
            if s == t and (2 * np.diag(counts) != (copies - flipped) * len(labels)).any():
                raise DesignError(f"segment {s} agrees on {np.diag(counts).tolist()} samples")
    return first, second


def slope_class_code(units: int, slopes: int, segments: int) -> Float[Tensor, "n s k"]:
    """C10's explicit soft code: a partial Bush array whose segment t is uniform on all samples of slope class t mod m.

    N = m K. Its loss lies below that of every hard code when K is large enough (K = 81, m = 25, S = 24: by 0.054 nats).
    """
    codes = one_hot(partial_bush(units, slopes, segments), units)
    for t in range(segments):
        block = t % slopes
        codes[block * units : (block + 1) * units, t] = 1 / units
    return codes


# ---------------------------------------------------------------------------------------------------------------------
# Dependence that a loss cannot see


def uncorrelated_permutations(units: int, limit: int | None = None) -> list[tuple[int, ...]]:
    """All permutations pi of 0..K-1 for which y = pi(x) depends on x without being correlated with it.

    That is 4 sum x pi(x) = K (K-1)^2, in integers. The search is exhaustive, so an empty list is a proof that there is
    none (K = 3 and K = 6).
    """
    if units > 9:
        raise DesignError(f"exhaustive search is meant for K <= 9, got {units}")
    found = []
    for pi in permutations(range(units)):
        if 4 * sum(x * y for x, y in enumerate(pi)) == units * (units - 1) ** 2:
            found.append(pi)
            if limit is not None and len(found) == limit:
                break
    return found


@dataclass(frozen=True)
class DependentPair:
    """Samples of (x, y), in exact counts: with probability rho y = pi(x), else y is an independent uniform level."""

    labels: Int[np.ndarray, "n 2"]
    units: int
    rho: Fraction
    permutation: tuple[int, ...]

    @property
    def information(self) -> float:
        """I(x; y) in nats, from the two cell probabilities that occur: (1 + rho (K-1)) / K^2 and (1 - rho) / K^2."""
        k, rho = self.units, float(self.rho)
        on, off = 1 + rho * (k - 1), 1 - rho
        return on * log(on) / k + (off * log(off) * (k - 1) / k if off > 0 else 0.0)

    @property
    def scalars(self) -> Float[Tensor, "n 2"]:
        """The two variables as equispaced numbers, centred and of variance one: what a scalar criterion is shown."""
        x = torch.from_numpy(self.labels).double() - (self.units - 1) / 2
        return x / x.square().mean(0).sqrt()


def dependent_pair(units: int, rho: Fraction, permutation: tuple[int, ...] | None = None) -> DependentPair:
    """A dependent, uncorrelated pair of variables at a rational rho = a/b (C24).

    N = b K^2 samples: b - a copies of all pairs, and a K copies of each (x, pi(x)).
    """
    if not 0 <= rho <= 1:
        raise DesignError(f"rho must lie in [0, 1], got {rho}")
    choices = [permutation] if permutation is not None else uncorrelated_permutations(units, limit=1)
    if not choices:
        raise DesignError(f"K={units} has no uncorrelated permutation of equispaced levels")
    pi = choices[0]
    counts = np.full((units, units), rho.denominator - rho.numerator)
    counts[np.arange(units), list(pi)] += rho.numerator * units
    x, y = (np.repeat(g.ravel(), counts.ravel()) for g in np.mgrid[:units, :units])
    # 4 N times the covariance, in integers; both means are (K-1)/2
    covariance = 4 * int((x * y).sum()) - len(x) * (units - 1) ** 2
    if covariance or (np.bincount(x) != len(x) // units).any() or (np.bincount(y) != len(y) // units).any():
        raise DesignError("the pair is correlated or not uniform")
    return DependentPair(np.stack([x, y], axis=1).astype(np.int64), units, rho, pi)


def parabola(units: int, points: int, strength: float = 1.0) -> Float[Tensor, "n 2 k"]:
    """Two soft segments, the second a function of the first, whose joint distribution is exactly uniform (C23).

    x runs over 2 `points` + 1 symmetric values; segment 0 is 1/K + x u, segment 1 is 1/K + y v with y = x^2 - mean
    x^2 and u, v of zero sum. E x = E y = E xy = E x^3 = 0, so every P_st is 1/K^2: no criterion of second moments,
    the loss included, can see that x determines y. K even: u, v alternate +1, -1, scaled by `strength` in (0, 1] of
    what the simplex allows.
    """
    if units % 2:
        raise DesignError(f"the alternating direction needs an even K, got {units}")
    if not 0 < strength <= 1 or points < 1:
        raise DesignError(f"strength must lie in (0, 1] and points be >= 1, got {strength}, {points}")
    x = torch.arange(-points, points + 1, dtype=torch.float64) / points
    y = x.square() - x.square().mean()
    sign = 1 - 2 * (torch.arange(units) % 2).double()
    codes = torch.stack([x[:, None] * sign, y[:, None] * sign], dim=1) * (strength / units) + 1 / units
    if codes.min() < 0 or (codes.sum(-1) - 1).abs().max() > 1e-14:
        raise DesignError("the parabola left the simplex")
    integers = np.arange(-points, points + 1)
    if (integers**3).sum() or integers.sum():
        raise DesignError("the grid is not symmetric")
    return codes


def one_view_duplicates(units: int, segments: int) -> tuple[Int[np.ndarray, "n s"], Int[np.ndarray, "n s"]]:
    """Labels of two views that repeat one variable each in all segments, U in one and V in the other (C26).

    U and V are independent, and N = K^2.
    """
    u, v = (g.ravel() for g in np.mgrid[:units, :units])
    first, second = (np.repeat(c[:, None], segments, axis=1).astype(np.int64) for c in (u, v))
    if (pair_counts(u, v, units) != 1).any():
        raise DesignError("U and V are not independent")
    return first, second


def skewed_attributes(parts: tuple[int, ...], segments: int = 3) -> Int[np.ndarray, "n s"]:
    """Attributes that are independent in pairs and unevenly used, each by the law parts / sum(parts) (C27).

    The triple a, b, a+b modulo M = sum(parts), its M levels lumped into K units of the given sizes. N = M^2, S <= 3.
    """
    if not 2 <= segments <= 3 or min(parts) < 1:
        raise DesignError(f"segments must be 2 or 3 and parts positive, got {segments}, {parts}")
    lumped = np.repeat(np.arange(len(parts)), parts)[triple(sum(parts))[:, :segments]]
    expected = np.outer(parts, parts)
    for s in range(segments):
        for t in range(s):
            if (pair_counts(lumped[:, s], lumped[:, t], len(parts)) != expected).any():
                raise DesignError(f"segments {s} and {t} are not independent")
    return lumped.astype(np.int64)


def entropy_of(parts: tuple[int, ...]) -> float:
    """Entropy in nats of the distribution parts / sum(parts)."""
    total = sum(parts)
    return -sum(p / total * log(p / total) for p in parts if p)
