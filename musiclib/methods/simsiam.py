"""SimSiam: predict one view's embedding from the other's, with the gradient stopped on the predicted side.

    D(p, z) = - <p, z> / (|p| |z|),    L = D(p1, stopgrad(z2)) / 2 + D(p2, stopgrad(z1)) / 2       (equations 1 to 4)

Chen, He 2020, arXiv 2011.10566. The predictor's learning rate is constant in the paper's ImageNet recipe (no decay);
the training loop here has one schedule for all parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from musiclib.distributed import both_views, mean_over_processes
from musiclib.encoders import mlp
from musiclib.methods.base import Method, Output
from musiclib.methods.parts.numerics import check_pair, check_views, check_widths, in_float32


@in_float32
def simsiam_loss(
    p1: Float[Tensor, "n d"], p2: Float[Tensor, "n d"], z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]
) -> Float[Tensor, ""]:
    """Symmetrised negative cosine in [-1, 1]; gradient to the predictions p1, p2 only.

    -1 is the minimum and also the value of a collapsed network: the loss does not tell them apart, the monitors do.
    A zero row has cosine 0.
    """
    check_pair(p1, z2, ("p1", "z2"), least=1)
    check_pair(p2, z1, ("p2", "z1"), least=1)
    forth = F.cosine_similarity(p1, z2.detach(), dim=1).mean()
    back = F.cosine_similarity(p2, z1.detach(), dim=1).mean()
    return -(forth + back) / 2


@dataclass(frozen=True)
class SimSiamOptions:
    """projector: the paper's three layers of 2048 for ImageNet, two for CIFAR (appendix D), two here. predictor: hidden
    width, the paper's 512 (a bottleneck at a quarter of the projector's width)."""

    projector: tuple[int, ...] = (2048, 2048)
    predictor: tuple[int, ...] = (512,)

    def __post_init__(self) -> None:
        check_widths("projector", self.projector)


class SimSiam(Method):
    """Encoder, projector (batch-normalised output) and bottleneck predictor; no other state."""

    def __init__(self, encoder: nn.Module, options: SimSiamOptions, *, samples: int, steps: int) -> None:
        super().__init__(encoder, options, samples=samples, steps=steps)
        width = options.projector[-1]
        self.predictor = mlp([width, *options.predictor, width])

    def build_projector(self) -> nn.Module:
        return mlp([self.encoder.features, *self.options.projector], norm_last=True)

    def forward(self, x1: Tensor, x2: Tensor, index: Tensor) -> Output:
        rows = check_views(x1, x2, index)
        z1, z2 = self.embed(x1, x2)
        loss = mean_over_processes(simsiam_loss(*both_views(z1, z2, self.predictor), z1, z2), rows)
        return Output(loss, {"prediction": loss.detach()}, z1.detach(), z2.detach())
