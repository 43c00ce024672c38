"""Accuracy while training: nearest neighbours on a held-out part of the training set, at a few epochs of a run.

A short budget then shows a trend instead of a point. The part is held out of the neighbours' bank, not of
pre-training, which sees no label; the supervised row has trained on its labels, and figures leave that row out. No
test image is read. The scored epochs lie evenly on a logarithmic axis, as many as cost about `SHARE` of the run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, nn

from musiclib.config import TrainConfig
from musiclib.datasets.imageset import ImageSet, stratified_indices
from musiclib.evaluate.features import extract
from musiclib.evaluate.knn import knn_top1
from musiclib.views import ViewConfig

PROBE = "knn"
BANK, QUERIES = 10_000, 2_000
"""At most so many training images vote, and so many others are classified."""

MOST_POINTS = 10
SHARE = 0.02
"""Of the run's work, counted in forward passes: a training step costs three for each of an image's two views."""


def split_bank(labels: Int64[Tensor, "n"]) -> tuple[Int64[Tensor, "bank"], Int64[Tensor, "queries"]]:
    """Positions of the images that vote and of those that are classified: disjoint, stratified, the same for every
    run on these labels."""
    samples = len(labels)
    rest, queries = stratified_indices(labels, min(QUERIES / samples, 1 / 6), 0)
    if len(rest) <= BANK:
        return rest, queries
    return rest[stratified_indices(labels[rest], BANK / len(rest), 1)[1]], queries


def scored_epochs(epochs: int, samples: int, points: int | None = None) -> tuple[int, ...]:
    """The epochs after which a run is scored, rising, the last one among them.

    epochs: of the run. samples: training images. points: how many epochs; None for at most `MOST_POINTS` within
    `SHARE` of the run's work, which may be none for a short run on a small set. Epochs that round to the same whole
    number count once.
    """
    if points is None:
        work = 6 * samples * epochs
        points = min(MOST_POINTS, int(SHARE * work / min(BANK + QUERIES, samples))) if samples else 0
    if not points or not epochs:
        return ()
    if points == 1:
        return (epochs,)
    return tuple(sorted({int(e) for e in np.geomspace(1, epochs, points).round()}))


def unscored(epoch: int, encoder: nn.Module) -> None:
    """The watch that scores nothing."""


def accuracy_watch(
    train_set: Any, view: ViewConfig, config: TrainConfig, device: torch.device
) -> Callable[[int, nn.Module], float | None]:
    """A function of (finished epochs, encoder): the share of held-out images whose label the neighbours give, in
    [0, 1], or None where this epoch is not scored.

    A set that is streamed, without labels, or of one class, is never scored.
    """
    labels = getattr(train_set, "labels", None)
    scorable = isinstance(train_set, ImageSet) and labels is not None and len(torch.unique(labels)) > 1
    chosen = frozenset(scored_epochs(config.epochs, len(train_set), config.watch)) if scorable else frozenset()
    if not chosen:
        return unscored
    bank, queries = split_bank(labels)

    def score(epoch: int, encoder: nn.Module) -> float | None:
        if epoch not in chosen:
            return None
        options = {"device": device, "precision": config.precision}
        x, y = (extract(encoder, train_set.images[part], view, **options).to(device) for part in (bank, queries))
        return knn_top1(x, labels[bank], y, labels[queries])

    return score
