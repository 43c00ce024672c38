"""SimCLR: tell the other view of a sample from all other views in the batch.

    l(i, j) = -log( exp(<z_i, z_j> / tau) / sum_{k != i} exp(<z_i, z_k> / tau) ),      z on the unit sphere
    L = mean of l over the 2N ordered pairs of views of one sample          (NT-Xent, equation 1 and algorithm 1)

Chen, Kornblith, Norouzi, Hinton 2020, arXiv 2002.05709. The 2N - 2 negatives are those of the global batch.

Public implementations disagree on the denominator: some leave out the positive, which is another loss (DCL, arXiv
2110.06848); some gather the negatives of other processes without their gradient. Here it is the paper's, with the
full gradient. The paper's own head ends in batch normalisation, its text does not mention it; here the head is
Linear-BN-ReLU-Linear.
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
def simclr_loss(z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"], temperature: float = 0.5) -> Float[Tensor, ""]:
    """NT-Xent of two views (N, D), N >= 2, any scale (rows are normalised here; a zero row stays zero). In nats.

    At collapse (all embeddings equal) the loss is log(2N - 1); the infimum over N <= D + 1 samples, views equal and
    samples at the corners of a simplex, is log(1 + (2N - 2) exp(-N / ((N - 1) tau))).
    """
    check_pair(z1, z2)
    check_positive(temperature=temperature)
    n = z1.shape[0]
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    logits = (z @ z.T / temperature).fill_diagonal_(float("-inf"))
    other_view = torch.arange(2 * n, device=z.device).roll(n)
    return F.cross_entropy(logits, other_view)


@dataclass(frozen=True)
class SimCLROptions:
    """projector: hidden and output widths; the paper's 2048-128 is for ResNet-50 (hidden = features).
    temperature: 0.5 is the paper's best on CIFAR-10 (appendix B.9), 0.1 its choice for ImageNet."""

    projector: tuple[int, ...] = (2048, 128)
    temperature: float = 0.5

    def __post_init__(self) -> None:
        check_widths("projector", self.projector)
        check_positive(temperature=self.temperature)


class SimCLR(Method):
    """Encoder and projector, both views through the same network; no other state."""

    def forward(self, x1: Tensor, x2: Tensor, index: Tensor) -> Output:
        rows = check_views(x1, x2, index)
        z1, z2 = self.embed(x1, x2)
        loss = simclr_loss(gather_batch(wide(z1), rows), gather_batch(wide(z2), rows), self.options.temperature)
        return Output(loss, {"contrast": loss.detach()}, z1.detach(), z2.detach())
