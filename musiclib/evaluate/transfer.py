"""Transfer: an encoder that was trained on one set, probed on another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from musiclib.datasets import ImageSet
from musiclib.evaluate.features import extract, match_channels
from musiclib.evaluate.probes import evaluate_features
from musiclib.views import ViewConfig


def transfer_features(
    encoder: nn.Module,
    images: ImageSet,
    view: ViewConfig,
    *,
    channels: int,
    device: torch.device | str | None = None,
    precision: str = "float32",
    progress: Callable[[int], Any] | None = None,
) -> Float[Tensor, "n f"]:
    """Features of another set's images, resized to the encoder's view and matched to its channels, float32 on the CPU.

    A view whose mean and std do not fit the channels is taken at the average of its channels. progress: see `extract`.
    """
    if len(view.mean) not in (1, channels):
        view = replace(view, mean=(sum(view.mean) / len(view.mean),), std=(sum(view.std) / len(view.std),))
    pixels = match_channels(images.images, channels)
    return extract(encoder, pixels, view, device=device, precision=precision, progress=progress)


def transfer_probe(
    encoder: nn.Module,
    train: ImageSet,
    test: ImageSet,
    view: ViewConfig,
    *,
    channels: int,
    seed: int = 0,
    device: torch.device | str | None = None,
    precision: str = "float32",
) -> dict[str, float | bool]:
    """Both probes on (train, test) of another set than the encoder's own; metric names as in `evaluate_features` with
    'transfer_<name of the set>_' in front.

    view: that of the pre-training, because the encoder knows images of that size and normalisation; the new images are
    resized to it. channels: what the encoder takes (1 or 3); the images are made to match.
    """
    if train.name != test.name:
        raise ValueError(f"train is {train.name!r} and test {test.name!r}: both must be of the set that is probed")
    sides = [
        transfer_features(encoder, part, view, channels=channels, device=device, precision=precision)
        for part in (train, test)
    ]
    found = evaluate_features(sides[0], train.labels, sides[1], test.labels, seed=seed)
    return {f"transfer_{train.name}_{name}": value for name, value in found.items()}
