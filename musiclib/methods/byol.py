"""BYOL: predict, from one view, what a slow copy of the network says of the other view.

    L = || p_bar - z_bar' ||^2 = 2 - 2 <p, z'> / (|p| |z'|)                                (equation 2)
    p = predictor(projector(encoder(x1)));   z' from the slow copy of x2, no gradient

summed over both assignments of the views (the paper symmetrises by adding, not by averaging). The slow copy
follows with momentum 1 - (1 - tau)(1 + cos(pi k / K)) / 2 at step k of K.

Grill et al. 2020, arXiv 2006.07733. Public implementations disagree on the factor of two of the symmetrised sum and on
whether the copy's batch-norm statistics follow too (here, as in the paper's code, only parameters follow).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from musiclib.distributed import both_views, mean_over_processes
from musiclib.encoders import mlp
from musiclib.methods.base import Method, Output
from musiclib.methods.parts.momentum import cosine_momentum, follow, frozen_copy
from musiclib.methods.parts.numerics import check_pair, check_views, check_widths, in_float32


@in_float32
def byol_loss(prediction: Float[Tensor, "n d"], target: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """One direction: mean over samples of 2 - 2 cos(prediction, target), in [0, 4]; no gradient to `target`.

    0 where each prediction points at its target, which a collapsed network reaches too: it is the predictor and the
    slow copy, not the loss, that keep BYOL away from there. A zero row has cosine 0.
    """
    check_pair(prediction, target, ("prediction", "target"), least=1)
    p, z = F.normalize(prediction, dim=1), F.normalize(target.detach(), dim=1)
    return 2.0 - 2.0 * (p * z).sum(dim=1).mean()


@dataclass(frozen=True)
class BYOLOptions:
    """projector, predictor: hidden and output widths, the paper's 4096-256 for both. The predictor ends in the
    projector's width. momentum: tau at the start; the paper's 0.996 is for 1000 epochs of ImageNet, 0.99 for 300
    epochs (appendix), and the shorter run is the nearer one here."""

    projector: tuple[int, ...] = (4096, 256)
    predictor: tuple[int, ...] = (4096,)
    momentum: float = 0.99

    def __post_init__(self) -> None:
        check_widths("projector", self.projector)
        if not 0.0 <= self.momentum <= 1.0:
            raise ValueError(f"momentum: expected a number in [0, 1], got {self.momentum}")


class BYOL(Method):
    """Encoder, projector, predictor, and a slow copy (`teacher`) of the first two.

    `predictor` in the options are hidden widths: its output width is the projector's. z of the output is the
    projector's, not the predictor's.
    """

    def __init__(self, encoder: nn.Module, options: BYOLOptions, *, samples: int, steps: int) -> None:
        super().__init__(encoder, options, samples=samples, steps=steps)
        width = options.projector[-1]
        self.predictor = mlp([width, *options.predictor, width])
        self.teacher = frozen_copy(nn.Sequential(self.encoder, self.projector))

    def forward(self, x1: Tensor, x2: Tensor, index: Tensor) -> Output:
        rows = check_views(x1, x2, index)
        z1, z2 = self.embed(x1, x2)
        with torch.no_grad():
            t1, t2 = both_views(x1, x2, self.teacher)
        p1, p2 = both_views(z1, z2, self.predictor)
        loss = mean_over_processes(byol_loss(p1, t2) + byol_loss(p2, t1), rows)
        return Output(loss, {"prediction": loss.detach()}, z1.detach(), z2.detach())

    def after_step(self, step: int) -> None:
        student = nn.Sequential(self.encoder, self.projector)
        follow(self.teacher, student, cosine_momentum(self.options.momentum, step - 1, self.steps))
