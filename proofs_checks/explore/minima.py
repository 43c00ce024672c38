"""Local minima on free logits, and what escapes them: initial scale, weight, an over-sized batch, noise, a schedule
(C18).
"""

from __future__ import annotations

from math import log
from typing import Any

import torch
from torch import Tensor

from proofs_checks.explore.record import Exploration

STARTS = 40
SOLVED = 0.01  # nats above -3 log K that count as the optimum


def losses(z: Tensor, lam: float | Tensor) -> Tensor:
    """Loss at weight lam of many codes at once, views tied: logits (B, N, S, K) to (B,)."""
    log_q = torch.log_softmax(z, -1)
    q = log_q.exp()
    n, s = q.shape[1:3]
    joint = torch.einsum("bnsi,bntj->bstij", q, q) / n
    cells = joint * joint.clamp_min(1e-300).log()
    block = cells.sum((3, 4))
    diagonal = torch.einsum("bssii->b", cells) / s
    off = (block.sum((1, 2)) - torch.einsum("bss->b", block)) / (s * (s - 1))
    return diagonal + off - lam * torch.logsumexp(2 * log_q, -1).mean((1, 2))


def row(
    units: int, segments: int, copies: int, scale: float, lam: float, remedy: str, steps: int, seed: int
) -> dict[str, Any]:
    """Share of 40 random starts that end within 0.01 nats of -3 log K (the final loss is judged at the weight asked
    for).

    remedy: none; ramp (lambda grows from 0 during the first half); minibatch (every step sees a random half of the
    samples until the last quarter); noise (logits are disturbed, less and less, until the last quarter).
    """
    generator = torch.Generator().manual_seed(seed)
    samples = copies * units**2
    shape = (STARTS, samples, segments, units)
    z = (scale * torch.randn(shape, generator=generator, dtype=torch.float64)).requires_grad_()
    adam = torch.optim.Adam([z], lr=0.1)
    for step in range(steps):
        progress = step / steps
        weight = lam * min(1.0, 2 * progress) if remedy == "ramp" else lam
        seen = z
        if remedy == "minibatch" and progress < 0.75:
            seen = z[:, torch.randperm(samples, generator=generator)[: max(2, samples // 2)]]
        adam.zero_grad()
        losses(seen, weight).sum().backward()
        adam.step()
        if remedy == "noise" and progress < 0.75:
            with torch.no_grad():
                z += 0.3 * (1 - progress / 0.75) * torch.randn(shape, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        gaps = (losses(z, lam) + 3 * log(units)).sort().values
        peak = torch.softmax(z, -1).max(-1).values.mean()
    return {
        "solved": float((gaps < SOLVED).double().mean()),
        "median_gap": float(gaps.median()),
        "best_gap": float(gaps[0]),
        "gaps": [round(float(gap), 5) for gap in gaps],
        "mean_peak": float(peak),
        "samples": samples,
    }


def _setting(**change: Any) -> dict[str, Any]:
    base = {"units": 3, "segments": 4, "copies": 1, "scale": 0.1, "lam": 0.0, "remedy": "none", "steps": 600, "seed": 0}
    return base | change


EXPLORATION = Exploration(
    name="minima",
    question="From random logits, how often does descent reach the optimum, and what helps it out of local minima?",
    reading={
        "solved": "share of 40 starts that end within 0.01 nats of -3 log K",
        "copies": "N / K^2: an array needs one copy; more samples than that give slack",
        "scale": "standard deviation of the initial logits",
        "remedy": "none, ramp of lambda, random half batches, decaying logit noise",
    },
    settings=[
        *(_setting(scale=scale, lam=lam) for lam in (0.0, 0.3, 1.0) for scale in (0.01, 0.1, 1.0, 3.0)),
        *(_setting(copies=copies, lam=lam) for lam in (0.0, 1.0) for copies in (2, 4)),
        *(_setting(remedy=remedy, lam=lam) for lam in (0.0, 1.0) for remedy in ("ramp", "minibatch", "noise")),
        *(_setting(remedy=remedy, copies=4, lam=1.0) for remedy in ("minibatch", "noise")),
        *(
            _setting(units=4, segments=3, remedy=remedy, copies=copies, lam=lam)
            for lam in (0.0, 1.0)
            for copies, remedy in ((1, "none"), (4, "none"), (1, "noise"), (4, "noise"))
        ),
    ],
    row=row,
)
