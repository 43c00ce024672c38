"""Supervised training as a method: how much the encoder could have learnt from the same images, views, epochs and
optimiser, had it been shown the labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

from musiclib.distributed import count_rows, gather_batch, mean_over_processes
from musiclib.methods.base import Method, Output


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
        rows = count_rows(x1)
        z1, z2 = (z.float() for z in self.embed(x1, x2))
        y, smooth = self.labels[index], self.options.label_smoothing
        loss = sum(F.cross_entropy(z, y, label_smoothing=smooth) for z in (z1, z2)) / 2
        loss = mean_over_processes(loss, rows)
        correct = (gather_batch(z1.detach(), rows).argmax(1) == gather_batch(y, rows)).float().mean()
        return Output(loss, {"cross_entropy": loss.detach(), "train_top1": correct}, z1.detach(), z2.detach())
