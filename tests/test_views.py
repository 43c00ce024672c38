"""Views: what is drawn has the stated distribution, and what is rendered is what the operations do one after
another."""

import json
import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from musiclib.views import (
    PRESETS,
    ViewConfig,
    augment,
    blur_matrix,
    colour_matrix,
    crop_matrix,
    draw,
    plain,
    render,
    two_views,
    view_preset,
)

UNIT = {"mean": (0.0,), "std": (1.0,)}  # values stay in [0, 1]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(n=24, c=3, h=32, w=32, seed=0):
    return torch.randint(0, 256, (n, c, h, w), generator=generator(seed), dtype=torch.uint8)


# ---------------------------------------------------------------- a reference: one image, float64, one step after
# another


def step_by_step(image, p, n, config):
    """The documented order, each operation written on its own, on one image in [0, 1]."""
    top, left, h, w = (int(getattr(p, name)[n]) for name in ("top", "left", "height", "width"))
    x = image.double()[:, top : top + h, left : left + w] / 255
    x = F.interpolate(x[None], size=(config.size,) * 2, mode="bilinear", antialias=True, align_corners=False)[0]
    if p.flip[n]:
        x = x.flip(-1)
    if p.sigma[n] > 0:
        at = np.arange(config.size)
        g = np.exp(-((at[:, None] - at) ** 2) / (2 * float(p.sigma[n]) ** 2))
        g = torch.from_numpy(g / g.sum(1, keepdims=True))
        x = torch.einsum("yh,chw,xw->cyx", g, x, g)
    rgb = x.shape[0] == 3
    luma = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    grey = lambda t: torch.einsum("c,chw->hw", luma, t) if rgb else t[0]  # noqa: E731
    x = x * float(p.brightness[n])
    c = float(p.contrast[n])
    x = c * x + (1 - c) * grey(x).mean()
    if rgb:
        s = float(p.saturation[n])
        x = s * x + (1 - s) * grey(x)
        x = rotate_hue(x, float(p.hue[n]))
        if p.grey[n]:
            x = grey(x).expand(3, -1, -1)
    x = x.clamp(0, 1)
    if p.solarise[n]:
        x = torch.where(x >= config.solarise_threshold, 1 - x, x)
    mean, std = (torch.tensor(v, dtype=torch.float64).view(-1, 1, 1) for v in (config.mean, config.std))
    return (x - mean) / std


def rotate_hue(x, turns):
    """To YIQ, turn the (I, Q) plane as a complex number, and back by solving (no matrix of the code under test)."""
    yiq = torch.tensor([[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
    y, i, q = torch.einsum("ab,bhw->ahw", yiq.double(), x)
    turned = torch.complex(i, q) * np.exp(2j * math.pi * turns)
    return torch.linalg.solve(yiq.double(), torch.stack([y, turned.real, turned.imag]).flatten(1)).view_as(x)


EVERYTHING = ViewConfig(
    size=32, crop_scale=(0.1, 1.0), flip=0.5, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, jitter_p=0.8,
    grey_p=0.3, blur_p=0.5, solarise_p=0.4, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25),
)  # fmt: skip


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        (EVERYTHING, (3, 32, 32)),
        (replace(EVERYTHING, size=24), (3, 40, 28)),  # not square, other size
        (replace(EVERYTHING, size=20), (3, 100, 90)),  # too large for the table of crops
        (replace(EVERYTHING, mean=(0.3,), std=(0.4,)), (1, 28, 28)),
    ],
)
def test_views_agree_with_the_operations_one_after_another(config, shape):
    images = pictures(24, *shape)
    p = draw(config, len(images), *shape[1:], generator(1))
    got = render(images, p, config)
    want = torch.stack([step_by_step(image, p, n, config) for n, image in enumerate(images)])
    assert got.dtype == torch.float32
    assert got.shape == (24, shape[0], config.size, config.size)
    torch.testing.assert_close(got.double(), want, atol=2e-5, rtol=0)


def test_crop_and_flip_agree_with_kornia():
    kornia = pytest.importorskip("kornia")
    images = pictures(8)
    config = ViewConfig(crop_scale=(0.2, 1.0), flip=0.5, **UNIT)
    p = draw(config, 8, 32, 32, generator(2))
    got = render(images, p, config)
    for n in range(8):
        rows, columns = slice(p.top[n], p.top[n] + p.height[n]), slice(p.left[n], p.left[n] + p.width[n])
        window = images[n : n + 1, :, rows, columns].float() / 255
        # Crops are no larger than the view, so that plain bilinear interpolation is the right answer as well.
        want = kornia.geometry.transform.resize(window, (32, 32), interpolation="bilinear", align_corners=False)
        want = kornia.geometry.transform.hflip(want) if p.flip[n] else want
        torch.testing.assert_close(got[n : n + 1], want, atol=1e-5, rtol=0)


# ---------------------------------------------------------------- what is drawn


def test_crops_lie_inside_and_have_the_stated_area_and_ratio():
    config = ViewConfig(crop_scale=(0.2, 1.0))
    p = draw(config, 20_000, 128, 128, generator())
    assert (p.top >= 0).all()
    assert (p.left >= 0).all()
    assert (p.top + p.height <= 128).all()
    assert (p.left + p.width <= 128).all()
    area = (p.height * p.width).double() / 128**2
    ratio = p.width.double() / p.height
    assert 0.19 < area.min() < 0.21
    assert 0.98 < area.max() <= 1.0
    assert 0.73 < ratio.min() < 0.77
    assert 1.3 < ratio.max() < 1.37
    # Areas below 3/4 always fit at these ratios, so there the area is uniform and quartiles are known ...
    low = area[area < 0.7]
    for q in (0.25, 0.5, 0.75):
        assert abs(low.quantile(q) - (0.2 + 0.5 * q)) < 0.01
    # ... and log ratio is symmetric with the standard deviation of a uniform variable.
    logs = ratio[area < 0.7].log()
    assert abs(logs.mean()) < 0.005
    assert abs(logs.std() - 2 * math.log(4 / 3) / math.sqrt(12)) < 0.005


def test_places_of_crops_are_uniform():
    p = draw(ViewConfig(crop_scale=(0.25, 0.25), crop_ratio=(1.0, 1.0)), 17_000, 32, 32, generator())
    assert set(p.height.tolist()) == {16}
    for place in (p.top, p.left):
        counts = torch.bincount(place, minlength=17).double()
        assert len(counts) == 17
        assert ((counts - 1000) ** 2 / 1000).sum() < 45  # chi-square with 16 degrees: 45 has p = 1e-4


def test_a_crop_that_never_fits_becomes_the_largest_centred_one():
    config = ViewConfig(crop_scale=(1.0, 1.0), crop_ratio=(0.5, 0.5))
    p = draw(config, 4, 32, 32, generator())
    assert p.height.tolist() == [32] * 4
    assert p.width.tolist() == [16] * 4
    assert p.left.tolist() == [8] * 4
    wide = draw(replace(config, crop_ratio=(2.0, 2.0)), 4, 32, 32, generator())
    assert wide.height.tolist() == [16] * 4
    assert wide.top.tolist() == [8] * 4


def test_rates_and_ranges_of_flip_colour_blur_and_solarise():
    n = 20_000
    config = ViewConfig(
        flip=0.5, brightness=0.4, contrast=0.3, saturation=0.2, hue=0.1, jitter_p=0.8, grey_p=0.2,
        blur_p=0.1, blur_sigma=(0.5, 1.5), solarise_p=0.25,
    )  # fmt: skip
    p = draw(config, n, 32, 32, generator())
    jittered = p.brightness != 1
    for rate, want in ((p.flip, 0.5), (jittered, 0.8), (p.grey, 0.2), (p.sigma > 0, 0.1), (p.solarise, 0.25)):
        assert abs(rate.double().mean() - want) < 4 * math.sqrt(want * (1 - want) / n)
    for values, low, high in (
        (p.brightness, 0.6, 1.4),
        (p.contrast, 0.7, 1.3),
        (p.saturation, 0.8, 1.2),
        (p.hue, -0.1, 0.1),
    ):
        used, width = values[jittered].double(), high - low
        assert low <= used.min() < low + 0.01 * width
        assert high - 0.01 * width < used.max() <= high + 1e-6
        assert abs(used.mean() - (low + high) / 2) < 0.02 * width
        assert abs(used.std() - width / math.sqrt(12)) < 0.02 * width
        assert torch.unique(values[~jittered]).tolist() == ([0.0] if low < 0 else [1.0])
    sigma = p.sigma[p.sigma > 0]
    assert sigma.min() >= 0.5
    assert sigma.max() <= 1.5
    pairs = torch.stack([p.brightness, p.contrast, p.saturation, p.hue])[:, jittered].double()
    assert (torch.corrcoef(pairs) - torch.eye(4)).abs().max() < 0.04  # drawn independently


def test_switching_one_operation_off_changes_no_other():
    full = draw(EVERYTHING, 50, 32, 32, generator())
    without = draw(replace(EVERYTHING, flip=0.0), 50, 32, 32, generator())
    assert not without.flip.any()
    for f in fields(full):
        if f.name != "flip":
            assert torch.equal(getattr(full, f.name), getattr(without, f.name)), f.name


# ---------------------------------------------------------------- determinism


def test_views_depend_on_the_seed_alone_and_differ_from_each_other():
    images, configs = pictures(), (EVERYTHING, EVERYTHING)
    a, b = two_views(images, configs, generator(3)), two_views(images, configs, generator(3))
    assert torch.equal(a[0], b[0])
    assert torch.equal(a[1], b[1])
    assert not torch.equal(a[0], a[1])
    assert not torch.equal(a[0], two_views(images, configs, generator(4))[0])


def test_the_global_generator_is_left_alone():
    before = torch.random.get_rng_state()
    two_views(pictures(), (EVERYTHING, EVERYTHING), generator())
    assert torch.equal(before, torch.random.get_rng_state())


def test_first_view_does_not_depend_on_the_second_configuration():
    images = pictures()
    first = two_views(images, (EVERYTHING, EVERYTHING), generator(5))[0]
    assert torch.equal(first, two_views(images, (EVERYTHING, ViewConfig(size=16)), generator(5))[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpu_draws_the_same_views():
    images = pictures()
    on_cpu = augment(images, EVERYTHING, generator(6))
    on_gpu = augment(images.cuda(), EVERYTHING, generator(6))
    torch.testing.assert_close(on_cpu, on_gpu.cpu(), atol=1e-4, rtol=0)


def test_a_view_of_an_image_does_not_depend_on_its_neighbours():
    images = pictures(8)
    p = draw(EVERYTHING, 8, 32, 32, generator(7))
    alone = type(p)(*(getattr(p, f.name)[3:4] for f in fields(p)))
    torch.testing.assert_close(render(images, p, EVERYTHING)[3:4], render(images[3:4], alone, EVERYTHING))


# ---------------------------------------------------------------- plain images, matrices, colours


@pytest.mark.parametrize("size", [32, 20, 48])
def test_a_configuration_that_draws_nothing_gives_the_plain_image(size):
    config = ViewConfig(size=size, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    images = pictures()
    torch.testing.assert_close(augment(images, config, generator()), plain(images, config), atol=1e-5, rtol=0)


def test_plain_resizes_like_torch_and_normalises():
    images, config = pictures(4, 3, 50, 30), ViewConfig(size=20, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    want = F.interpolate(images.double() / 255, size=(20, 20), mode="bilinear", antialias=True)
    want = (want - torch.tensor(config.mean).view(3, 1, 1)) / torch.tensor(config.std).view(3, 1, 1)
    torch.testing.assert_close(plain(images, config).double(), want, atol=1e-5, rtol=0)


def test_rows_of_crop_and_blur_matrices_are_weights():
    start, length = torch.tensor([0, 3, 31, 10]), torch.tensor([32, 7, 1, 20])
    rows = crop_matrix(start, length, 32, 16)
    assert (rows >= 0).all()
    torch.testing.assert_close(rows.sum(-1), torch.ones(4, 16))
    outside = torch.ones(4, 32, dtype=torch.bool)
    for n in range(4):
        outside[n, start[n] : start[n] + length[n]] = False
    assert rows.sum(1)[outside].abs().max() == 0
    blur = blur_matrix(torch.tensor([0.0, 1.0]), 16)
    torch.testing.assert_close(blur[0], torch.eye(16))
    torch.testing.assert_close(blur.sum(-1), torch.ones(2, 16))


def test_colours_keep_greys_grey_and_full_turns_do_nothing():
    config = ViewConfig(saturation=0.4, hue=0.5, jitter_p=1.0)
    p = draw(config, 6, 32, 32, generator())
    linear, offset = colour_matrix(p, torch.rand(6, 3, generator=generator()))
    torch.testing.assert_close(linear.sum(2), torch.ones(6, 3), atol=1e-5, rtol=0)  # (1, 1, 1) maps to itself
    torch.testing.assert_close(offset, torch.zeros(6, 3, 1))
    turned = type(p)(*(getattr(p, f.name) if f.name != "hue" else p.hue + 1.0 for f in fields(p)))
    torch.testing.assert_close(colour_matrix(turned, torch.zeros(6, 3))[0], linear, atol=1e-5, rtol=0)


def test_greyscale_leaves_three_equal_channels():
    view = augment(pictures(), ViewConfig(grey_p=1.0, **UNIT), generator())
    torch.testing.assert_close(view[:, 0], view[:, 1])
    torch.testing.assert_close(view[:, 0], view[:, 2])


def test_memory_format_is_a_choice_and_changes_no_value():
    images = pictures()
    last = augment(images, EVERYTHING, generator())
    first = augment(images, replace(EVERYTHING, channels_last=False), generator())
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert first.is_contiguous()
    assert torch.equal(last, first)


def test_autocast_does_not_touch_the_views():
    images = pictures()
    with torch.autocast("cpu", torch.bfloat16):
        inside = augment(images, EVERYTHING, generator())
    assert torch.equal(inside, augment(images, EVERYTHING, generator()))


# ---------------------------------------------------------------- configuration and errors


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_survive_json(name):
    for config in view_preset(name):
        assert ViewConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_presets_are_the_published_recipes():
    first, second = view_preset("cifar10")
    assert first == second
    assert (first.crop_scale, first.flip, first.jitter_p, first.grey_p) == ((0.2, 1.0), 0.5, 0.8, 0.2)
    assert (first.brightness, first.contrast, first.saturation, first.hue) == (0.4, 0.4, 0.4, 0.1)
    assert (first.blur_p, first.solarise_p) == (0.0, 0.0)
    first, second = view_preset("imagenet")
    assert (first.blur_p, second.blur_p, first.solarise_p, second.solarise_p) == (1.0, 0.1, 0.0, 0.2)
    assert first.saturation == 0.2
    assert view_preset("digits")[0].flip == 0.0  # a mirrored 2 is no digit
    assert view_preset("folder:/some/where") == PRESETS["folder"]


def test_unknown_keys_and_data_sets_are_errors():
    with pytest.raises(ValueError, match=r"unknown view options \['crop'\]"):
        ViewConfig.from_dict({"crop": 1})
    with pytest.raises(ValueError, match="no views are preset"):
        view_preset("mnist3d")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"flip": 1.5}, "flip=1.5"),
        ({"hue": 0.6}, "hue=0.6"),
        ({"brightness": -0.1}, "brightness=-0.1"),
        ({"crop_scale": (0.5, 0.2)}, "crop_scale"),
        ({"crop_scale": (0.5, 1.2)}, "larger than the image"),
        ({"crop_ratio": (0.0, 1.0)}, "crop_ratio"),
        ({"std": (0.0,)}, "std"),
        ({"size": 0}, "size=0"),
        ({"mean": (0.1, 0.2)}, "mean"),
    ],
)
def test_impossible_values_are_refused_by_name(values, message):
    with pytest.raises(ValueError, match=message):
        ViewConfig(**values)


def test_wrong_images_and_generators_are_refused():
    with pytest.raises(TypeError, match="uint8"):
        augment(torch.rand(2, 3, 8, 8), ViewConfig(), generator())
    with pytest.raises(ValueError, match="1 or 3 channels"):
        augment(pictures(2, 2), ViewConfig(), generator())
    with pytest.raises(ValueError, match="mean has 3 values"):
        plain(pictures(2, 1), EVERYTHING)


def test_one_image_and_one_pixel_are_fine():
    assert augment(pictures(1, 3, 1, 1), replace(EVERYTHING, size=1), generator()).shape == (1, 3, 1, 1)
