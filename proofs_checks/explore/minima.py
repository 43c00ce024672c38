"""Local minima on free logits, and what escapes them (C18): scale, weight, an over-sized batch, noise, a schedule."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import log
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from proofs_checks.explore.record import Exploration

SOLVED = 0.01
"""Nats above -3 log K that count as the optimum."""


@dataclass(frozen=True)
class Setting:
    """Random starts with N = copies K^2 samples, their initial scale, and how they descend.

    remedy: none; ramp (lambda grows from 0 during the first half); minibatch (every step sees a random half of the
    samples until the last quarter); noise (logits are disturbed, less and less, until the last quarter); lbfgs (another
    optimiser, the one behind the numbers of C18).
    """

    units: int
    segments: int
    copies: int = 1
    scale: float = 0.1
    lam: float = 0.0
    remedy: str = "none"
    steps: int = 600
    starts: int = 40
    seed: int = 0


def losses(z: Tensor, lam: float | Tensor) -> Tensor:
    """The losses (B,) at weight lam of many codes at once, views tied, from logits (B, N, S, K)."""
    log_q = torch.log_softmax(z, -1)
    q = log_q.exp()
    n, s = q.shape[1:3]
    joint = torch.einsum("bnsi,bntj->bstij", q, q) / n
    cells = joint * joint.clamp_min(1e-300).log()
    block = cells.sum((3, 4))
    diagonal = torch.einsum("bssii->b", cells) / s
    off = (block.sum((1, 2)) - torch.einsum("bss->b", block)) / (s * (s - 1))
    return diagonal + off - lam * torch.logsumexp(2 * log_q, -1).mean((1, 2))


def descend(z: Tensor, lam: float, remedy: str, steps: int, generator: torch.Generator) -> Tensor:
    """Descend by Adam from all starts at once, with one of the remedies (see `Setting`)."""
    z = z.clone().requires_grad_()
    samples = z.shape[1]
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
                z += 0.3 * (1 - progress / 0.75) * torch.randn(z.shape, generator=generator, dtype=z.dtype)
    return z.detach()


def settle(z: Tensor, lam: float, steps: int) -> Tensor:
    """Descend from each start by itself into the first minimum it meets: L-BFGS (scipy), `steps` iterations at most."""
    settled = []
    for start in z:

        def value_and_slope(flat: np.ndarray, shape: torch.Size = start.shape) -> tuple[float, np.ndarray]:
            x = torch.from_numpy(flat).view(shape).requires_grad_()
            value = losses(x[None], lam)[0]
            value.backward()
            return float(value.detach()), x.grad.numpy().ravel()

        flat = start.numpy().ravel().copy()
        found = minimize(value_and_slope, flat, jac=True, method="L-BFGS-B", options={"maxiter": steps})
        settled.append(torch.from_numpy(found.x).view(start.shape))
    return torch.stack(settled)


def row(**setting: Any) -> dict[str, Any]:
    """The share of random starts that end within 0.01 nats of -3 log K, judged at the weight asked for."""
    s = Setting(**setting)
    generator = torch.Generator().manual_seed(s.seed)
    samples = s.copies * s.units**2
    z = s.scale * torch.randn((s.starts, samples, s.segments, s.units), generator=generator, dtype=torch.float64)
    z = settle(z, s.lam, s.steps) if s.remedy == "lbfgs" else descend(z, s.lam, s.remedy, s.steps, generator)
    gaps = (losses(z, s.lam) + 3 * log(s.units)).sort().values
    return {
        "solved": float((gaps < SOLVED).double().mean()),
        "median_gap": float(gaps.median()),
        "best_gap": float(gaps[0]),
        "gaps": [round(float(gap), 5) for gap in gaps],
        "mean_peak": float(torch.softmax(z, -1).max(-1).values.mean()),
        "samples": samples,
    }


# the first two saturated: S = K + 1
SIZES = ((3, 4), (4, 5), (5, 3))

SETTINGS = (
    *(Setting(k, s, lam=lam, remedy=r, starts=20) for k, s in SIZES for lam in (0.0, 1.0) for r in ("none", "lbfgs")),
    *(Setting(4, 5, scale=scale, lam=lam) for lam in (0.0, 0.3, 1.0) for scale in (0.01, 0.1, 1.0, 3.0)),
    *(Setting(k, s, remedy="ramp", lam=1.0) for k, s in SIZES[1:]),
    *(
        Setting(k, s, copies=copies, remedy=remedy, lam=lam, steps=steps)
        for k, s in SIZES[1:]
        for lam in (0.0, 1.0)
        for copies, remedy, steps in (
            (4, "none", 600),
            (1, "minibatch", 600),
            (4, "minibatch", 600),
            (1, "noise", 600),
            (1, "noise", 2400),
            (4, "noise", 600),
        )
    ),
)

EXPLORATION = Exploration(
    name="minima",
    question="From random logits, how often does descent reach the optimum, and what helps it out of local minima?",
    reading={
        "solved": "share of starts that end within 0.01 nats of -3 log K",
        "copies": "N / K^2: an array needs one copy; more samples than that give slack",
        "scale": "standard deviation of the initial logits",
        "remedy": "none, ramp of lambda, random half batches, decaying logit noise; or L-BFGS instead of Adam",
    },
    settings=[asdict(setting) for setting in SETTINGS],
    row=row,
)
