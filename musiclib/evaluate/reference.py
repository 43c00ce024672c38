"""The rows that every table needs beside the methods: raw pixels, a random encoder, and supervised training.

A method that does not beat raw pixels has learnt nothing; what it adds to a random encoder is what training added; the
supervised row says how much the encoder could have learnt from the same images, views, epochs and optimiser.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from musiclib.datasets import ImageSet
from musiclib.distributed import gather_batch, mean_over_processes
from musiclib.encoders import build_encoder
from musiclib.method import Method, Output
from musiclib.views import ViewConfig, plain


def raw_pixels(images: ImageSet | UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
    """The images themselves as features: (N, C*H*W) float32 in [0, 1]."""
    images = images.images if isinstance(images, ImageSet) else images
    return images.flatten(1).float() / 255.0


def random_encoder(name: str, channels: int, seed: int) -> nn.Module:
    """An encoder as training finds it: fresh weights of the given seed, eval mode; torch's generator is untouched.

    Call `calibrate` before extracting features.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_encoder(name, channels).eval()


@torch.no_grad()
def calibrate(
    encoder: nn.Module, images: UInt8[Tensor, "n c h w"], view: ViewConfig, *, samples: int = 2000, batch: int = 500
) -> nn.Module:
    """Set the running statistics of every batch normalisation to those of `samples` images; no label is used.

    Without it an untrained encoder would be evaluated with mean 0 and variance 1, which hold nowhere. The images are
    spaced evenly over the set, and so are those of every batch: sets may be sorted by class. Returns the encoder.
    """
    device = next(encoder.parameters()).device
    norms = [m for m in encoder.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta, training = [m.momentum for m in norms], encoder.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
    encoder.train()
    used = images[torch.linspace(0, len(images) - 1, min(samples, len(images))).round().long()]
    batches = -(-len(used) // batch)
    for start in range(batches):
        part = used[start::batches]
        if len(part) > 1:
            encoder(plain(part.to(device), view))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return encoder.train(training)


@dataclass(frozen=True)
class SupervisedOptions:
    """label_smoothing: share of the target that is spread over all classes, in [0, 1)."""

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ValueError(f"label_smoothing={self.label_smoothing}: must lie in [0, 1)")


class Supervised(Method):
    """Cross-entropy of a linear head on the encoder, averaged over the two views.

    A method like the others, so that the same loop trains it under the same views, epochs and optimiser; the labels
    of the training set are a buffer and are looked up by the samples' positions. The embedding that the monitors
    see is the head's logits.
    """

    def __init__(
        self,
        encoder: nn.Module,
        options: SupervisedOptions,
        *,
        samples: int,
        steps: int,
        labels: Int[Tensor, "samples"],
        classes: int | None = None,
    ) -> None:
        """labels: one of 0..classes-1 for every sample of the training set. classes: largest label + 1 if not given."""
        super().__init__(encoder, options, samples=samples, steps=steps)
        if labels.shape != (samples,) or labels.is_floating_point():
            raise ValueError(f"labels: expected {samples} integers, got {labels.dtype} of shape {tuple(labels.shape)}")
        classes = int(labels.max()) + 1 if classes is None else classes
        if int(labels.min()) < 0 or int(labels.max()) >= classes:
            raise ValueError(f"labels run from {int(labels.min())} to {int(labels.max())}: expected 0..{classes - 1}")
        self.register_buffer("labels", labels.long().clone())
        self.projector = nn.Linear(encoder.features, classes)

    def forward(self, x1: Tensor, x2: Tensor, index: Tensor) -> Output:
        z1, z2 = self.projector(self.encoder(x1)).float(), self.projector(self.encoder(x2)).float()
        y, smooth = self.labels[index], self.options.label_smoothing
        loss = sum(F.cross_entropy(z, y, label_smoothing=smooth) for z in (z1, z2)) / 2
        loss = mean_over_processes(loss)
        correct = (gather_batch(z1.detach()).argmax(1) == gather_batch(y)).float().mean()
        return Output(loss, {"cross_entropy": loss.detach(), "train_top1": correct}, z1.detach(), z2.detach())
