"""Dependence beyond pairs, on codes whose values are known by counting."""

import math

import pytest
import torch

from musiclib.evaluate.dependence import beyond_pairs, dhsic, shuffled


def grid(k, columns):
    """All k^columns rows once."""
    return torch.cartesian_prod(*[torch.arange(k)] * columns)


def triple(k, copies=1):
    pairs = grid(k, 2)
    return torch.cat([pairs, pairs.sum(1, keepdim=True) % k], dim=1).repeat(copies, 1)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# -- dHSIC ------------------------------------------------------------------------------------------------------------


def test_dhsic_is_zero_for_independent_segments():
    assert dhsic(grid(3, 4)) == pytest.approx(0.0, abs=1e-12)
    assert dhsic(grid(3, 4), other=0.4) == pytest.approx(0.0, abs=1e-12)


def test_with_the_delta_kernel_it_is_the_squared_distance_of_the_laws():
    """Counted over the cells of random skewed codes, the empty ones included."""
    codes = torch.randint(3, (50, 3), generator=generator()) ** 2 % 3
    codes[:, 1] = torch.where(codes[:, 0] > 0, codes[:, 0], codes[:, 1])
    joint = torch.zeros(3, 3, 3, dtype=torch.float64)
    for a, b, c in codes.tolist():
        joint[a, b, c] += 1 / 50
    alone = joint.sum((1, 2))[:, None, None] * joint.sum((0, 2))[None, :, None] * joint.sum((0, 1))[None, None, :]
    assert dhsic(codes) == pytest.approx(float((joint - alone).square().sum()), rel=1e-10)


def test_it_sees_the_modular_triple_whose_pairs_are_independent():
    codes = triple(4)
    assert all(dhsic(codes[:, pair]) == pytest.approx(0.0, abs=1e-12) for pair in ([0, 1], [0, 2], [1, 2]))
    assert dhsic(codes) == pytest.approx(1 / 16 - 1 / 64, rel=1e-10)  # sum of P^2 less that of the uniform law


def test_a_kernel_of_different_labels_near_one_sees_less():
    assert 0 < dhsic(triple(4), other=0.9) < dhsic(triple(4), other=0.1) < dhsic(triple(4))


@pytest.mark.parametrize("other", [-0.1, 1.0])
def test_impossible_kernels_are_named(other):
    with pytest.raises(ValueError, match="other="):
        dhsic(grid(2, 2), other)


def test_soft_codes_are_refused():
    with pytest.raises(ValueError, match="integer labels"):
        dhsic(torch.rand(4, 2))


# -- against the null -------------------------------------------------------------------------------------------------


def test_shuffling_keeps_the_usage_and_cuts_the_dependence():
    codes = triple(4, copies=100)
    mixed = shuffled(codes, generator())
    assert torch.equal(mixed.sort(0).values, codes.sort(0).values)
    assert not torch.equal(mixed, codes)
    assert dhsic(mixed) < 0.002 < dhsic(codes)


def test_the_modular_triple_is_synergy_alone():
    found = beyond_pairs(triple(4, copies=200), generator())
    assert found["pairwise"] == pytest.approx(0.0, abs=0.01)
    assert found["total_correlation"] == pytest.approx(math.log(4), abs=0.02)
    assert found["told_by_two"] == pytest.approx(1.0, abs=0.02)
    assert found["synergy"] == pytest.approx(1.0, abs=0.02)
    assert found["dhsic"] > 1


def test_identical_segments_are_no_synergy():
    found = beyond_pairs(torch.arange(4).repeat(300)[:, None].expand(-1, 3), generator())
    assert found["pairwise"] == pytest.approx(math.log(4), abs=0.02)
    assert found["total_correlation"] == pytest.approx(2 * math.log(4), abs=0.03)
    assert found["told_by_two"] == pytest.approx(1.0, abs=0.03)
    assert found["synergy"] == pytest.approx(0.0, abs=0.03)


def test_independent_segments_read_zero_in_any_sample():
    """The plug-in bias of few samples, here above 0.3 nats a triple, is that of the null and cancels."""
    codes = torch.randint(6, (300, 8), generator=generator(3))
    found = beyond_pairs(codes, generator(4), samples=200)
    assert all(abs(found[name]) < 0.05 for name in ("pairwise", "total_correlation", "told_by_two", "synergy"))
    assert abs(found["dhsic"]) < 3


def test_constant_segments_say_nothing():
    found = beyond_pairs(torch.zeros(20, 3, dtype=torch.int64), generator())
    assert set(found.values()) == {0.0}


def test_of_many_triples_some_are_drawn():
    """Segments 0..3 are one; of the 56 triples of 8 segments those that hold two of them share more. Fewer draws, other
    draws, other means."""
    codes = torch.randint(4, (200, 8), generator=generator(1))
    codes[:, 1:4] = codes[:, :1]
    means = {beyond_pairs(codes, generator(s), draws=5)["pairwise"] for s in range(4)}
    assert len(means) > 1
    every = [beyond_pairs(codes, generator(s), draws=56)["pairwise"] for s in (0, 1)]
    assert every[0] == pytest.approx(every[1], abs=0.02)


def test_two_segments_are_no_triple():
    with pytest.raises(ValueError, match="2 segments, a triple needs 3"):
        beyond_pairs(grid(2, 2), generator())


def test_twins_beside_an_independent_segment_are_no_synergy():
    """What the twins share between themselves is nothing that they tell of the third."""
    codes = grid(4, 2)[:, [0, 0, 1]].repeat(60, 1)
    assert beyond_pairs(codes, generator())["synergy"] == pytest.approx(0.0, abs=0.03)
