"""Means with t intervals, paired differences by seed, counts with exact intervals. Three to ten seeds are few: the
percentile bootstrap covers far less than it says there, and 1.96 standard errors do too; Student's t is exact for
normal data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from musiclib.intervals import t_interval

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate with an interval. n: numbers it rests on. With n = 1 there is a mean and no interval (low, high are
    nan); with n = 0 all three are nan."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2

    @property
    def bounded(self) -> bool:
        """Whether there is an interval at all."""
        return math.isfinite(self.low) and math.isfinite(self.high)


def clean(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64).ravel()
    if not np.isfinite(array).all():
        raise ValueError(
            f"values must be finite, got {array[~np.isfinite(array)][:3].tolist()}; leave failed runs out and "
            f"count them"
        )
    return array


def mean_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Mean and two-sided t interval of independent values. Equal values have an interval of width zero."""
    x = clean(values)
    if len(x) == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    if len(x) == 1:
        return Interval(float(x[0]), math.nan, math.nan, 1)
    mean, half = t_interval(x, level)
    return Interval(mean, mean - half, mean + half, len(x))


def paired_difference(a: Mapping[object, float], b: Mapping[object, float], level: float = LEVEL) -> Interval:
    """Mean of a[key] - b[key] over the keys (seeds, or seed and data set) that both have, with its t interval. Two
    methods that share seeds share data order and views, so the difference is known better than either mean."""
    return mean_interval([a[k] - b[k] for k in a if k in b], level)


def welch_difference(a: Sequence[float], b: Sequence[float], level: float = LEVEL) -> Interval:
    """mean(a) - mean(b) of independent groups with unequal spread. n is the smaller group; no interval when a group
    has fewer than two values."""
    x, y = clean(a), clean(b)
    if not len(x) or not len(y):
        return Interval(math.nan, math.nan, math.nan, 0)
    difference, n = float(x.mean() - y.mean()), min(len(x), len(y))
    if n < 2:
        return Interval(difference, math.nan, math.nan, n)
    vx, vy = x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)
    if vx + vy == 0:
        return Interval(difference, difference, difference, n)
    freedom = (vx + vy) ** 2 / (vx**2 / (len(x) - 1) + vy**2 / (len(y) - 1))
    half = float(stats.t.ppf((1 + level) / 2, freedom) * math.sqrt(vx + vy))
    return Interval(difference, difference - half, difference + half, n)


def share_interval(count: int, n: int, level: float = LEVEL) -> Interval:
    """Share of n runs in which something happened, with the exact (Clopper-Pearson) interval: 0 of 3 is compatible
    with 0.71."""
    if not 0 <= count <= n:
        raise ValueError(f"count={count} must lie between 0 and n={n}")
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    tail = (1 - level) / 2
    low = 0.0 if count == 0 else float(stats.beta.ppf(tail, count, n - count + 1))
    high = 1.0 if count == n else float(stats.beta.ppf(1 - tail, count + 1, n - count))
    return Interval(count / n, low, high, n)


def repeated(values: Mapping[int, float]) -> list[tuple[int, ...]]:
    """Groups of seeds with exactly the same value: a seed that changes nothing makes an interval that means nothing."""
    groups: dict[float, list[int]] = {}
    for seed, value in values.items():
        groups.setdefault(value, []).append(seed)
    return [tuple(sorted(g)) for g in groups.values() if len(g) > 1]
