"""The wide set: the same bytes everywhere, six balanced factors, each of which can be seen in the picture."""

import pytest
import torch

from musiclib.datasets import load
from musiclib.datasets.attributes_wide import FACTORS, render
from musiclib.views import view_preset

BASE = {"shape": 0, "texture": 0, "hue": 0, "core": 0, "ground": 2, "pattern": 0}
CENTRE = (slice(None), slice(15, 17), slice(15, 17))
CORNER = (slice(None), slice(0, 3), slice(0, 3))


def scene(**changes):
    """One clean image (3, 32, 32) with everything else as in BASE."""
    return render({name: torch.tensor([value]) for name, value in {**BASE, **changes}.items()})[0].int()


def test_a_seed_names_the_bytes():
    assert load("attributes_wide", "train", samples=64).checksum.startswith("d58919cb59eb1138")


def test_more_samples_continue_fewer_and_splits_and_seeds_differ():
    few, many = load("attributes_wide", "train", samples=40), load("attributes_wide", "train", samples=90)
    assert torch.equal(few.images, many.images[:40])
    pixels = {image.numpy().tobytes() for image in many.images}
    for other in (load("attributes_wide", "test", samples=90), load("attributes_wide", "train", samples=90, seed=1)):
        assert not pixels & {image.numpy().tobytes() for image in other.images}


def test_factors_are_balanced_and_pairwise_independent():
    """Deviations of pair frequencies from 1/16 stay within five standard errors."""
    n = 20_000
    factors = load("attributes_wide", "train", samples=n).factors
    names = list(factors)
    for a, first in enumerate(names):
        for second in names[a + 1 :]:
            pairs = torch.bincount(factors[first] * 4 + factors[second], minlength=16) / n
            assert (pairs - 1 / 16).abs().max() < 5 * (15 / 256 / n) ** 0.5


@pytest.mark.parametrize("factor", FACTORS)
def test_every_value_of_a_factor_looks_different(factor):
    seen = [scene(**{factor: value}) for value in range(4)]
    for a in range(4):
        for b in range(a):
            assert ((seen[a] - seen[b]).abs().amax(0) > 20).float().mean() > 0.01


def test_the_object_covers_the_centre_and_the_ground_the_corners():
    red, cyan = scene()[CENTRE].flatten(1).float().mean(1), scene()[CORNER].flatten(1).float().mean(1)
    assert red[0] > 3 * red[1:].max()
    assert cyan[0] < cyan[1:].min() / 3
    assert torch.equal(scene(hue=3)[CORNER], scene()[CORNER])
    assert torch.equal(scene(ground=0)[CENTRE], scene()[CENTRE])


def test_cores_are_white_black_and_a_ring_around_black():
    none, white, black, ring = (scene(core=value)[CENTRE].float().mean() for value in range(4))
    assert white > 240
    assert black < 16
    assert ring < 16
    assert 60 < none < 150
    assert scene(core=3)[:, 15, 13].min() > 200


def test_rows_lie_across_columns():
    rows, columns = scene(pattern=1)[:, :4].float(), scene(pattern=2)[:, :4].float()
    assert rows.std(2).max() == 0
    assert columns.std(1).max() == 0
    assert rows.std(1).max() > 10
    assert columns.std(2).max() > 10


def test_a_mirrored_image_has_the_same_factors():
    """The flip of the views changes no value: mirrored clean images of every shape are the images themselves."""
    for shape in range(4):
        image = scene(shape=shape)
        assert (image - image.flip(2)).abs().float().mean() < 1


def test_jitter_moves_and_noise_stays_in_its_range():
    still = load("attributes_wide", "train", samples=30, jitter=False, noise=0)
    noisy = load("attributes_wide", "train", samples=30, jitter=False, noise=9)
    moved = load("attributes_wide", "train", samples=30, noise=0)
    assert 0 < (still.images.int() - noisy.images.int()).abs().max() <= 9
    assert (still.images != moved.images).flatten(1).any(1).float().mean() > 0.9
    assert torch.equal(still.images, render(still.factors))


def test_the_label_is_the_factor_that_was_asked_for():
    by_hue = load("attributes_wide", "test", samples=20, label="hue")
    assert torch.equal(by_hue.labels, by_hue.factors["hue"])
    assert by_hue.classes == FACTORS["hue"]
    assert view_preset("attributes_wide")[0].size == by_hue.images.shape[2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"samples": 0}, "samples must be at least 1, got 0"),
        ({"label": "size"}, "label must be a factor .*got 'size'"),
        ({"samples": 4, "noise": 64}, "noise must be .* 0..63, got 64"),
    ],
)
def test_impossible_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        load("attributes_wide", "train", **options)


def test_factors_out_of_range_or_missing_are_named():
    good = {name: torch.zeros(2, dtype=torch.int64) for name in FACTORS}
    with pytest.raises(ValueError, match="'hue' must be 2 indices in 0"):
        render({**good, "hue": torch.tensor([0, 4])})
    with pytest.raises(ValueError, match="must hold exactly shape"):
        render({name: value for name, value in good.items() if name != "core"})
    with pytest.raises(ValueError, match=r"nuisance must have shape \(2, 6\)"):
        render(good, nuisance=torch.zeros(2, 4, dtype=torch.int64))
