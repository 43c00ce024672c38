"""Two adapters written as outsiders would write them, with nothing of musiclib: what docs/conformance.md judges.

`plain` is the least that can be judged: the loss of two logit tensors, in twelve lines. `Clamped` offers everything
and does what public training code does: codes clamped at 1e-8 from below, so that logarithms are finite, and the
joint in half precision, as under autocast.
"""

from __future__ import annotations

import torch
from torch import Tensor


def plain(z1: Tensor, z2: Tensor, segments: int) -> Tensor:
    """MUSIC of two views' logits (N, D), temperature and weights one."""
    log1, log2 = (torch.log_softmax(z.view(len(z), segments, -1), dim=-1) for z in (z1, z2))
    joint = torch.einsum("nsi,ntj->stij", log1.exp(), log2.exp()) / len(z1)
    entropies = -(joint * torch.log(joint + (joint == 0))).sum(dim=(2, 3))
    agree = torch.einsum("ssii->si", joint)
    loss = (agree * torch.log(agree + (agree == 0))).sum() / segments
    if segments > 1:
        loss = loss - (entropies.sum() - entropies.trace()) / (segments * (segments - 1))
    return loss - torch.logsumexp(log1 + log2, dim=-1).mean()


class Clamped:
    """MUSIC with codes of at least 1e-8 and a joint in float16."""

    def codes(self, z: Tensor, segments: int, temperature: float = 1.0) -> Tensor:
        return torch.softmax(z.view(len(z), segments, -1) / temperature, dim=-1)

    def joint(self, q1: Tensor, q2: Tensor) -> Tensor:
        return (torch.einsum("nsi,ntj->stij", q1, q2) / len(q1)).half().to(q1.dtype)

    def phi(self, p: Tensor) -> Tensor:
        return p * torch.log(p.clamp_min(1e-8))

    def terms(self, q1: Tensor, q2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q1, q2 = q1.clamp_min(1e-8), q2.clamp_min(1e-8)
        joint, s = self.joint(q1, q2), q1.shape[1]
        diagonal = self.phi(torch.einsum("ssii->si", joint)).sum() / s
        different = ~torch.eye(s, dtype=torch.bool)
        off_diagonal = self.phi(joint[different]).sum() / max(1, s * (s - 1))
        return diagonal, off_diagonal, -torch.log((q1 * q2).sum(dim=-1)).mean()

    def loss(
        self,
        z1: Tensor,
        z2: Tensor,
        segments: int,
        temperature: float = 1.0,
        weights: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> Tensor:
        q1, q2 = (self.codes(z, segments, temperature) for z in (z1, z2))
        return sum(weight * term for weight, term in zip(weights, self.terms(q1, q2), strict=True))
