"""Rendered attributes: the same bytes everywhere, independent factors, and pictures that show what the factors say."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats

from musiclib.datasets import load
from musiclib.datasets.attributes import COLOURS, FACTORS, GREYS, add_noise, render, sample_factors, shape_distance

BASE = {"shape": 1, "texture": 0, "hue": 0, "size": 2, "x": 1, "y": 1, "rotation": 0, "background": 0}


def scene(**changes):
    """One image or, for a list of values, several; everything else as in BASE."""
    length = max([len(v) for v in changes.values() if isinstance(v, list)], default=1)
    values = {**BASE, **changes}
    return {name: torch.tensor(v if isinstance(v, list) else [v] * length) for name, v in values.items()}


def object_mask(image, background):
    """Pixels of a noiseless image that differ from its ground."""
    return (image != GREYS[background]).any(0)


# -- the same images on every machine ---------------------------------------------------------------------------------


def test_pinned_checksums():
    assert load("attributes", "train", samples=256).checksum.startswith("d9f2814c1d88822b")
    assert load("attributes", "test", samples=256, seed=7).checksum.startswith("7877df8df65aa19d")
    assert load("attributes", "train", samples=32, size=48).checksum.startswith("46928b1fdaff1318")


def test_the_bytes_do_not_depend_on_threads_or_on_the_global_generator():
    threads = torch.get_num_threads()
    sums = set()
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(count)
                sums.add(load("attributes", "train", samples=700, seed=5).checksum)
    finally:
        torch.set_num_threads(threads)
    assert len(sums) == 1


def test_rendering_uses_up_no_global_randomness():
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    load("attributes", "train", samples=16)
    assert torch.equal(state, torch.get_rng_state())
    assert np.array_equal(numpy_state, np.random.get_state()[1])  # noqa: NPY002


def test_more_samples_continue_fewer_and_splits_and_seeds_differ():
    few, many = load("attributes", "train", samples=40), load("attributes", "train", samples=90)
    assert torch.equal(few.images, many.images[:40])
    others = [load("attributes", "test", samples=90), load("attributes", "train", samples=90, seed=1)]
    pixels = {image.numpy().tobytes() for image in many.images}
    for other in others:
        assert not pixels & {image.numpy().tobytes() for image in other.images}


# -- factors ----------------------------------------------------------------------------------------------------------


def chi_square_p(table, expected, freedom):
    return stats.chi2.sf(((table - expected) ** 2 / expected).sum().item(), freedom)


def test_default_factors_are_uniform_and_pairwise_independent():
    """The p values of chi-square tests over many seeds are uniform themselves, as they are under independence."""
    count, alone, pairs = 4_000, [], []
    for seed in range(25):
        factors = sample_factors(count, seed=seed)
        for name, values in FACTORS.items():
            observed = torch.bincount(factors[name], minlength=len(values))
            alone.append(chi_square_p(observed, torch.tensor(count / len(values)), len(values) - 1))
        for a, b in itertools.combinations(FACTORS, 2):
            rows, columns = len(FACTORS[a]), len(FACTORS[b])
            table = torch.bincount(factors[a] * columns + factors[b], minlength=rows * columns).double()
            table = table.view(rows, columns)
            expected = table.sum(1, keepdim=True) * table.sum(0, keepdim=True) / count
            pairs.append(chi_square_p(table, expected, (rows - 1) * (columns - 1)))
    for found in (alone, pairs):
        assert stats.kstest(found, "uniform").pvalue > 1e-3
        assert min(found) > 1e-3 / len(found)


def test_probabilities_skew_one_factor_and_leave_the_others_alone():
    plain = sample_factors(8_000, seed=2)
    skewed = sample_factors(8_000, seed=2, probabilities={"texture": (0.7, 0.2, 0.1, 0.0)})
    shares = torch.bincount(skewed["texture"], minlength=4) / 8_000
    assert torch.allclose(shares, torch.tensor([0.7, 0.2, 0.1, 0.0]), atol=0.02)
    assert shares[3] == 0
    for name in FACTORS:
        assert torch.equal(plain[name], skewed[name]) == (name != "texture")


def test_fixed_factors_take_names_and_indices():
    data = load("attributes", "train", samples=30, fixed={"hue": "cyan", "size": 2})
    assert set(data.factors["hue"].tolist()) == {FACTORS["hue"].index("cyan")}
    assert set(data.factors["size"].tolist()) == {2}
    assert len(set(data.factors["shape"].tolist())) > 1


def test_any_factor_can_be_the_label():
    for name in FACTORS:
        data = load("attributes", "test", samples=20, label=name)
        assert torch.equal(data.labels, data.factors[name])
        assert data.classes == FACTORS[name] == data.factor_values[name]


# -- pictures ---------------------------------------------------------------------------------------------------------


def test_ground_and_plain_surface_have_the_tabulated_colours():
    for background, hue in itertools.product(range(4), range(8)):
        image = render(scene(hue=hue, background=background))[0]
        assert image[:, 0, 0].tolist() == [GREYS[background]] * 3
        assert image[:, 16, 16].tolist() == list(COLOURS[hue])


@pytest.mark.parametrize("shape", range(len(FACTORS["shape"])))
def test_objects_lie_where_position_says(shape):
    columns, rows = [], []
    for index in range(3):
        columns.append(object_mask(render(scene(shape=shape, size=0, x=index))[0], 0).nonzero()[:, 1].double().mean())
        rows.append(object_mask(render(scene(shape=shape, size=0, y=index))[0], 0).nonzero()[:, 0].double().mean())
    for track in (columns, rows):
        assert track[1] - track[0] == pytest.approx(5.0, abs=1e-9)
        assert track[2] - track[1] == pytest.approx(5.0, abs=1e-9)


@pytest.mark.parametrize("shape", range(len(FACTORS["shape"])))
def test_objects_grow_with_size_and_never_touch_the_frame(shape):
    areas = [int(object_mask(render(scene(shape=shape, size=size))[0], 0).sum()) for size in range(3)]
    assert areas[0] < areas[1] < areas[2]
    corner = [0, 0, 2, 2]
    nuisance = torch.tensor([[-256, -256, 0, 0], [256, -256, 0, 0]] * 2)[[0, 1, 2, 3]]
    for rotation in range(4):
        spots = scene(shape=[shape] * 4, x=corner, y=[0, 2, 0, 2], size=[2] * 4, rotation=[rotation] * 4)
        inside = scene(shape=[shape] * 4, x=[1] * 4, y=[1] * 4, size=[2] * 4, rotation=[rotation] * 4)
        seen = (render(spots, nuisance=nuisance) != GREYS[0]).any(1).sum((1, 2))
        whole = (render(inside, nuisance=nuisance) != GREYS[0]).any(1).sum((1, 2))
        assert (seen > 0.9 * whole).all()  # an antialiased rim may leave the frame, the object does not


def test_pill_and_half_disc_have_the_area_that_geometry_gives_them():
    radius = 9.5
    pill = math.pi * (radius / 2) ** 2 + radius * radius  # two half discs and a radius x radius square between them
    half_disc = math.pi * (radius * 15 / 16) ** 2 / 2
    square = (2 * radius * 11 / 16) ** 2
    for name, area in {"pill": pill, "half disc": half_disc, "square": square}.items():
        # a red surface on black: the red channel runs linearly from ground (16) to surface (230) with coverage
        image = render(scene(shape=FACTORS["shape"].index(name)), size=128)[0, 0].double()
        covered = ((image - 16) / (230 - 16)).sum().item() / 16  # 16 = (128 / 32)^2 pixels to a design pixel
        assert covered == pytest.approx(area, rel=0.01)


def test_distance_is_that_of_the_triangle():
    side_distance = torch.tensor([[[0, 0, 0]]], dtype=torch.int32)
    v = torch.tensor([[[0, 1000, -2000]]], dtype=torch.int32)
    found = shape_distance(2, side_distance, v, torch.tensor([[[2000]]], dtype=torch.int32))
    # circumradius 2000: the centre is 1000 inside, the middle of the base and the apex lie on the outline
    assert found.flatten().tolist() == [-1000, 0, 0]


def test_every_factor_changes_the_picture_whatever_the_others_are():
    factors = sample_factors(60, seed=4)
    original = render(factors)
    for name, values in FACTORS.items():
        for step in range(1, len(values)):
            changed = render({**factors, name: (factors[name] + step) % len(values)})
            different = (changed.int() - original.int()).abs().flatten(1)
            assert (different.max(1).values > 20).all(), name
            assert ((different > 20).sum(1) >= 6).all(), name


def test_a_quarter_turn_in_position_turns_the_picture():
    """Left becomes top when the canvas is transposed: a square looks the same in both."""
    left = render(scene(x=0, y=1))[0]
    top = render(scene(x=1, y=0))[0]
    assert torch.equal(left.transpose(1, 2), top)


def test_stripes_are_half_dark_and_plain_is_not():
    textured = render(scene(texture=[0, 1, 2, 3], size=[2] * 4), size=128)[:, 0].double()
    inside = textured[:, 48:80, 48:80]  # the middle of the square: two whole periods of stripes
    dark = [(230 - patch).mean().item() / (230 - 230 * 96 / 256) for patch in inside]
    assert dark[0] == 0
    assert dark[1] == pytest.approx(math.pi * (336 / 256) ** 2 / 16, abs=0.03)  # a dot in each 4 x 4 cell
    assert dark[2] == pytest.approx(0.5, abs=0.01)
    assert dark[3] == pytest.approx(0.5, abs=0.06)


def test_larger_pictures_are_finer_ones_of_the_same_scene():
    factors = sample_factors(50, seed=9)
    coarse = render(factors).double()
    fine = torch.nn.functional.avg_pool2d(render(factors, size=128).double(), 4)
    assert (coarse - fine).abs().mean() < 2.0


def test_noise_is_bounded_and_can_be_switched_off():
    clean = load("attributes", "train", samples=50, noise=0)
    noisy = load("attributes", "train", samples=50, noise=6)
    difference = noisy.images.int() - clean.images.int()
    assert set(difference.unique().tolist()) == set(range(-6, 7))
    assert abs(difference.double().mean()) < 0.05
    assert torch.equal(load("attributes", "train", samples=50, noise=0, jitter=False).images, render(clean.factors))
    assert not torch.equal(clean.images, render(clean.factors))


def test_noise_stays_within_bytes():
    images = torch.cat((torch.zeros(4, 3, 8, 8), torch.full((4, 3, 8, 8), 255.0))).to(torch.uint8)
    add_noise(images, 63, seed=0)
    assert images[:4].unique().tolist() == list(range(64))
    assert images[4:].unique().tolist() == list(range(255 - 63, 256))


# -- the door ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"label": "colour"}, "label must be a factor"),
        ({"samples": 0}, "samples must be at least 1"),
        ({"size": 8}, "16..256"),
        ({"seed": -1}, "seed must be"),
        ({"noise": 64}, "0..63"),
        ({"fixed": {"hue": "beige"}}, "must be one of red"),
        ({"fixed": {"hue": 8}}, "0..7"),
        ({"fixed": {"colour": 1}}, "unknown factor 'colour'"),
        ({"probabilities": {"hue": (0.5, 0.5)}}, "must hold 8 numbers"),
        ({"probabilities": {"size": (0.5, 0.6, -0.1)}}, "non-negative and sum to 1"),
        ({"probabilities": {"size": (0.5, 0.5, float("nan"))}}, "non-negative and sum to 1"),
        ({"probabilities": {"size": (1, 0, 0)}, "fixed": {"size": 0}}, "in probabilities and in fixed"),
        ({"colour": 3}, "its options are: samples, seed"),
    ],
)
def test_wrong_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        load("attributes", "train", **options)


def test_render_wants_every_factor_within_its_range():
    with pytest.raises(ValueError, match=r"missing: \['hue'\]"):
        render({name: value for name, value in scene().items() if name != "hue"})
    with pytest.raises(ValueError, match=r"'hue' must lie in 0\.\.7"):
        render(scene(hue=8))
    with pytest.raises(ValueError, match="shape"):
        render({**scene(), "x": torch.tensor([0, 1])})
