"""Landmarks of the map: exact codes over all combinations of the factors, counted here by another route."""

import itertools
import math

import pytest
import torch

from musiclib.studies.landmarks import arbitrary_code, attribute_code, every_combination, landmark, landmarks

SIZES = {"a": 4, "b": 4, "c": 4, "d": 4}
ALL = every_combination(SIZES)


def counts(*columns):
    """How often each combination of values of the columns occurs: a set of the numbers."""
    rows = torch.stack(columns, dim=1)
    return set(torch.unique(rows, dim=0, return_counts=True)[1].tolist()), len(torch.unique(rows, dim=0))


def test_every_combination_comes_once():
    rows = set(zip(*(ALL[name].tolist() for name in SIZES), strict=True))
    assert rows == set(itertools.product(range(4), repeat=4))
    assert len(ALL["a"]) == 256


def test_with_as_many_units_as_values_a_segment_is_its_factor():
    codes = attribute_code(ALL, SIZES, units=4, segments=6)
    for s, name in enumerate(("a", "b", "c", "d", "a", "b")):
        assert torch.equal(codes[:, s], ALL[name])


def test_fewer_units_merge_neighbours():
    assert torch.equal(attribute_code(ALL, SIZES, units=2, segments=1)[:, 0], ALL["a"] // 2)


@pytest.mark.parametrize("units", [8, 16])
def test_more_units_split_values_evenly_and_independently(units):
    codes = attribute_code(ALL, SIZES, units=units, segments=4)
    assert torch.equal(codes * 4 // units, torch.stack(list(ALL.values()), dim=1))
    for s in range(4):
        assert counts(codes[:, s]) == ({256 // units}, units)
    for s, t in ((0, 1), (1, 2), (0, 2)):
        assert counts(codes[:, s], codes[:, t])[1] == min(256, units**2)


@pytest.mark.parametrize("units", [2, 3, 4, 5, 8, 16])
def test_an_arbitrary_code_is_an_orthogonal_array(units):
    """Every pair of units of every pair of segments equally often. Factors of K values each, three of them."""
    sizes = dict.fromkeys("abc", units)
    factors = every_combination(sizes)
    codes = arbitrary_code(factors, sizes, units, segments=6)
    for s, t in itertools.combinations(range(6), 2):
        assert counts(codes[:, s], codes[:, t]) == ({units}, units**2)


@pytest.mark.parametrize("units", [3, 4, 8])
def test_no_segment_of_it_tells_anything_of_a_factor(units):
    sizes = dict.fromkeys("abc", units)
    factors = every_combination(sizes)
    codes = arbitrary_code(factors, sizes, units, segments=5)
    for s, name in itertools.product(range(5), sizes):
        assert counts(codes[:, s], factors[name]) == ({units}, units**2)


def test_digits_may_straddle_factors():
    """Eight units over factors of four values: 256 = 8^2 * 4 combinations carry two digits of eight."""
    codes = arbitrary_code(ALL, SIZES, units=8, segments=3)
    for s, t in itertools.combinations(range(3), 2):
        assert counts(codes[:, s], codes[:, t]) == ({4}, 64)


def test_too_many_segments_and_impossible_fields_are_named():
    with pytest.raises(ValueError, match="segments=10: 2 digits of K=8 carry at most 9"):
        arbitrary_code(ALL, SIZES, units=8, segments=10)
    with pytest.raises(ValueError, match="units=6: expected a prime, or a power of two"):
        arbitrary_code(ALL, SIZES, units=6, segments=2)
    with pytest.raises(ValueError, match="2 factors; a split needs at least 3"):
        attribute_code(ALL, {"a": 4, "b": 4}, units=4, segments=2)
    with pytest.raises(ValueError, match="needs factors"):
        every_combination({})


def test_attributes_and_the_arbitrary_code_have_the_same_least_loss():
    found = landmarks(SIZES, units=4, segments=4)
    for name in ("attributes", "arbitrary"):
        assert found[name].loss == pytest.approx(-3 * math.log(4), abs=1e-12)
        assert found[name].gap == pytest.approx(0.0, abs=1e-12)
        assert found[name].place["redundancy"] == pytest.approx(0.0, abs=0.03)
    assert found["attributes"].place["purity"] == pytest.approx(1.0, abs=0.03)
    assert found["arbitrary"].place["purity"] == pytest.approx(0.0, abs=0.03)


def test_identical_segments_lose_log_k_and_the_null_nearly_nothing():
    found = landmarks(SIZES, units=4, segments=4, seed=3)
    assert found["identical"].gap == pytest.approx(math.log(4), abs=1e-12)
    assert found["identical"].place["redundancy"] == pytest.approx(1.0)
    assert 0 < found["null"].gap < 0.1
    assert found["null"].place["purity"] < 0.05


def test_more_segments_than_factors_make_attributes_dearer_by_the_share_of_twins():
    """8 segments over 4 factors: 4 of 28 pairs are twins, and each loses log K of 2 log K."""
    found = landmarks(SIZES, units=4, segments=8)
    assert found["attributes"].gap == pytest.approx(4 / 28 * math.log(4), abs=1e-12)
    assert found["arbitrary"].gap == pytest.approx(0.0, abs=1e-12)


def test_a_landmark_of_any_code():
    """A constant code is at 0, 3 log K above the bound."""
    star = landmark(torch.zeros(256, 2, dtype=torch.int64), ALL, units=4)
    assert star.loss == pytest.approx(0.0)
    assert star.gap == pytest.approx(3 * math.log(4))
