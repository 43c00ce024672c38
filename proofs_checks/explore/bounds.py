"""A rigorous lower bound of min L for batches of N < K^2 samples (C10), by monotone cells instead of a grid."""

from __future__ import annotations

from math import log

import numpy as np


def _entropy(a: np.ndarray, units: int) -> np.ndarray:
    """Entropy of (a, b, ..., b), b = (1-a)/(K-1), the largest at its sum of squares (Harremoes and Topsoe)."""
    b = (1 - a) / (units - 1)
    return -(a * np.log(a) + (1 - a) * np.log(np.where(b > 0, b, 1.0)))


def loss_lower_bound(samples: int, units: int, lam: float, cells: int = 20_000) -> float:
    """A lower bound of the loss of all codes of N samples over K >= 3 units, any S >= 2, hard or soft.

    L_diag + lam L_ti >= -log K + E[(log K - 1)(1 - c) - lam log c] with c = |q|^2 (C1's tangent; <q', q''> is at most
    the mean of the two norms, and at most their product). L_off >= max(-2 log K, -log N - 2 E H(q)) (C20; C39 with
    I <= log N). A maximum is at least any mixture mu A + (1-mu) B, so L >= max over mu of min over q of a function of
    c and H(q) alone; given c the largest H is that of (a, b, ..., b), and there c rises and H falls with a. Hence on
    each cell [a0, a1] the function is at least its terms at the respective worse ends: a bound, not a sample. 1e-9
    covers the rounding.
    """
    if units < 3 or samples < 1:
        raise ValueError(f"needs K >= 3 and N >= 1, got K={units}, N={samples}")
    edges = np.unique(np.concatenate([np.linspace(1 / units, 1, cells), 1 - np.geomspace(1e-9, 1e-3, cells // 10)]))
    low, high = edges[:-1], edges[1:]
    b_high = (1 - high) / (units - 1)
    squares_high = high**2 + (units - 1) * b_high**2
    # the largest entropy of the cell: H falls with a
    entropy_low = _entropy(low, units)
    penalty = (log(units) - 1) * (1 - squares_high) - lam * np.log(squares_high)
    best = -np.inf
    for mu in np.linspace(0, 1, 201):
        inner = (penalty - 2 * (1 - mu) * entropy_low).min()
        best = max(best, -log(units) - 2 * mu * log(units) - (1 - mu) * log(samples) + inner)
    return float(best - 1e-9)
