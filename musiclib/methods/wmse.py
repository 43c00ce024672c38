"""W-MSE: views agree after whitening, which makes collapse impossible instead of penalising it.

    W(v) = W_V (v - mu_V),     W_V' W_V = Sigma_V^{-1}  by Cholesky             (equation 4 and its whitening)
    L = (1/N) sum_n || a_n - b_n ||^2 = 2 - 2 cos,      a, b: whitened embeddings of the two views, then normalised

Ermolov, Siarohin, Sangineto, Sebe 2021, arXiv 2007.06346, for two views. Each view is whitened by itself, in
sub-batches of at least `sub_batch` samples, on which the statistics V are computed.

Two traps. A sub-batch must have more samples than the embedding has coordinates, or its covariance is singular
whatever the network does: an error here. A rank-deficient batch of a network that is collapsing must not end in a
failed Cholesky: the covariance is mixed with a multiple of the identity, (1 - s) Sigma + s (tr Sigma / D) I, of
condition number at most D / s, before the factorisation. The multiple follows the scale of the embedding, so that s
means the same at every scale (the authors' code adds to a unit diagonal, with s = 0 by default and a failed
factorisation in known reports).

Public implementations disagree on shuffling: the authors re-draw sub-batches `w_iter` times a step (once on CIFAR). The
loop already shuffles, so sub-batches here are consecutive runs of the batch, and one draw. On several processes the
gathered batch is cut, the same on each.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from musiclib.distributed import gather_batch
from musiclib.methods.base import Method, Output
from musiclib.methods.parts.numerics import check_pair, check_positive, check_views, check_widths, in_float32, wide


@in_float32
def whiten(v: Float[Tensor, "n d"], shrinkage: float = 1e-3) -> Float[Tensor, "n d"]:
    """v minus its mean, times the inverse Cholesky factor of its shrunk covariance (N - 1 in the denominator).

    With shrinkage s = 0 and N > D the result has covariance I exactly. A constant batch gives 0. Differentiable.
    N >= 2; raises ValueError when N <= D.
    """
    if v.dim() != 2 or len(v) < 2:
        raise ValueError(f"v: expected a matrix (N, D) with N >= 2, got shape {tuple(v.shape)}")
    n, d = v.shape
    if n <= d:
        raise ValueError(
            f"v: {n} samples cannot be whitened in {d} dimensions, their covariance has rank {n - 1} at most; "
            f"use a sub-batch (and batch) of more than {d} samples, twice that for stability, or a narrower projector"
        )
    if not 0 <= shrinkage <= 1:
        raise ValueError(f"shrinkage: expected a number in [0, 1], got {shrinkage}")
    shifted = v - v[:1].detach()  # exact zeros for a constant batch, where subtracting a rounded mean leaves noise
    centred = shifted - shifted.mean(dim=0)
    cov = centred.T @ centred / (n - 1)
    identity = torch.eye(d, dtype=v.dtype, device=v.device)
    level = cov.diagonal().mean().clamp_min(1e-12)  # a constant batch has trace 0
    factor = torch.linalg.cholesky((1 - shrinkage) * cov + shrinkage * level * identity)
    return torch.linalg.solve_triangular(factor, centred.T, upper=False).T


@in_float32
def wmse_loss(
    z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"], sub_batch: int = 128, shrinkage: float = 1e-3
) -> Float[Tensor, ""]:
    """L of two views (N, D), in [0, 4]: 0 where the whitened views agree in direction, 2 at collapse (whitened to
    zero, cosine 0).

    The batch is cut into max(1, N // sub_batch) nearly equal runs, each whitened by itself; a batch shorter than
    `sub_batch` is one run. Every run must have more than D samples, else ValueError.
    """
    check_pair(z1, z2)
    check_positive(sub_batch=sub_batch)
    runs = max(1, len(z1) // sub_batch)
    a, b = (torch.cat([whiten(v, shrinkage) for v in z.tensor_split(runs)]) for z in (z1, z2))
    return 2 - 2 * F.cosine_similarity(a, b, dim=1).mean()


@dataclass(frozen=True)
class WMSEOptions:
    """projector: the paper's 1024-64 for CIFAR-10. sub_batch: the paper's 128, twice the embedding. shrinkage: see
    the module; the paper's is 0."""

    projector: tuple[int, ...] = (1024, 64)
    sub_batch: int = 128
    shrinkage: float = 1e-3

    def __post_init__(self) -> None:
        check_widths("projector", self.projector)
        if not 0 < self.shrinkage <= 1:
            raise ValueError(f"shrinkage: expected a number in (0, 1], got {self.shrinkage}")
        if self.sub_batch <= self.projector[-1]:
            raise ValueError(
                f"sub_batch: {self.sub_batch} samples cannot be whitened in the {self.projector[-1]} dimensions of "
                "projector[-1]; use a sub-batch of twice the embedding, or a narrower projector"
            )


class WMSE(Method):
    """Encoder and projector, both views through the same network; no other state."""

    def forward(self, x1: Tensor, x2: Tensor, index: Tensor) -> Output:
        rows = check_views(x1, x2, index)
        z1, z2 = self.embed(x1, x2)
        all1, all2 = gather_batch(wide(z1), rows), gather_batch(wide(z2), rows)
        loss = wmse_loss(all1, all2, self.options.sub_batch, self.options.shrinkage)
        return Output(loss, {"distance": loss.detach()}, z1.detach(), z2.detach())
