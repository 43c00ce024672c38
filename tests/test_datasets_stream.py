"""Streams over large trees: the same batches for any number of workers, crops where they were drawn."""

import numpy as np
import pytest
import torch
from PIL import Image

from musiclib.datasets import DatasetMissing
from musiclib.datasets.decode import decode_images
from musiclib.datasets.stream import ATTEMPTS, ImageStream, draw_crop, two_crops

CROP = {"scale": (0.2, 1.0), "ratio": (3 / 4, 4 / 3)}


def gradient(width, height):
    """Red grows to the right, green downwards, so that a crop shows where it comes from."""
    x = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    y = np.linspace(0, 255, height)[:, None].repeat(width, 1)
    return Image.fromarray(np.stack((x, y, np.full_like(x, 64)), -1).round().astype(np.uint8))


def stream(folder, **options):
    return ImageStream(folder, **{"size": 16, "batch": 4, "workers": 0, "seed": 3, **options})


def flat(batches):
    """All tensors of all batches, one after the other along the batch."""
    return [torch.cat(parts) for parts in zip(*batches, strict=True)]


@pytest.fixture
def tree(tmp_path):
    for number, name in enumerate(("ant", "bee", "cow")):
        (tmp_path / "tree" / name).mkdir(parents=True)
        for i in range(5):
            gradient(50 + 7 * i, 40 + 20 * number).save(tmp_path / "tree" / name / f"{i}.jpg", quality=95)
    return tmp_path / "tree"


def test_an_epoch_visits_images_once_with_their_labels(tree):
    source = stream(tree)
    assert (len(source), source.steps, source.classes) == (12, 3, ("ant", "bee", "cow"))
    index, x1, x2, labels = flat(source.batches(0))
    assert sorted(index.tolist()) == list(range(12))
    assert torch.equal(labels, source.labels[index])
    assert x1.shape == x2.shape == (12, 3, 16, 16)
    assert x1.dtype == torch.uint8
    assert not torch.equal(x1, x2)


def test_epochs_and_seeds_differ_and_repeat_themselves(tree):
    first, again = flat(stream(tree).batches(0)), flat(stream(tree).batches(0))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for other in (flat(stream(tree).batches(1)), flat(stream(tree, seed=4).batches(0))):
        assert not torch.equal(first[0], other[0])
        order, other_order = first[0].argsort(), other[0].argsort()
        assert not torch.equal(first[1][order], other[1][other_order])


def test_workers_and_restarts_change_nothing(tree):
    reference = list(stream(tree).batches(2))
    by_workers = list(stream(tree, workers=2).batches(2))
    resumed = list(stream(tree).batches(2, start=1))
    assert len(by_workers) == 3
    assert len(resumed) == 2
    for found, wanted in ((by_workers, reference), (resumed, reference[1:])):
        for a, b in zip(flat(found), flat(wanted), strict=True):
            assert torch.equal(a, b)


def test_processes_share_the_global_batch(tree):
    whole = list(stream(tree).batches(1))
    halves = [list(stream(tree, rank=rank, world=2).batches(1)) for rank in (0, 1)]
    for step, batch in enumerate(whole):
        for part, tensor in enumerate(batch):
            assert torch.equal(torch.cat([halves[rank][step][part] for rank in (0, 1)]), tensor)


def test_streaming_uses_up_no_global_randomness(tree):
    state = torch.get_rng_state()
    list(stream(tree).batches(0))
    assert torch.equal(state, torch.get_rng_state())


def test_plain_images_come_in_order_and_are_the_decoded_centre(tree):
    source = stream(tree, batch=5)
    parts = list(source.plain())
    assert [len(index) for index, _, _ in parts] == [5, 5, 2]
    index, images, labels = flat(parts)
    assert index.tolist() == list(range(12))
    assert torch.equal(labels, source.labels)
    spread = [
        np.ptp(images[0, 0, 8].numpy().astype(int)),
        np.ptp(decode_images(source.files[:1], size=16)[0, 0, 8].numpy().astype(int)),
    ]
    assert spread[0] / spread[1] == pytest.approx(224 / 256, abs=0.06)


def test_crops_have_the_area_and_ratio_asked_for_and_lie_inside():
    rng = np.random.default_rng(0)
    boxes = np.array([draw_crop(300, 200, rng.random(2 * ATTEMPTS + 2), **CROP) for _ in range(4000)])
    left, top, right, bottom = boxes.T
    assert left.min() >= 0
    assert top.min() >= 0
    assert right.max() <= 300
    assert bottom.max() <= 200
    area, ratio = (right - left) * (bottom - top) / 60_000, (right - left) / (bottom - top)
    assert area.min() >= 0.2
    assert area.max() <= 1.0
    assert ratio.min() >= 3 / 4 - 1e-9
    assert ratio.max() <= 4 / 3 + 1e-9
    # without a frame in the way: area uniform, ratio uniform in the logarithm, place uniform
    small = np.array(
        [draw_crop(300, 300, rng.random(2 * ATTEMPTS + 2), (0.1, 0.5), CROP["ratio"]) for _ in range(4000)]
    )
    left, top, right, bottom = small.T
    assert ((right - left) * (bottom - top) / 90_000).mean() == pytest.approx(0.3, abs=0.01)
    assert np.log((right - left) / (bottom - top)).mean() == pytest.approx(0.0, abs=0.015)
    assert (left / (300 - (right - left))).mean() == pytest.approx(0.5, abs=0.02)
    assert (top / (300 - (bottom - top))).mean() == pytest.approx(0.5, abs=0.02)
    assert abs(np.corrcoef(left / (300 - (right - left)), top / (300 - (bottom - top)))[0, 1]) < 0.06  # 4 / sqrt(4000)


def test_an_image_too_long_for_any_crop_gives_its_largest_centre():
    uniform = np.full(2 * ATTEMPTS + 2, 0.5)
    assert draw_crop(1000, 10, uniform, (0.5, 1.0), (3 / 4, 4 / 3)) == pytest.approx((493 + 1 / 3, 0, 506 + 2 / 3, 10))


@pytest.mark.parametrize("orientation", [1, 6])
def test_crops_show_the_region_that_was_drawn(tmp_path, orientation):
    """Also where the JPEG is decoded at a fraction of its size, and where it is stored turned."""
    width, height = 800, 600
    shown = gradient(width, height)
    stored = shown if orientation == 1 else shown.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "big.jpg", quality=95, exif=exif)
    uniform = np.random.default_rng(1).random((2, 2 * ATTEMPTS + 2))
    crops = two_crops(tmp_path / "big.jpg", 32, uniform, **CROP)
    for row, crop in zip(uniform, crops, strict=True):
        left, top, right, bottom = draw_crop(width, height, row, **CROP)
        assert crop[0].mean() == pytest.approx((left + right) / 2 / width * 255, abs=2)
        assert crop[1].mean() == pytest.approx((top + bottom) / 2 / height * 255, abs=2)
        assert np.ptp(crop[0].mean(0)) == pytest.approx((right - left) / width * 255 * 31 / 32, abs=3)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_file_in_a_stream_is_named(tree, workers):
    source = stream(tree, batch=1, workers=workers)
    source.files[5].write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(ValueError, match=f"{source.files[5].name} cannot be decoded"):
        list(source.batches(0))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": "val"}, "'train' or 'test'"),
        ({"batch": 3, "world": 2}, "multiple of world=2"),
        ({"batch": 13}, "more than the 12 images"),
        ({"rank": 2, "world": 2}, "rank must lie"),
        ({"crop_scale": (0.5, 0.2)}, "crop_scale"),
        ({"crop_ratio": (0.0, 1.0)}, "crop_ratio"),
        ({"workers": -1}, "workers >= 0"),
    ],
)
def test_stream_options_are_checked(tree, options, words):
    with pytest.raises(ValueError, match=words):
        stream(tree, **options)
    with pytest.raises(DatasetMissing):
        stream(tree / "nowhere")
