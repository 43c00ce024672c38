"""What a finished run gives to further evaluations: its encoder as its record scored it, features, hard codes."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from musiclib.coding import hard_codes
from musiclib.config import TrainConfig
from musiclib.datasets import ImageSet
from musiclib.datasets.imageset import fewer
from musiclib.evaluate.clusters import evaluate_clusters
from musiclib.evaluate.features import extract
from musiclib.evaluate.reference import calibrate, raw_pixels
from musiclib.pretrain.assemble import load_encoder, load_method, view_configs
from musiclib.pretrain.processes import pick_device
from musiclib.views import ViewConfig


def frozen_encoder(folder: str | os.PathLike, train: ImageSet) -> tuple[nn.Module, ViewConfig]:
    """Encoder of the run in `folder`, in eval mode, and the view that its images are shown in.

    A random encoder's running statistics are set to those of `train`, as when the run was scored; no label is used.
    """
    encoder, config = load_encoder(folder)
    encoder.to(memory_format=torch.channels_last)  # as in training: the same sums in the same order
    view = view_configs(config)[0]
    if config.method == "random":
        calibrate(encoder, train.images, view)
    return encoder, view


def frozen_features(
    runs: str | os.PathLike, config: TrainConfig, train: ImageSet, test: ImageSet, *, part: ImageSet | None = None
) -> tuple[Float[Tensor, "n f"], Float[Tensor, "m f"]]:
    """Features of both sets under the run of `config` in the folder `runs`, float32 on the CPU; raw pixels are
    themselves. part: those of `train` whose features are wanted, where not all are."""
    part = train if part is None else part
    if config.method == "pixels":
        return raw_pixels(part), raw_pixels(test)
    encoder, view = frozen_encoder(Path(runs) / config.hash(), train)
    device = pick_device(None)
    return extract(encoder, part, view, device=device), extract(encoder, test, view, device=device)


def frozen_codes(runs: str | os.PathLike, config: TrainConfig, images: ImageSet) -> Int[Tensor, "n s"]:
    """Hard codes of a MUSIC run: the largest unit of every segment of the unaugmented image, (N, S) in 0..K-1."""
    if config.method != "music":
        raise ValueError(f"method is {config.method!r}: only music has segments whose units are codes")
    method, found = load_method(Path(runs) / config.hash())
    whole = nn.Sequential(method.encoder, method.projector)
    z = extract(whole, images, view_configs(found)[0], device=pick_device(None))
    return hard_codes(z, method.options.segments)


@torch.no_grad()
def cluster_metrics(
    runs: str | os.PathLike, config: TrainConfig, train: ImageSet, test: ImageSet, *, samples: int = 10_000
) -> dict[str, float]:
    """`evaluate_clusters` of a finished run on the test set: k-means fitted on training features, and for MUSIC its
    hard codes, the best segment picked on the training set.

    samples: at most so many training images serve for that, the same share of every class, by the run's seed: a few
    clusters need no more, and time goes into features."""
    part = fewer(train, min(samples, len(train)), config.seed)
    features = frozen_features(runs, config, train, test, part=part)
    codes = {}
    if config.method == "music":
        codes = {
            "train_y": part.labels,
            "train_codes": frozen_codes(runs, config, part),
            "test_codes": frozen_codes(runs, config, test),
        }
    return evaluate_clusters(*features, test.labels, seed=config.seed, **codes)
