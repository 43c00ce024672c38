"""Published numbers: copied as printed, each with a source, beside what differs from ours."""

import math

import pytest

from musiclib.methods import METHODS
from musiclib.studies.published import PROBES, differences, gap, published

OURS = {"encoder": "compact", "epochs": 8, "batch": 256}


def test_numbers_are_fractions_of_known_methods_and_none_is_of_music():
    found = published("cifar10")
    assert len(found) > 20
    assert {p.method for p in found} <= set(METHODS) - {"music"}
    assert all(0.5 < p.value < 1.0 for p in found)
    assert all(p.protocol.metric in PROBES and p.protocol.where for p in found)


def test_a_number_is_the_one_that_its_source_prints():
    value = {(p.source, p.method): p.value for p in published("cifar10")}
    assert value["solo-learn", "barlow_twins"] == 0.9210
    assert value["lightly-200", "simsiam"] == 0.764
    assert ("solo-learn", "sela") not in value
    assert (value["simclr-cifar10, kNN", "simclr"], value["simclr-cifar10, linear", "simclr"]) == (0.832, 0.856)


def test_where_nothing_was_found_there_is_nothing():
    assert published("fashion_mnist") == published("digits") == []


def test_what_differs_names_encoder_epochs_and_probe_and_passes_over_what_is_the_same():
    theirs = next(p.protocol for p in published("cifar10") if p.source == "solo-learn")
    text = differences(theirs, OURS)
    assert "encoder: resnet18, ours compact" in text
    assert "epochs: 1000 (125 times ours), ours 8" in text
    assert "batch:" not in text  # 256 there and here
    assert "logistic regression" in text
    same = differences(theirs, {"encoder": "resnet18", "epochs": 1000, "batch": 256})
    assert "encoder:" not in same
    assert "epochs:" not in same


def test_a_batch_that_is_not_stated_is_said_to_be_so():
    theirs = next(p.protocol for p in published("cifar10") if p.source == "w-mse protocol")
    assert "batch: not stated, ours 256" in differences(theirs, OURS)


def test_the_gap_is_to_the_mean_of_ours():
    assert gap(0.9, {0: 0.5, 1: 0.7}) == pytest.approx(0.3)
    assert math.isnan(gap(0.9, {}))


def test_the_nearest_neighbour_of_the_runs_of_a_hundred_epochs_differs_in_no_setting_of_the_table():
    ours = {"encoder": "resnet18", "epochs": 100, "batch": 512}
    found = published("cifar10")
    near = {p.source for p in found if differences(p.protocol, ours).startswith(p.protocol.probe)}
    assert near == {"simclr-cifar10, kNN", "simclr-cifar10, linear"}
