"""Barlow Twins: the cross-correlation matrix of two views should be the identity.

    C_ij = (1/N) sum_n z1_bar[n,i] z2_bar[n,j],       z_bar: standardised over the batch
    L = sum_i (1 - C_ii)^2 + lambda sum_{i != j} C_ij^2                                     (equations 1 and 2)

Zbontar, Jing, Misra, LeCun, Deny 2021, arXiv 2103.03230.

Public implementations disagree in three places. (1) Several processes: the authors' code sums C over processes by an
all-reduce that autograd does not see, so that each process receives the gradient of its own share of C only, and data
parallel averaging then divides it by the number of processes. Here both embeddings are gathered with their gradient,
the standardisation and C are those of the GLOBAL batch, and the gradient is the one of a single process. (2) The
standard deviation: equation 2 and batch normalisation divide by N, the paper's pseudo-code by N - 1. Here N, so that
C_ii of equal views is 1. (3) A scale in front of the loss (1/32 in the authors' first version, 0.1 in small-data
recipes, none in the paper): here `scale` of the method, not of the loss function.
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
from musiclib.methods.parts.numerics import check_pair, check_positive, check_views, check_widths, in_float32, wide


class BarlowTwinsTerms(NamedTuple):
    """sum_i (1 - C_ii)^2 and sum_{i != j} C_ij^2; both >= 0 and 0 at the optimum."""

    on_diagonal: Tensor
    off_diagonal: Tensor

    def combine(self, off_diagonal_weight: float) -> Float[Tensor, ""]:
        """The weighted sum L of the module's equation."""
        return self.on_diagonal + off_diagonal_weight * self.off_diagonal


def standardise(z: Float[Tensor, "n d"], eps: float = 1e-5) -> Float[Tensor, "n d"]:
    """Mean 0 and (biased) variance 1 per column, as batch normalisation without scale and shift; a constant column
    becomes 0."""
    centred = z - z.mean(dim=0)
    return centred * torch.rsqrt(centred.square().mean(dim=0) + eps)


@in_float32
def barlow_twins_terms(z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> BarlowTwinsTerms:
    """Of two views (N, D), N >= 2. At collapse (constant embedding) C = 0: the first term is D, the second 0."""
    check_pair(z1, z2)
    c = standardise(z1).T @ standardise(z2) / z1.shape[0]
    diagonal = c.diagonal()
    return BarlowTwinsTerms((1 - diagonal).square().sum(), (c - torch.diag(diagonal)).square().sum())


def barlow_twins_loss(
    z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"], off_diagonal_weight: float = 0.005
) -> Float[Tensor, ""]:
    """L of two views (N, D), N >= 2; range [0, 4 D + lambda D (D - 1)], D at collapse. See the module's equation."""
    return barlow_twins_terms(z1, z2).combine(off_diagonal_weight)


@dataclass(frozen=True)
class BarlowTwinsOptions:
    """projector: the paper uses three layers of 8192 on 2048 features; three of 2048 is the usual small-data size.
    off_diagonal_weight: lambda, the paper's 0.005. scale: in front of the loss, which grows with D; 0.1 is the
    small-data recipe's, 1 the paper's equation."""

    projector: tuple[int, ...] = (2048, 2048, 2048)
    off_diagonal_weight: float = 0.005
    scale: float = 0.1

    def __post_init__(self) -> None:
        check_widths("projector", self.projector)
        check_positive(off_diagonal_weight=self.off_diagonal_weight, scale=self.scale)


class BarlowTwins(Method):
    """Encoder and projector, both views through the same network; no other state."""

    def build_projector(self) -> nn.Module:
        return mlp([self.encoder.features, *self.options.projector], bias_last=False)

    def forward(self, x1: Tensor, x2: Tensor, index: Tensor) -> Output:
        rows = check_views(x1, x2, index)
        z1, z2 = self.embed(x1, x2)
        terms = barlow_twins_terms(gather_batch(wide(z1), rows), gather_batch(wide(z2), rows))
        loss = self.options.scale * terms.combine(self.options.off_diagonal_weight)
        return Output(loss, detached(terms), z1.detach(), z2.detach())
