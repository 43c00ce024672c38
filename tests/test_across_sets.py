"""Runs on another data set than their own."""

import pytest
import torch
import torch.nn.functional as F

from musiclib.config import TrainConfig
from musiclib.datasets import load
from musiclib.encoders import build_encoder
from musiclib.evaluate import few_shot
from musiclib.pretrain import load_encoder, run
from musiclib.studies.across_sets import channels_of, evaluate_across, features_across
from musiclib.studies.frozen import frozen_features

COLOUR = {"dataset": "attributes", "dataset_options": {"samples": 300}}


@pytest.fixture(scope="module")
def digits():
    return load("digits", "train").subset(range(400)), load("digits", "test")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    runs = tmp_path_factory.mktemp("batch") / "runs"
    found = {}
    small = {"segments": 4, "units": 4, "projector": [16]}
    for name, values in {
        "far": {"method": "music", "options": small, "epochs": 1, **COLOUR},
        "random": {"method": "random", **COLOUR},
        "own": {"method": "music", "options": small, "epochs": 1, "dataset": "digits"},
        "pixels": {"method": "pixels", "dataset": "digits"},
    }.items():
        found[name] = TrainConfig.from_dict({"encoder": "tiny", "batch": 128, "precision": "float32", **values})
        run(found[name], runs / found[name].hash(), progress=False, device="cpu", evaluate=False)
    return runs, found


def test_an_encoder_says_how_many_channels_it_takes():
    assert [channels_of(build_encoder(name, c)) for name, c in (("tiny", 1), ("compact", 3))] == [1, 3]


def test_grey_digits_reach_a_colour_encoder_at_its_size_and_normalisation(made, digits):
    runs, found = made
    x, y = features_across(runs, found["far"], *digits)
    encoder, _ = load_encoder(runs / found["far"].hash())
    images = digits[1].images.float() / 255
    shown = (F.interpolate(images.expand(-1, 3, -1, -1), 32, mode="bilinear", antialias=False) - 0.5) / 0.25
    with torch.no_grad():
        expected = encoder(shown)
    assert x.shape == (400, encoder.features)
    assert F.cosine_similarity(y, expected).min() > 0.99  # resizing may differ in its kernel, not in what it shows


def test_on_its_own_set_a_run_has_its_own_features(made, digits):
    runs, found = made
    for a, b in zip(
        features_across(runs, found["own"], *digits), frozen_features(runs, found["own"], *digits), strict=True
    ):
        assert torch.equal(a, b)


def test_a_random_encoder_is_calibrated_on_the_set_that_it_is_shown(made, digits):
    runs, found = made
    x, _ = features_across(runs, found["random"], *digits)
    brighter = features_across(runs, found["random"], digits[0].subset(range(100)), digits[1])[1]
    assert torch.isfinite(x).all()
    assert not torch.equal(brighter, features_across(runs, found["random"], *digits)[1])


def test_metrics_are_those_of_the_probes_and_of_few_shot(made, digits):
    runs, found = made
    scores = evaluate_across(runs, found["pixels"], *digits, seed=3, shots=[1, 5], episodes=20)
    pixels = digits[1].images.flatten(1).float() / 255
    assert scores["5-shot/test/top1"] == few_shot(pixels, digits[1].labels, shots=5, episodes=20, seed=3)["top1"]
    assert 0.3 < scores["1-shot/test/top1"] < scores["5-shot/test/top1"] < 1.0
    assert 0.8 < scores["linear/test/top1"] < 1.0
    assert 0.8 < scores["knn/test/top1"] < 1.0
