"""How soft are the best codes when the batch is smaller than K^2, and how much do they gain? (C10)"""

from __future__ import annotations

from typing import Any

import torch

from proofs_checks.explore import lines
from proofs_checks.explore.bounds import loss_lower_bound
from proofs_checks.explore.record import Exploration
from proofs_checks.premises import designs


def row(units: int, slopes: int, segments: int, lam: float, steps: int, seed: int) -> dict[str, Any]:
    """The best of four starts within the codes that have the symmetry of lines, at N = m K."""
    generator = torch.Generator().manual_seed(seed)
    found = {
        name: lines.minimise(logits, lam, steps)
        for name, logits in lines.starts(slopes, segments, units, generator).items()
    }
    name, (best, profiles) = min(found.items(), key=lambda item: item[1][0])
    samples = slopes * units
    return {
        "samples": samples,
        "share_of_cells": samples / units**2,
        "best_loss": best,
        "best_start": name,
        "losses": {start: loss for start, (loss, _) in found.items()},
        "hard_floor": designs.hard_floor(samples, units),
        "gain_over_hard": designs.hard_floor(samples, units) - best,
        "lower_bound": loss_lower_bound(samples, units, lam),
        **lines.peak_statistics(profiles),
    }


EXPLORATION = Exploration(
    name="softness",
    question="At N < K^2 no minimiser is one-hot: how soft is it, and how far below every one-hot code?",
    reading={
        "share_of_cells": "N / K^2",
        "gain_over_hard": "nats by which the best code found lies below every one-hot code",
        "mean_peak": "mean over samples and segments of the largest probability",
        "share_without_majority": "share of codes whose largest probability is below one half",
    },
    settings=[
        {"units": units, "slopes": slopes, "segments": segments, "lam": lam, "steps": 500, "seed": 0}
        for lam in (0.0, 1.0)
        for units, segments in ((8, 3), (8, 6), (16, 3), (16, 8))
        for slopes in sorted({1, 2, units // 4, units // 2, 3 * units // 4, units - 1, units})
    ],
    row=row,
)
