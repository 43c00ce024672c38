"""VICReg: views agree, every coordinate varies, no two coordinates are correlated.

    s(Z, Z') = (1/(N D)) sum_nd (Z_nd - Z'_nd)^2
    v(Z)     = (1/D) sum_d max(0, 1 - sqrt(Var_d(Z) + eps))                  Var with N - 1      (equations 1, 2)
    c(Z)     = (1/D) sum_{i != j} Cov_ij(Z)^2                                Cov with N - 1      (equations 3, 4)
    L = 25 s + 25 w [v(Z) + v(Z')] + 1 [c(Z) + c(Z')]                                            (equation 6)

Bardes, Ponce, LeCun 2021, arXiv 2105.04906.

The factor w is where public code disagrees: the paper's equation and pseudo-code have w = 1, the authors' released
code halves the variance term (w = 1/2) and the published weights were tuned with it; peers follow one or the other.
Here `halve_variance` is True, the released code's. The covariance term is not halved in either. The paper's
equation 5 for s has no 1/D, its pseudo-code and the released code have (a mean square): here 1/D.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from musiclib.distributed import gather_batch
from musiclib.encoders import mlp
from musiclib.methods.base import Method, Output, detached
from musiclib.methods.parts.numerics import check_pair, check_views, check_widths, in_float32, wide


class VICRegTerms(NamedTuple):
    """s(Z, Z'), v(Z) + v(Z') and c(Z) + c(Z'), unweighted; all >= 0 and 0 at the optimum."""

    invariance: Tensor
    variance: Tensor
    covariance: Tensor

    def combine(
        self, invariance_weight: float, variance_weight: float, covariance_weight: float, halve_variance: bool
    ) -> Float[Tensor, ""]:
        """The weighted sum L of the module's equation, with w = 1/2 where `halve_variance`."""
        w = 0.5 if halve_variance else 1.0
        s, v, c = self
        return invariance_weight * s + variance_weight * w * v + covariance_weight * c


def _variance_hinge(z: Tensor, eps: float) -> Tensor:
    return torch.relu(1 - torch.sqrt(z.var(dim=0) + eps)).mean()


def _covariance(z: Tensor) -> Tensor:
    centred = z - z.mean(dim=0)
    cov = centred.T @ centred / (z.shape[0] - 1)
    return (cov - torch.diag(cov.diagonal())).square().sum() / z.shape[1]


@in_float32
def vicreg_terms(z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"], eps: float = 1e-4) -> VICRegTerms:
    """The three terms of two views (N, D), N >= 2. At collapse: 0, 2 (1 - sqrt(eps)), 0. D = 1: no covariance."""
    check_pair(z1, z2)
    return VICRegTerms(
        (z1 - z2).square().mean(),
        _variance_hinge(z1, eps) + _variance_hinge(z2, eps),
        _covariance(z1) + _covariance(z2),
    )


def vicreg_loss(
    z1: Float[Tensor, "n d"],
    z2: Float[Tensor, "n d"],
    invariance_weight: float = 25.0,
    variance_weight: float = 25.0,
    covariance_weight: float = 1.0,
    halve_variance: bool = True,
) -> Float[Tensor, ""]:
    """L of two views (N, D), N >= 2; see the module's equation. At collapse 24.75 with the default weights (49.5 with
    `halve_variance=False`), 0 at the optimum."""
    return vicreg_terms(z1, z2).combine(invariance_weight, variance_weight, covariance_weight, halve_variance)


@dataclass(frozen=True)
class VICRegOptions:
    """The three weights are the paper's. halve_variance: True is the released code, False the paper's equation.
    projector: the paper uses three layers of 8192 on 2048 features; three of 2048 is the usual small-data size."""

    projector: tuple[int, ...] = (2048, 2048, 2048)
    invariance_weight: float = 25.0
    variance_weight: float = 25.0
    covariance_weight: float = 1.0
    halve_variance: bool = True

    def __post_init__(self) -> None:
        check_widths("projector", self.projector)
        for name in ("invariance_weight", "variance_weight", "covariance_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}: expected a number >= 0, got {getattr(self, name)}")


class VICReg(Method):
    """Encoder and projector, both views through the same network; no other state."""

    def build_projector(self) -> nn.Module:
        return mlp([self.encoder.features, *self.options.projector], bias_last=False)

    def forward(self, x1: Tensor, x2: Tensor, index: Tensor) -> Output:
        rows = check_views(x1, x2, index)
        z1, z2 = self.embed(x1, x2)
        o, terms = self.options, vicreg_terms(gather_batch(wide(z1), rows), gather_batch(wide(z2), rows))
        loss = terms.combine(o.invariance_weight, o.variance_weight, o.covariance_weight, o.halve_variance)
        return Output(loss, detached(terms), z1.detach(), z2.detach())
