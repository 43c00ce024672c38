"""How fine a loss is computed and how far apart it lets two views be: measured on the loss itself.

Resolution: the roughness of the loss along lines in the logits, from a table of differences (More and Wild 2011,
"Estimating computational noise"): differences of order six of a smooth function vanish at the step used, those of
rounding errors do not. It needs no reference, so a smooth loss with a wrong equation has a fine resolution.

Reach: with two views saturated on different units, logits (M, 0) and (0, M), the invariance term grows as M - log 2.
The largest M up to which the loss follows is its reach, where that is a limit and not an error from the start.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from proofs_checks.conformance.target import drawn
from proofs_checks.objective import MUSIC

Loss = Callable[[Tensor, Tensor, int], Tensor]

ORDER, STEP, POINTS, LINES = 6, 1e-3, 13, 9
FACTOR = 48.0
"""From the measured roughness (a standard deviation) to what an answer may be off."""
FINEST, COARSEST = 1e-12, 5e-2
"""Below the first, rounding in float64 on the way through codes; above the second nothing is excused."""
SINGLE = 1e-5
"""What float32 may be off: enough for every claim, those of numerics included."""
MARGINS = (*range(1, 21), 24, 28, 32, 40, 60, 80, 85, 90, 110, 200, 400, 700, 750, 2000, 10_000)
LEAST_REACH = 9.0
"""A loss that does not follow up to here (e^-9 is one part in eight thousand) is wrong, not limited."""


@dataclass(frozen=True)
class Limits:
    """resolution: how far an answer may be off, relative to 1 + 3 log K + |value|, in nats.

    reach: the largest margin in nats up to which disagreement is felt, infinite if no limit was found (or none felt).
    """

    resolution: float = FINEST
    reach: float = math.inf

    @property
    def coarse(self) -> bool:
        """Whether it is computed in less than float64."""
        return self.resolution > 1e-9

    @property
    def arithmetic(self) -> str:
        """The floating-point type that the resolution is typical of."""
        if not self.coarse:
            return "float64"
        return "float32" if self.resolution <= SINGLE else "half precision"


def roughness(loss: Loss, seed: int) -> float:
    """The standard deviation of the rounding error of a loss along one line, relative to 1 + 3 log K + |value|."""
    n, s, k = 16, 3, 4
    z1, z2, line = (drawn(n, s * k, seed=3 * seed + i) for i in range(3))
    with torch.no_grad():
        values = torch.stack([loss(z1 + i * STEP * line, z2, s).detach().double() for i in range(POINTS)])
    differences = values
    for _ in range(ORDER):
        differences = differences[1:] - differences[:-1]
    share = math.factorial(ORDER) ** 2 / math.factorial(2 * ORDER)
    return math.sqrt(share * float(differences.square().mean())) / (1 + 3 * math.log(k) + abs(float(values[0])))


def measure_resolution(loss: Loss) -> float:
    """FACTOR times the median roughness over a few lines, within [FINEST, COARSEST]; FINEST where it is beyond."""
    typical = FACTOR * statistics.median(roughness(loss, seed) for seed in range(LINES))
    return max(FINEST, typical) if typical <= COARSEST else FINEST


def measure_reach(loss: Loss, resolution: float) -> float:
    """The reach of a loss, infinite if it follows up to the last margin, or not even up to the least."""
    last = 0.0
    for margin in MARGINS:
        z1 = torch.tensor([[margin, 0.0, 0.0, 0.0, margin, 0.0]], dtype=torch.float64).repeat(4, 1)
        z2 = z1.roll(1, 1)
        with torch.no_grad():
            got, want = float(loss(z1, z2, 2)), float(MUSIC.logit_loss(z1, z2, 2))
        if not abs(got - want) <= (1e-3 + resolution) * (1 + abs(want)):
            return last if last >= LEAST_REACH else math.inf
        last = float(margin)
    return math.inf


def measure(loss: Loss) -> Limits:
    """Both limits of a loss of float64 logits, at temperature and weights one."""
    resolution = measure_resolution(loss)
    return Limits(resolution, measure_reach(loss, resolution))
