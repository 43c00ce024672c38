"""Few labels on finished runs: the same labelled samples for every row, draws nested in seeds."""

import math
from dataclasses import replace

import numpy as np
import pytest

from musiclib.config import TrainConfig
from musiclib.datasets import load
from musiclib.datasets.imageset import stratified_indices
from musiclib.evaluate import frozen_subset, label_draws, linear_probe
from musiclib.evaluate.reference import random_encoder, raw_pixels
from musiclib.evaluate.semi_supervised import FineTuneOptions, choose_rate, fine_tune_on
from musiclib.pretrain import run
from musiclib.studies.few_labels import chosen_rate, draw_spread, fine_tuned_few_labels, frozen_few_labels, seed_means
from musiclib.views import view_preset


@pytest.fixture(scope="module")
def digits():
    return load("digits", "train"), load("digits", "test")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    runs = tmp_path_factory.mktemp("batch") / "runs"
    found = {}
    for method in ("random", "pixels"):
        found[method] = TrainConfig.from_dict({"method": method, "dataset": "digits", "encoder": "tiny", "batch": 256})
        run(found[method], runs / found[method].hash(), progress=False, device="cpu", evaluate=False)
    return runs, found


def test_raw_pixels_meet_the_samples_of_the_seeds_draws(made, digits):
    runs, found = made
    scores = frozen_few_labels(runs, found["pixels"], *digits, fractions=[0.01, 0.1], draws=2, seed=4)
    train, test = digits
    x, y = raw_pixels(train), raw_pixels(test)
    assert scores[1] == frozen_subset(x, train.labels, y, test.labels, fraction=0.1, draws=2, seed=4)
    rows = label_draws(train.labels, 0.01, 2, 4)[1]
    by_hand = linear_probe(x[rows], train.labels[rows], y, test.labels, fraction=0.2, seed=4)["top1"]
    assert scores[0][1] == by_hand
    assert 0.3 < np.mean(scores[0]) < np.mean(scores[1]) < 1.0


def test_fine_tuning_from_scratch_learns_and_leaves_the_run_as_it_was(made, digits):
    runs, found = made
    short, long = (FineTuneOptions(steps=n, lr_encoder=3e-3) for n in (1, 25))
    arguments = {"fraction": 0.1, "draws": 1, "seed": 0}
    first = fine_tuned_few_labels(runs, found["random"], *digits, options=long, **arguments)
    assert fine_tuned_few_labels(runs, found["random"], *digits, options=long, **arguments) == first
    untrained = fine_tuned_few_labels(runs, found["random"], *digits, options=short, **arguments)
    assert first[0] > untrained[0] + 0.2


def test_raw_pixels_cannot_be_fine_tuned(made, digits):
    runs, found = made
    with pytest.raises(ValueError, match="no encoder"):
        fine_tuned_few_labels(runs, found["pixels"], *digits, fraction=0.1, draws=1, seed=0)


def test_draws_are_averaged_within_their_seed():
    scores = {0: [0.5, 0.7], 3: [0.8, 0.8]}
    assert seed_means(scores) == {0: pytest.approx(0.6), 3: pytest.approx(0.8)}
    # variances 0.02 and 0 pool to 0.01
    assert draw_spread(scores) == pytest.approx(0.1)
    assert math.isnan(draw_spread({0: [0.5], 1: [0.6]}))


def test_the_rate_is_chosen_within_the_labelled_images(made, digits):
    runs, found = made
    train = digits[0]
    encoder = random_encoder("tiny", 1, 0)
    labelled = train.subset(label_draws(train.labels, 0.1, 1, 0)[0])
    view, options = view_preset("digits")[0], FineTuneOptions(steps=20)
    chosen = choose_rate(encoder, labelled, view, [1e-7, 3e-3], options=options)
    assert chosen == 3e-3  # the other leaves the encoder as it was drawn
    kept, held = stratified_indices(labelled.labels, 0.2, 0)
    parts = labelled.subset(kept), labelled.subset(held)
    by_hand = {r: fine_tune_on(encoder, *parts, view, options=replace(options, lr_encoder=r)) for r in (1e-7, 3e-3)}
    assert by_hand[3e-3] > by_hand[1e-7]
    assert choose_rate(encoder, labelled, view, [0.5], options=options) == 0.5
    with pytest.raises(ValueError, match="rates"):
        choose_rate(encoder, labelled, view, [])
    assert chosen_rate(runs, found["random"], train, fraction=0.01, rates=[1e-3, 1e-4], seed=0) == 1e-4  # none held out
