"""A finished run on another data set than its own: both probes and few-shot classification of its frozen features."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from musiclib.config import TrainConfig
from musiclib.datasets import ImageSet
from musiclib.evaluate import evaluate_features
from musiclib.evaluate.features import match_channels
from musiclib.evaluate.few_shot import few_shot
from musiclib.evaluate.reference import calibrate, raw_pixels
from musiclib.evaluate.transfer import transfer_features
from musiclib.pretrain.assemble import load_encoder, view_configs
from musiclib.pretrain.processes import pick_device


def channels_of(encoder: nn.Module) -> int:
    """Channels of the images that an encoder takes: those of its first convolution."""
    return next(m.in_channels for m in encoder.modules() if isinstance(m, nn.Conv2d))


def features_across(
    runs: str | os.PathLike, config: TrainConfig, train: ImageSet, test: ImageSet
) -> tuple[Float[Tensor, "n f"], Float[Tensor, "m f"]]:
    """Features of `train` and `test` under the run of `config`, whichever set it was trained on.

    Images are shown as the run's own were: its view's size and normalisation, its number of channels. The running
    statistics of a random encoder are set to those of `train`, the best that can be had without a label. Raw pixels
    are those of the sets that are given.
    """
    if config.method == "pixels":
        return raw_pixels(train), raw_pixels(test)
    encoder, found = load_encoder(Path(runs) / config.hash())
    encoder.to(memory_format=torch.channels_last)  # as in training: the same sums in the same order
    view, channels, device = view_configs(found)[0], channels_of(encoder), pick_device(None)
    if config.method == "random":
        calibrate(encoder, match_channels(train.images, channels), view)
    sides = [transfer_features(encoder, part, view, channels=channels, device=device) for part in (train, test)]
    return sides[0], sides[1]


def evaluate_across(
    runs: str | os.PathLike,
    config: TrainConfig,
    train: ImageSet,
    test: ImageSet,
    *,
    seed: int,
    ways: int = 5,
    shots: Sequence[int] = (1, 5),
    episodes: int = 600,
) -> dict[str, float | bool]:
    """Both probes on another set (names of `evaluate_features`), and '<shots>-shot/test/top1': `few_shot` within the
    test set, over `episodes` that depend on the seed alone, so that all rows of a seed meet the same ones."""
    x, y = features_across(runs, config, train, test)
    metrics = evaluate_features(x, train.labels, y, test.labels, seed=seed)
    for number in shots:
        found = few_shot(y, test.labels, ways=ways, shots=number, episodes=episodes, seed=seed)
        metrics[f"{number}-shot/test/top1"] = found["top1"]
    return metrics
