"""How low can the loss be at CIFAR-10's sizes, N = 512, K = 32, S = 32? A bracket for lambda = 0, 1 (C9, C10)."""

from __future__ import annotations

from math import log
from typing import Any

import torch

import musiclib
from proofs_checks.explore import lines
from proofs_checks.explore.bounds import loss_lower_bound
from proofs_checks.explore.record import Exploration
from proofs_checks.premises import designs, designs_soft

UNITS, SLOPES, SEGMENTS = 32, 16, 32
SAMPLES = UNITS * SLOPES


def polish(codes: torch.Tensor, lam: float, steps: int) -> torch.Tensor:
    """Leave the family: the best code that Adam on free logits, both views tied, meets from a given code."""
    segments = codes.shape[1]
    z = codes.clamp_min(1e-4).log().float().reshape(len(codes), -1)
    loss_of = musiclib.MusicLoss(segments=segments, invariance_weight=lam)
    _, z = lines.descend(z, lambda z: loss_of(z, z), steps, rate=0.02)
    free = musiclib.segment_softmax(z, segments).double()
    return free / free.sum(-1, keepdim=True)


def loss_of_codes(codes: torch.Tensor, lam: float) -> float:
    """The loss of a code in both views, float64, by the library."""
    terms = musiclib.code_terms(codes, codes, tile=512)
    return float(terms.diagonal + terms.off_diagonal + lam * terms.invariance)


def row(lam: float, start: str, steps: int, free_steps: int, seed: int) -> dict[str, Any]:
    """From one start: the best loss in the family of lines, and after freeing all logits."""
    generator = torch.Generator().manual_seed(seed)
    logits = lines.starts(SLOPES, SEGMENTS, UNITS, generator)[start]
    _, profiles = lines.minimise(logits, lam, steps)
    codes = lines.expand(profiles)
    family, free = loss_of_codes(codes, lam), loss_of_codes(polish(codes, lam, free_steps), lam)
    best = min(family, free)
    partial_bush = designs.one_hot(designs.partial_bush(UNITS, SLOPES, SEGMENTS), UNITS)
    return {
        "family_loss": family,
        "free_loss": free,
        "best_loss": best,
        "hard_floor": designs.hard_floor(SAMPLES, UNITS),
        "below_hard_floor": designs.hard_floor(SAMPLES, UNITS) - best,
        "lower_bound": loss_lower_bound(SAMPLES, UNITS, lam),
        "perfect_loss": -3 * log(UNITS),
        "partial_bush_loss": loss_of_codes(partial_bush, lam),
        "slope_class_loss": loss_of_codes(designs_soft.slope_class_code(UNITS, SLOPES, SEGMENTS), lam),
        **lines.peak_statistics(profiles),
    }


EXPLORATION = Exploration(
    name="floor",
    question="How low can the loss be at N = 512, K = 32, S = 32, half as many samples as pairs of units?",
    reading={
        "lower_bound": "no code, hard or soft, is below (rigorous)",
        "best_loss": "a code with this loss was found (an upper bound of the minimum)",
        "hard_floor": "no one-hot code is below; the partial Bush array attains it",
        "family_loss": "after Adam within the codes that have the symmetry of lines",
        "free_loss": "after further Adam steps on all N*S*K logits, views tied",
    },
    settings=[
        {"lam": lam, "start": start, "steps": 800, "free_steps": 15, "seed": 0}
        for lam in (0.0, 1.0)
        for start in ("hard", "slope class", "halved", "noise")
    ],
    row=row,
)
