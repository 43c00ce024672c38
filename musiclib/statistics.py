"""Means with t intervals and paired differences by seed. Three to ten seeds are few: the percentile bootstrap covers
far less than it says there, and 1.96 standard errors do too; Student's t is exact for normal data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95


def t_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Mean and half-width of its t interval; the half-width of a single value is NaN (one run says nothing of
    spread). An empty list is an error."""
    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or x.size == 0:
        raise ValueError(f"values: expected a list of at least one number, got shape {x.shape}")
    if x.size == 1:
        return float(x[0]), math.nan
    return float(x.mean()), float(stats.t.ppf((1 + level) / 2, x.size - 1) * x.std(ddof=1) / math.sqrt(x.size))


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


def p_value(interval: Interval, level: float = LEVEL) -> float:
    """Two-sided p-value of "the mean is zero" that goes with a t interval of `level`; NaN for fewer than two values."""
    if not interval.bounded:
        return math.nan
    if interval.half == 0:
        return 0.0 if interval.mean else 1.0
    t = abs(interval.mean) / interval.half * stats.t.ppf((1 + level) / 2, interval.n - 1)
    return float(2 * stats.t.sf(t, interval.n - 1))


def holm(p_values: Mapping[object, float]) -> dict[object, float]:
    """Adjusted p-values of a family of comparisons: below 0.05 means decided with 5 % over the whole family.

    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979). NaN (nothing to
    compare) stays NaN and does not count.
    """
    ranked = sorted((p, i) for i, p in enumerate(p_values.values()) if not math.isnan(p))
    adjusted, largest = [math.nan] * len(p_values), 0.0
    for rank, (p, i) in enumerate(ranked):
        largest = max(largest, min(1.0, (len(ranked) - rank) * p))
        adjusted[i] = largest
    return dict(zip(p_values, adjusted, strict=True))


def percent(interval: Interval, plus_minus: str = "±") -> str:
    """'61.42 ± 0.35', '61.42 (1 run)' or '-'. The interval is symmetric, so one number gives it."""
    if interval.n == 0:
        return "-"
    if not interval.bounded:
        return f"{100 * interval.mean:.2f} (1 run)"
    return f"{100 * interval.mean:.2f} {plus_minus} {100 * interval.half:.2f}"
