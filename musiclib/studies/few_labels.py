"""A finished run under few labels, frozen and fine-tuned: what `semi_supervised` does, for a run's folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from musiclib.config import TrainConfig
from musiclib.datasets import ImageSet
from musiclib.evaluate.semi_supervised import FineTuneOptions, choose_rate, fine_tune, frozen_subset, label_draws
from musiclib.pretrain.processes import pick_device
from musiclib.studies.frozen import frozen_encoder, frozen_features


def frozen_few_labels(
    runs: str | os.PathLike,
    config: TrainConfig,
    train: ImageSet,
    test: ImageSet,
    *,
    fractions: Sequence[float],
    draws: int,
    seed: int,
) -> list[list[float]]:
    """Test accuracy of logistic regression on frozen features, in [0, 1]: a list a fraction, a value a draw.

    seed names the draws, so that every row that is asked with the same seed meets the same labelled samples.
    """
    features = frozen_features(runs, config, train, test)
    return [
        frozen_subset(features[0], train.labels, features[1], test.labels, fraction=f, draws=draws, seed=seed)
        for f in fractions
    ]


def fine_tuned_few_labels(
    runs: str | os.PathLike,
    config: TrainConfig,
    train: ImageSet,
    test: ImageSet,
    *,
    fraction: float,
    draws: int,
    seed: int,
    options: FineTuneOptions | None = None,
) -> list[float]:
    """Test accuracy after fine-tuning the run's encoder, in [0, 1], a value a draw; draws as in `frozen_few_labels`.

    The run of a random encoder gives supervised training from scratch on the same labels: it starts where the
    pre-training of the same seed started. Raw pixels have no encoder, which is an error.
    """
    if config.method == "pixels":
        raise ValueError("method is 'pixels': raw pixels have no encoder that could be fine-tuned")
    encoder, view = frozen_encoder(Path(runs) / config.hash(), train)
    return [
        fine_tune(
            encoder, train, test, view, fraction=fraction, draw=i, seed=seed, options=options, device=pick_device(None)
        )
        for i in range(draws)
    ]


def chosen_rate(
    runs: str | os.PathLike,
    config: TrainConfig,
    train: ImageSet,
    *,
    fraction: float,
    rates: Sequence[float],
    seed: int,
    options: FineTuneOptions | None = None,
) -> float:
    """The encoder's rate in fine-tuning this run, by `choose_rate` on the first draw of `fraction` of the labels."""
    encoder, view = frozen_encoder(Path(runs) / config.hash(), train)
    labelled = train.subset(label_draws(train.labels, fraction, 1, seed)[0])
    return choose_rate(encoder, labelled, view, rates, seed=seed, options=options, device=pick_device(None))


def seed_means(scores: dict[int, Sequence[float]]) -> dict[int, float]:
    """The mean over draws of every seed: two seeds are independent, two draws of one seed are not."""
    return {seed: float(np.mean(values)) for seed, values in scores.items()}


def draw_spread(scores: dict[int, Sequence[float]]) -> float:
    """Standard deviation between draws of labels within a seed, pooled over seeds; NaN with one draw a seed."""
    within = [np.var(values, ddof=1) for values in scores.values() if len(values) > 1]
    return float(np.sqrt(np.mean(within))) if within else float("nan")
