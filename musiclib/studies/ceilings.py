"""What could have been found: how well a supervised encoder reads every factor under the views of a run.

A factor that the views destroy, or that the encoder is too small or trained too briefly to see, cannot be asked of any
method. So one encoder is trained on all factors at once (a linear head and a cross-entropy each, summed), with the
views, images, epochs and optimiser of the runs that it is the ceiling of, and the factors are read from its frozen
features by the probe that reads the codes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

from musiclib.config import TrainConfig
from musiclib.datasets import load
from musiclib.encoders import build_encoder
from musiclib.evaluate.disentanglement import readability
from musiclib.evaluate.features import extract
from musiclib.methods.base import Method, Output
from musiclib.pretrain.assemble import view_configs
from musiclib.pretrain.loop import Training, train
from musiclib.pretrain.optimisers import build_optimiser
from musiclib.pretrain.randomness import local_randomness


class AllFactors(Method):
    """Cross-entropies of one linear head a factor, summed over the factors and averaged over the views."""

    def __init__(
        self, encoder: nn.Module, factors: Mapping[str, Int[Tensor, "samples"]], *, samples: int, steps: int
    ) -> None:
        super().__init__(encoder, None, samples=samples, steps=steps)
        self.names = list(factors)
        self.register_buffer("labels", torch.stack([factors[name].long() for name in self.names], dim=1))
        self.heads = nn.ModuleList(nn.Linear(encoder.features, int(y.max()) + 1) for y in self.labels.T)

    def forward(self, x1: Tensor, x2: Tensor, index: Tensor) -> Output:
        z1, z2 = (z.float() for z in self.embed(x1, x2))
        labels = self.labels[index]
        terms = {
            name: (F.cross_entropy(head(z1), y) + F.cross_entropy(head(z2), y)) / 2
            for name, head, y in zip(self.names, self.heads, labels.T, strict=True)
        }
        loss = torch.stack(list(terms.values())).sum()
        return Output(loss, {name: term.detach() for name, term in terms.items()}, z1.detach(), z2.detach())


def ceilings(
    config: TrainConfig, *, test_samples: int = 2000, data_root: str | os.PathLike | None = None
) -> dict[str, float]:
    """Readability of every factor (0 the most frequent value, 1 no error) on test images: the most that a method with
    this configuration's data, views, encoder, epochs and optimiser could be asked for.

    config: of any method; its method and options are not used. dataset: one with factors.
    """
    train_set = load(config.dataset, "train", root=data_root, **config.dataset_options)
    if not train_set.factors:
        raise ValueError(f"config.dataset is {config.dataset!r}: its images have no factors to read")
    test_set = load(config.dataset, "test", root=data_root, **{**config.dataset_options, "samples": test_samples})
    steps = len(train_set) // config.batch * config.epochs
    device = torch.device("cpu")
    with local_randomness(config.seed, device):
        method = AllFactors(
            build_encoder(config.encoder, train_set.channels), train_set.factors, samples=len(train_set), steps=steps
        )
    method.encoder.to(memory_format=torch.channels_last)
    optimiser = build_optimiser(config.optimiser, method, lr=config.peak_lr(), weight_decay=config.weight_decay)
    views = view_configs(config)
    train(Training(config, method, optimiser, train_set.images, views, device, checkpoint_seconds=float("inf")))
    features = [extract(method.encoder, images, views[0]) for images in (train_set, test_set)]
    return readability(features[0], train_set.factors, features[1], test_set.factors, grid=(1e-2,), max_iterations=60)
