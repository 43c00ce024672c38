"""Codes as hashes: agreements and precisions counted by hand, quantisation of features whose groups are known."""

import pytest
import torch

from musiclib.evaluate.attributes import information_matrix
from musiclib.evaluate.hashing import agreements, precision_at, quantised_codes


def test_agreements_are_counted_segment_by_segment():
    queries = torch.tensor([[0, 1, 2], [3, 3, 3]])
    gallery = torch.tensor([[0, 1, 2], [0, 2, 2], [3, 0, 0]])
    assert agreements(queries, gallery).tolist() == [[3, 2, 0], [0, 0, 1]]
    with pytest.raises(ValueError, match="different numbers"):
        agreements(queries, gallery[:, :2])


def test_precision_counts_the_nearest_and_shares_ties_evenly():
    similarity = torch.tensor([[4.0, 3.0, 2.0, 2.0, 2.0]])
    gallery = torch.tensor([1, 0, 1, 0, 0])
    query = torch.tensor([1])
    assert precision_at(similarity, query, gallery, 1) == 1.0
    assert precision_at(similarity, query, gallery, 2) == 0.5
    assert precision_at(similarity, query, gallery, 4) == pytest.approx((1 + 0 + 2 * (1 / 3)) / 4)
    assert precision_at(similarity, query, gallery, 5) == pytest.approx(2 / 5)
    order = torch.tensor([4, 0, 3, 1, 2])
    assert precision_at(similarity[:, order], query, gallery[order], 4) == pytest.approx(5 / 12)


def test_codes_that_always_agree_retrieve_at_chance():
    y = torch.tensor([0, 0, 0, 1])
    same = torch.zeros(4, 3, dtype=torch.int64)
    assert precision_at(agreements(same, same), y, y, 2) == pytest.approx((3 * 0.75 + 0.25) / 4)


def test_several_labels_are_averaged():
    similarity = torch.tensor([[1.0, 0.0]])
    assert precision_at(similarity, torch.tensor([[1, 2]]), torch.tensor([[1, 0], [1, 2]]), 1) == 0.5
    with pytest.raises(ValueError, match="k=3"):
        precision_at(similarity, torch.tensor([1]), torch.tensor([1, 0]), 3)


def test_quantisation_gives_each_strong_direction_a_segment_of_its_own():
    g = torch.Generator().manual_seed(0)
    groups = torch.randint(3, (900, 2), generator=g)
    points = torch.tensor([0.0, 5.0, 10.0])[groups]
    x = torch.stack([points[:, 0], points[:, 0], points[:, 0], points[:, 1], points[:, 1]], 1)
    x = x + 0.1 * torch.randn(x.shape, generator=g)
    codes = quantised_codes(x[:600], x[600:], 2, 3)
    assert codes.shape == (300, 2)
    shared = information_matrix(codes, groups[600:])
    entropy = 1.0986
    assert shared[0, 0] > 0.95 * entropy
    assert shared[1, 1] > 0.95 * entropy
    assert shared[0, 1] < 0.05
    assert torch.equal(codes, quantised_codes(x[:600], x[600:], 2, 3))


def test_quantisation_does_not_mind_scale_and_says_what_it_needs():
    g = torch.Generator().manual_seed(1)
    x = torch.randn(200, 4, generator=g)
    scaled = x * torch.tensor([1.0, 64.0, 0.25, 8.0]) + 3
    same = (quantised_codes(x, x, 2, 4) == quantised_codes(scaled, scaled, 2, 4)).float().mean()
    assert same > 0.98
    with pytest.raises(ValueError, match="segments=5"):
        quantised_codes(x, x, 5, 4)
    with pytest.raises(ValueError, match="units=300"):
        quantised_codes(x, x, 2, 300)
