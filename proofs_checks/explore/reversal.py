"""Which softness does a batch of N ask for? The best peakedness r*(N), and when the pull reverses (C31)."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from proofs_checks.explore.record import Exploration
from proofs_checks.premises.designs import pair_counts, uniform_loss


def batch_losses(counts: np.ndarray, firsts: np.ndarray, seconds: np.ndarray, r: float, lam: float) -> np.ndarray:
    """The loss of each batch (B,) at q = r e_c + (1-r)/K, two segments, views alike, from the counts of a hard code.

    counts: joint counts (B, K, K) over N; firsts, seconds: marginal frequencies (B, K) of the two segments.
    """
    k = counts.shape[1]
    samples = counts.sum((1, 2), keepdims=True)
    u = (1 - r) / k
    joint = r * r * counts / samples + r * u * (firsts[:, :, None] + seconds[:, None, :]) + u * u
    off = (joint * np.log(np.maximum(joint, 1e-300))).sum((1, 2))
    own = [(r * r + 2 * r * u) * p + u * u for p in (firsts, seconds)]
    diagonal = sum((p * np.log(np.maximum(p, 1e-300))).sum(1) for p in own) / 2
    agreement = (r + u) ** 2 + (k - 1) * u * u
    return diagonal + off - lam * log(agreement)


def row(units: int, samples: int, lam: float, batches: int, seed: int) -> dict[str, Any]:
    """The minimiser of the mean loss of `batches` iid batches, with a jackknife error, and the slope at r = 0.9."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(units, size=(batches, 2, samples))
    counts = np.stack([pair_counts(a, b, units) for a, b in labels]).astype(float)
    firsts, seconds = counts.sum(2) / samples, counts.sum(1) / samples

    def best(keep: np.ndarray) -> float:
        found = minimize_scalar(
            lambda r: batch_losses(counts[keep], firsts[keep], seconds[keep], r, lam).mean(),
            bounds=(0.0, 1 - 1e-9),
            method="bounded",
            options={"xatol": 1e-6},
        )
        # far below K^(1+2/K) samples the collapse is better
        return float(found.x) if found.fun < uniform_loss(units, lam) else 0.0

    everyone = np.ones(batches, bool)
    groups = np.arange(batches) % 8
    left_out = np.array([best(groups != g) for g in range(8)])
    step = 1e-5
    below, above = (batch_losses(counts, firsts, seconds, r, lam).mean() for r in (0.9 - step, 0.9 + step))
    slope = (above - below) / (2 * step)
    tau, growth = 1 / units + 0.81 * (1 - 1 / units), 1.8 * (1 - 1 / units)
    population = (log(tau / units) + 1 - lam / tau) * growth
    return {
        "best_r": best(everyone),
        "best_r_error": float(np.sqrt(7 / 8 * np.square(left_out - left_out.mean()).sum())),
        "slope_at_0.9": float(slope),
        "population_slope_at_0.9": population,
        "first_order_slope_at_0.9": population + units**2 * tau * growth / samples,
        "share_of_cells": samples / units**2,
    }


EXPLORATION = Exploration(
    name="reversal",
    question="Along q = r e_c + (1-r)/K: which r does a batch of N iid samples prefer, and when does it soften codes?",
    reading={
        "best_r": "minimiser of the expected batch loss (1 is one-hot, 0 the uniform collapse)",
        "best_r_error": "jackknife standard error over 8 groups of batches",
        "slope_at_0.9": "dL/dr at r = 0.9: negative pulls towards one-hot codes, positive pushes away",
        "first_order_slope_at_0.9": "population slope + K^2 tau tau'/N (C31)",
    },
    settings=[
        {"units": units, "samples": samples, "lam": lam, "batches": 32, "seed": 0}
        for lam in (0.0, 1.0)
        for units in (8, 16, 32, 80)
        for samples in sorted(
            {
                *(int(units**2 * f) for f in (0.08, 0.125, 0.25, 0.5, 1, 2, 4)),
                *((512, 1024, 2048) if units == 80 else ()),
            }
        )
        if samples >= 8
    ],
    row=row,
)
