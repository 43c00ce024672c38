"""ImageSet, its subsets, and the splits that are cut from it."""

import hashlib
import struct

import numpy as np
import pytest
import torch

from musiclib.datasets import ImageSet, load, validation_split
from musiclib.datasets.imageset import stratified_indices


def noise_images(count, channels, size, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, channels, size, size), dtype=np.uint8))


def example(count=60, classes=3):
    labels = torch.arange(count) % classes
    return ImageSet(
        "example",
        "train",
        noise_images(count, 3, 8),
        labels,
        tuple("abc"[:classes]),
        factors={"parity": torch.arange(count) % 2},
        factor_values={"parity": ("even", "odd")},
    )


def test_subset_takes_images_labels_and_factors_in_the_order_given():
    whole = example()
    part = whole.subset([7, 2, 2])
    assert len(part) == 3
    assert torch.equal(part.images, torch.stack([whole.images[7], whole.images[2], whole.images[2]]))
    assert part.labels.tolist() == [1, 2, 2]
    assert part.factors["parity"].tolist() == [1, 0, 0]
    assert (part.channels, part.size) == (3, 8)


def test_checksum_is_sha256_of_shape_pixels_and_labels():
    data = example(4)
    expected = hashlib.sha256(b"4,3,8,8" + bytes(data.images.flatten().tolist()) + struct.pack("<4q", 0, 1, 2, 0))
    assert data.checksum == expected.hexdigest()


def test_checksum_changes_with_a_pixel_a_label_and_the_order():
    data = example()
    pixels = data.images.clone()
    pixels[5, 1, 2, 3] ^= 1
    labels = data.labels.clone()
    labels[0] = 2
    others = [
        ImageSet("x", "train", pixels, data.labels, data.classes),
        ImageSet("x", "train", data.images, labels, data.classes),
        data.subset(list(range(59, -1, -1))),
    ]
    assert len({data.checksum, *(other.checksum for other in others)}) == 4


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, dtype=torch.int64), "images must be uint8"),
        (torch.zeros(2, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), "images must be uint8"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64), r"shape \(2,\)"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.tensor([0, 1]), r"labels must lie in 0\.\.0"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.tensor([0, -1]), r"labels must lie in 0\.\.0"),
    ],
)
def test_an_imageset_refuses_what_does_not_fit_together(images, labels, words):
    with pytest.raises(ValueError, match=words):
        ImageSet("x", "train", images, labels, ("only",))


def test_subset_refuses_positions_outside():
    with pytest.raises(IndexError, match=r"0\.\.59"):
        example().subset([0, 60])
    with pytest.raises(IndexError, match=r"0\.\.59"):
        example().subset([-1])


# -- validation split -------------------------------------------------------------------------------------------------


def test_validation_split_is_a_stratified_partition():
    whole = example(count=300)
    train, validation = validation_split(whole, 0.2, seed=1)
    assert torch.bincount(validation.labels).tolist() == [20, 20, 20]
    assert torch.bincount(train.labels).tolist() == [80, 80, 80]
    rows = [image.numpy().tobytes() for image in (*train.images, *validation.images)]
    assert sorted(rows) == sorted(image.numpy().tobytes() for image in whole.images)
    assert (train.split, validation.split) == ("train", "validation")


def test_validation_split_depends_on_the_seed_alone():
    whole = example(count=300)
    again = [validation_split(whole, 0.2, seed=seed)[1].checksum for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]


def test_every_class_keeps_a_member_on_both_sides():
    labels = torch.tensor([0, 0, 1, 2, 2, 2, 2, 2, 2, 2])
    kept, held = stratified_indices(labels, 0.01, seed=0)
    assert labels[held].tolist() == [0, 2]
    kept, held = stratified_indices(labels, 0.99, seed=0)
    assert labels[kept].tolist() == [0, 1, 2]
    assert sorted(kept.tolist() + held.tolist()) == list(range(10))


def test_splits_are_pinned():
    """A split that moved would make old and new records incomparable without a word."""
    assert stratified_indices(torch.arange(40) % 2, 0.2, seed=7)[1].tolist() == [6, 20, 21, 23, 24, 32, 37, 39]
    assert load("digits", "train").checksum.startswith("46087fea87e478e8")
    assert load("digits", "test").checksum.startswith("0828d29fa54f22e7")


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_fraction_lies_between_zero_and_one(fraction):
    with pytest.raises(ValueError, match="between 0 and 1"):
        validation_split(example(), fraction)
