"""What the verdicts need beyond `musiclib.statistics`: differences of independent groups, counts with exact intervals,
seeds that changed nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

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
