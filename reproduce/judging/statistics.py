"""What the verdicts need beyond `musiclib.statistics`: differences of independent groups, counts with exact intervals,
seeds that changed nothing."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from musiclib.statistics import LEVEL, Interval, clean, mean_interval, paired_difference

__all__ = [
    "LEVEL",
    "Interval",
    "clean",
    "mean_interval",
    "paired_difference",
    "repeated",
    "share_interval",
    "welch_difference",
]


def welch_difference(a: Sequence[float], b: Sequence[float], level: float = LEVEL) -> Interval:
    """mean(a) - mean(b) of independent groups with unequal spread. n is the smaller group; no interval when a group
    has fewer than two values."""
    x, y = clean(a), clean(b)
    if not len(x) or not len(y):
        return Interval(math.nan, math.nan, math.nan, 0)
    difference, n = float(x.mean() - y.mean()), min(len(x), len(y))
    if n < 2:
        return Interval(difference, math.nan, math.nan, n)
    if np.ptp(x) == np.ptp(y) == 0:  # no spread at all, of which scipy makes no interval
        return Interval(difference, difference, difference, n)
    with warnings.catch_warnings():
        # of a group with equal values scipy fears that they lost their digits
        warnings.simplefilter("ignore", RuntimeWarning)
        found = stats.ttest_ind(x, y, equal_var=False).confidence_interval(level)
    return Interval(difference, float(found.low), float(found.high), n)


def share_interval(count: int, n: int, level: float = LEVEL) -> Interval:
    """Share of n runs in which something happened, with the exact (Clopper-Pearson) interval: 0 of 3 is compatible
    with 0.71."""
    if not 0 <= count <= n:
        raise ValueError(f"count={count} must lie between 0 and n={n}")
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    found = stats.binomtest(count, n).proportion_ci(level, method="exact")
    return Interval(count / n, float(found.low), float(found.high), n)


def repeated(values: Mapping[int, float]) -> list[tuple[int, ...]]:
    """Groups of seeds with exactly the same value: a seed that changes nothing makes an interval that means nothing."""
    groups: dict[float, list[int]] = {}
    for seed, value in values.items():
        groups.setdefault(value, []).append(seed)
    return [tuple(sorted(g)) for g in groups.values() if len(g) > 1]
