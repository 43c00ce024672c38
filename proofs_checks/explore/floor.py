"""How low can the loss be at the sizes of CIFAR-10, N = 512, K = 32, S = 32? A bracket for lambda = 0 and 1 (C9,
C10).
"""

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


def polish(codes: torch.Tensor, lam: float, steps: int) -> tuple[float, torch.Tensor]:
    """Adam on free logits (both views tied) from a given code: does leaving the symmetric family help?"""
    z = (codes.clamp_min(1e-4).log()).float().reshape(len(codes), -1).requires_grad_()
    adam = torch.optim.Adam([z], lr=0.02)
    loss_of = musiclib.MusicLoss(segments=codes.shape[1], invariance_weight=lam)
    best, kept = float("inf"), codes
    for _ in range(steps):
        loss = loss_of(z, z)
        value = float(loss.detach())
        if value < best:
            best, kept = value, musiclib.segment_softmax(z.detach(), codes.shape[1]).double()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return best, kept / kept.sum(-1, keepdim=True)


def value(codes: torch.Tensor, lam: float) -> float:
    """L of a code in both views, float64, by the library."""
    terms = musiclib.code_terms(codes, codes, tile=512)
    return float(terms.diagonal + terms.off_diagonal + lam * terms.invariance)


def row(lam: float, start: str, steps: int, free_steps: int, seed: int) -> dict[str, Any]:
    """One start: the best loss in the family of lines, and after freeing all logits."""
    generator = torch.Generator().manual_seed(seed)
    logits = lines.starts(SLOPES, SEGMENTS, UNITS, generator)[start]
    _, profiles = lines.minimise(logits, lam, steps)
    codes = lines.expand(profiles)
    family = value(codes, lam)
    _, free = polish(codes, lam, free_steps)
    best = min(family, value(free, lam))
    return {
        "family_loss": family,
        "free_loss": value(free, lam),
        "best_loss": best,
        "hard_floor": designs.hard_floor(SAMPLES, UNITS),
        "below_hard_floor": designs.hard_floor(SAMPLES, UNITS) - best,
        "lower_bound": loss_lower_bound(SAMPLES, UNITS, lam),
        "perfect_loss": -3 * log(UNITS),
        "partial_bush_loss": value(designs.one_hot(designs.partial_bush(UNITS, SLOPES, SEGMENTS), UNITS), lam),
        "slope_class_loss": value(designs_soft.slope_class_code(UNITS, SLOPES, SEGMENTS), lam),
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
