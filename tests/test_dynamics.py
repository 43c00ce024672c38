"""Step by step: curvatures against autograd's Hessian, growth against the curvature, and the network's first steps."""

import math

import pytest
import torch

from musiclib import MusicLoss
from musiclib.config import TrainConfig
from musiclib.monitor import collapse_values
from musiclib.studies.dynamics import escape_curvature, escape_direction, escape_from_uniform, free_codes, network_steps

N, S, K = 6, 2, 4
SMALL = {"dataset": "digits", "encoder": "tiny", "batch": 64, "lr": 0.5, "options": {"segments": 4, "units": 4}}


@pytest.mark.parametrize(("a", "c", "t"), [(1.0, 1.0, 1.0), (1.0, 0.0, 1.0), (0.5, 2.0, 0.7), (0.0, 1.0, 1.0)])
def test_the_curvature_is_the_second_derivative_along_a_direction(a, c, t):
    u = escape_direction(N, S, K, seed=3)
    loss = MusicLoss(S, diagonal_weight=a, invariance_weight=c, temperature=t)
    f = lambda h: loss(h * u / math.sqrt(2), h * u / math.sqrt(2))  # noqa: E731  norm one over both views
    second = torch.autograd.functional.hessian(f, torch.zeros((), dtype=torch.float64))
    expected = escape_curvature(N, S, K, diagonal_weight=a, invariance_weight=c, temperature=t)
    assert second.item() == pytest.approx(-expected, rel=1e-9)


def test_the_off_diagonal_weight_has_no_part_in_it():
    u = escape_direction(N, S, K, seed=0)
    second = [
        torch.autograd.functional.hessian(
            lambda h, b=b: MusicLoss(S, off_diagonal_weight=b)(h * u, h * u), torch.zeros((), dtype=torch.float64)
        ).item()
        for b in (0.0, 5.0)
    ]
    assert second[0] == pytest.approx(second[1], rel=1e-9)


def test_a_direction_has_norm_one_and_no_means():
    u = escape_direction(N, S, K, seed=1).view(N, S, K)
    assert u.norm().item() == pytest.approx(1)
    assert u.mean(0).abs().max() < 1e-15
    assert u.mean(2).abs().max() < 1e-15


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_descent_grows_at_the_predicted_rate_while_it_is_small(weight):
    trace = escape_from_uniform(16, 3, 5, invariance_weight=weight, steps=40, start=1e-6)
    assert trace[0]["size"] == pytest.approx(1e-6)
    assert trace[0]["loss"] == pytest.approx(collapse_values(3, 5, invariance_weight=weight)["uniform"], abs=1e-9)
    assert trace[-1]["size"] == pytest.approx(trace[-1]["predicted"], rel=1e-3)
    assert trace[-1]["size"] > 5e-6


def test_descent_ends_below_the_uniform_value_and_a_far_prediction_is_infinite():
    trace = escape_from_uniform(16, 3, 5, steps=2000, start=1e-3, growth=0.2)
    assert trace[-1]["loss"] < trace[0]["loss"] - 1
    assert trace[-1]["peak"] > 0.5
    assert trace[-1]["predicted"] == math.inf


def test_one_sample_has_no_direction():
    with pytest.raises(ValueError, match="at least 2"):
        escape_from_uniform(1, 3, 5)


def test_free_codes_of_a_small_batch_go_below_every_one_hot_code():
    floor = -math.log(5) - math.log(10)  # theory C9: K = 5, N = 10 < K^2
    pure, tied = (min(free_codes(10, 4, 5, invariance_weight=c, seed=s)[-1]["loss"] for s in (0, 1)) for c in (0, 1))
    assert -3 * math.log(5) < pure < floor - 0.3  # the bound of every batch lies below both
    assert pure < tied < floor


def test_the_network_starts_as_a_run_does_and_shrinking_makes_it_uniform():
    config = TrainConfig.from_dict(SMALL)
    full, small = (network_steps(config, steps=2, shrink=s) for s in (1.0, 1e-3))
    assert [e["step"] for e in full] == [0, 1]
    assert full == network_steps(config, steps=2)
    weights = collapse_values(4, 4)
    assert small[0]["loss"] == pytest.approx(weights["uniform"], abs=1e-3)
    assert abs(full[0]["loss"] - weights["uniform"]) > 1e-2
    assert small[0]["peak"] == pytest.approx(1 / 4, abs=1e-2)


def test_the_network_needs_music_and_a_whole_batch():
    with pytest.raises(ValueError, match="only music"):
        network_steps(TrainConfig.from_dict({**SMALL, "method": "vicreg", "options": {}}), steps=1)
    with pytest.raises(ValueError, match="training set has"):
        network_steps(TrainConfig.from_dict({**SMALL, "batch": 4096}), steps=1)
