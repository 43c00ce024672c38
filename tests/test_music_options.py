"""The three options of MUSIC that act on how segments part, each away from its default."""

import math

import pytest
import torch

from musiclib.config import TrainConfig
from musiclib.encoders import build_encoder
from musiclib.methods.music import Music, MusicOptions
from musiclib.pretrain import run

SMALL = {"segments": 3, "units": 4, "projector": (8,)}


def method(steps=10, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Music(build_encoder("tiny", 1), MusicOptions(**SMALL, **options), samples=8, steps=steps).train()


def views():
    g = torch.Generator().manual_seed(0)
    return torch.rand(8, 1, 8, 8, generator=g), torch.rand(8, 1, 8, 8, generator=g), torch.arange(8)


def value(music):
    out = music(*views())
    return out.loss.item(), {name: float(term) for name, term in out.terms.items()}


# -- the ramp ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "risen"), [(0, 0.0), (1, 0.25), (3, 0.75), (4, 1.0), (9, 1.0)])
def test_the_invariance_weight_rises_over_its_share_of_the_run(step, risen):
    music = method(steps=10, invariance_ramp=0.4, invariance_weight=2.0)
    if step:
        music.after_step(step)
    loss, terms = value(music)
    expected = terms["diagonal"] + terms["off_diagonal"] + 2.0 * risen * terms["invariance"]
    assert loss == pytest.approx(expected, abs=1e-5)
    assert terms["invariance"] > 0.5  # the log tells the term itself


def test_without_a_ramp_the_weight_is_there_from_the_start():
    loss, terms = value(method(invariance_weight=2.0))
    assert loss == pytest.approx(terms["diagonal"] + terms["off_diagonal"] + 2.0 * terms["invariance"], abs=1e-5)
    assert "taken" not in method().state_dict()


def test_a_resumed_ramp_stands_where_it_stood():
    first, second = (method(steps=10, invariance_ramp=1.0) for _ in range(2))
    first.after_step(7)
    second.load_state_dict(first.state_dict())
    assert value(second)[0] == value(first)[0]


def test_a_ramp_trains(tmp_path):
    config = TrainConfig.from_dict(
        {
            "dataset": "digits", "encoder": "tiny", "epochs": 1, "batch": 512, "watch": 0,
            "options": {**SMALL, "projector": [8], "invariance_ramp": 0.5},
        }
    )  # fmt: skip
    assert run(config, tmp_path / "run", evaluate=False, progress=False)["status"] == "done"


# -- logits at the start ----------------------------------------------------------------------------------------------


def test_the_logit_scale_multiplies_the_logits_at_the_start():
    x = views()[0]
    plain, small = method()(x, x, views()[2]).z1, method(logit_scale=0.1)(x, x, views()[2]).z1
    assert torch.allclose(small, 0.1 * plain, atol=1e-6)
    assert plain.abs().max() > 0.1


def test_normalised_logits_have_mean_zero_and_variance_one():
    z = method(normalise=True)(*views()).z1
    assert torch.allclose(z.mean(0), torch.zeros(12), atol=1e-5)
    assert torch.allclose(z.var(0, correction=0), torch.ones(12), atol=1e-2)
    assert not torch.allclose(method()(*views()).z1.var(0, correction=0), torch.ones(12), atol=1e-2)


# -- names and errors -------------------------------------------------------------------------------------------------


def named(**options):
    return TrainConfig.from_dict({"method": "music", "options": options}).hash()


def test_runs_made_before_the_options_keep_their_names():
    """The name of the default configuration as it was before they existed."""
    assert named() == "04577a814513"
    assert named(invariance_ramp=0.0, logit_scale=1.0, normalise=False) == named()


def test_away_from_the_default_every_option_names_another_run():
    names = [named(), named(invariance_ramp=0.5), named(logit_scale=0.5), named(normalise=True), named(units=8)]
    assert len(set(names)) == 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"invariance_ramp": 1.5}, r"invariance_ramp=1.5: a share of the run lies in \[0, 1\]"),
        ({"invariance_ramp": -0.1}, "invariance_ramp=-0.1"),
        ({"logit_scale": 0.0}, "logit_scale=0.0: expected a finite number > 0"),
        ({"logit_scale": math.inf}, "logit_scale=inf"),
        ({"logit_scale": 0.5, "normalise": True}, "the normalisation would cancel it"),
    ],
)
def test_impossible_values_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        MusicOptions(**options)
