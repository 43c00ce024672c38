"""Codes with the symmetry of the array of lines, so that a loss over N = m K samples costs milliseconds.

Samples are pairs (slope b, intercept a); sample (a, b) sees segment s through the profile r_{b,s} shifted to the unit
that the line takes there: q_(a,b)(s)(i) = r_{b,s}(i - a - b x_s). One-hot profiles give the partial Bush array. Every
P_st(i, j) then depends on i - j only, P_st(i, j) = w_st(i - j) / K, and over a field of characteristic two w is a
correlation that a Walsh-Hadamard transform diagonalises. Everything found in this family is a true code, hence a true
upper bound of the minimum.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import log

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg import hadamard
from torch import Tensor

from proofs_checks.premises import designs


@lru_cache(maxsize=8)
def _tables(units: int, slopes: int, segments: int) -> tuple[Tensor, Tensor]:
    """Hadamard matrix (K, K) and the characters chi_k(b x_s) as (m, S, K)."""
    power = designs.prime_power(units)
    if power is None or power[0] != 2:
        raise ValueError(f"units: the family needs a power of two, got {units}")
    transform = torch.from_numpy(hadamard(units).astype(np.float64))
    products = designs.field_tables(units)[1][:slopes, :segments]
    return transform, transform[torch.from_numpy(products)]


def profile_terms(profiles: Float[Tensor, "m s k"]) -> tuple[Tensor, Tensor, Tensor]:
    """The terms (diagonal, off_diagonal, invariance) of the code of N = m K samples with these profiles; S >= 2."""
    slopes, segments, units = profiles.shape
    transform, characters = _tables(units, slopes, segments)
    spectra = (profiles @ transform) * characters
    # (S, S, K): w_st
    law = torch.einsum("bsk,btk->stk", spectra, spectra) @ transform / (slopes * units)
    off = ~torch.eye(segments, dtype=torch.bool)
    cells = law[off].clamp_min(1e-300)
    off_diagonal = -log(units) + (cells * cells.log()).sum(-1).mean()
    # (m, S)
    agreement = profiles.square().sum(-1)
    tau = agreement.mean(0)
    return (tau * (tau / units).log()).mean(), off_diagonal, -agreement.log().mean()


def expand(profiles: Float[Tensor, "m s k"]) -> Float[Tensor, "n s k"]:
    """The code (m K, S, K) with these profiles in the symmetry of lines."""
    slopes, segments, units = profiles.shape
    # (m, S): b x_s
    labels = torch.from_numpy(designs.field_tables(units)[1][:slopes, :segments])
    # (a, i) -> a xor i
    shifts = torch.arange(units)[:, None] ^ torch.arange(units)[None, :]
    codes = torch.empty(slopes, units, segments, units, dtype=profiles.dtype)
    for b in range(slopes):
        for s in range(segments):
            codes[b, :, s] = profiles[b, s][shifts ^ labels[b, s]]
    return codes.reshape(slopes * units, segments, units)


def starts(slopes: int, segments: int, units: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Logits (m, S, K) to start from: hard lines; segments that are uniform on one slope class; halved units; noise."""
    hard = torch.zeros(slopes, segments, units, dtype=torch.float64)
    hard[..., 0] = 1.0
    classes = hard.clone()
    for s in range(segments):
        classes[s % slopes, s] = 0.0
    halved = hard.clone()
    halved[..., 1] = 1.0
    noise = torch.randn(hard.shape, generator=generator, dtype=torch.float64)
    return {
        "hard": 6 * hard + 0.3 * noise,
        "slope class": 6 * classes + 0.3 * noise,
        "halved": 5 * halved + 0.3 * noise,
        "noise": noise,
    }


def descend(
    z: Tensor, loss_of: Callable[[Tensor], Tensor], steps: int, *, rate: float, cosine: bool = False
) -> tuple[float, Tensor]:
    """Descend by Adam from z, at a constant rate or on a cosine: (the least loss on the way, where it was)."""
    z = z.clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps) if cosine else None
    least, best = float("inf"), z.detach().clone()
    for _ in range(steps):
        loss = loss_of(z)
        if float(loss.detach()) < least:
            least, best = float(loss.detach()), z.detach().clone()
        adam.zero_grad()
        loss.backward()
        adam.step()
        if schedule:
            schedule.step()
    return least, best


def minimise(logits: Tensor, lam: float, steps: int) -> tuple[float, Tensor]:
    """Minimise the loss within the family, from logits of profiles: (best loss, best profiles)."""

    def loss_of(z: Tensor) -> Tensor:
        diagonal, off_diagonal, invariance = profile_terms(torch.softmax(z, -1))
        return diagonal + off_diagonal + lam * invariance

    least, best = descend(logits, loss_of, steps, rate=0.05, cosine=True)
    return least, torch.softmax(best, -1)


def peak_statistics(profiles: Tensor) -> dict[str, float]:
    """How soft the code is: mean largest probability, share of codes without a majority unit, mean entropy in nats."""
    peak = profiles.max(-1).values
    return {
        "mean_peak": float(peak.mean()),
        "share_without_majority": float((peak < 0.5).double().mean()),
        "mean_entropy": float(torch.special.entr(profiles).sum(-1).mean()),
    }
