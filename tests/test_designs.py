"""The constructions of proofs_checks/premises/designs*.py: each is what it says, and its self-check can fail."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
import torch

from proofs_checks.premises import designs, designs_soft
from proofs_checks.premises.designs import DesignError


def pairs_by_hand(labels: np.ndarray, s: int, t: int) -> dict[tuple[int, int], int]:
    """Counts of pairs with a dictionary: another route than the histogram under test."""
    seen: dict[tuple[int, int], int] = {}
    for row in labels.tolist():
        seen[row[s], row[t]] = seen.get((row[s], row[t]), 0) + 1
    return seen


ARRAYS = {
    **{f"bush-{k}": (designs.bush(k), k, k * k, k + 1) for k in (2, 3, 4, 5, 7, 8, 9)},
    **{f"triple-{k}": (designs.triple(k), k, k * k, 3) for k in (2, 3, 6, 10)},
    "plackett-burman": (designs.plackett_burman(), 2, 12, 11),
    "bush-2-times-3": (designs.product(designs.bush(2), 2, designs.bush(3, 3), 3), 6, 36, 3),
    "factorial": (designs.full_factorial(3, 3), 3, 27, 3),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_every_pair_of_segments_shows_every_pair_of_units_equally_often(name):
    labels, units, samples, segments = ARRAYS[name]
    assert labels.shape == (samples, segments)
    for s, t in combinations(range(segments), 2):
        assert pairs_by_hand(labels, s, t) == {(i, j): samples // units**2 for i in range(units) for j in range(units)}


def test_the_papers_number_of_units_is_attained_by_a_product_of_two_fields():
    labels = designs.paper_units_array()
    assert labels.shape == (6400, 6)
    assert set(pairs_by_hand(labels, 1, 4).values()) == {1}


def test_one_symbol_changed_and_the_array_is_refused():
    labels = designs.bush(4)
    labels[3, 2] = (labels[3, 2] + 1) % 4
    with pytest.raises(DesignError, match="segments 0 and 2"):
        designs.verify_strength_two(labels, 4)
    assert not designs.is_strength_two(labels, 4)


def test_an_array_of_impossible_size_is_refused():
    with pytest.raises(DesignError, match="no multiple"):
        designs.verify_strength_two(designs.bush(3)[:8], 3)
    with pytest.raises(DesignError, match="prime power"):
        designs.bush(6)
    with pytest.raises(DesignError, match=r"K\+1=4"):
        designs.bush(3, 5)


@pytest.mark.parametrize("units", [4, 8, 9, 16])
def test_field_tables_are_those_of_a_field(units):
    add, multiply = designs.field_tables(units)
    rows = np.arange(units)
    assert (np.sort(add, axis=1) == rows).all()  # adding is a permutation
    assert (np.sort(multiply[1:], axis=1) == rows).all()  # multiplying by a non-zero is one too
    assert (multiply[:, add] == add[multiply[:, :, None], multiply[:, None, :]]).all()  # a (b + c) = a b + a c


@pytest.mark.parametrize(("units", "slopes", "segments"), [(5, 2, 4), (7, 3, 7), (9, 4, 6), (32, 16, 32)])
def test_in_a_partial_bush_array_two_samples_agree_at_most_once(units, slopes, segments):
    labels = designs.partial_bush(units, slopes, segments)
    assert labels.shape == (slopes * units, segments)
    agreements = (labels[:, None, :] == labels[None, :, :]).sum(-1)
    assert agreements[~np.eye(len(labels), dtype=bool)].max() == 1
    assert all((np.bincount(column) == slopes).all() for column in labels.T)


def test_two_samples_that_agree_twice_are_refused():
    with pytest.raises(DesignError, match="2 samples share"):
        designs.verify_share_at_most_one(np.array([[0, 0], [0, 0], [1, 1], [1, 1]]), 2)


def test_prime_powers_are_told_from_other_numbers():
    assert [k for k in range(2, 30) if designs.prime_power(k)] == [
        *(2, 3, 4, 5, 7, 8, 9, 11, 13, 16, 17, 19, 23, 25, 27, 29)
    ]
    assert designs.prime_power(81) == (3, 4)


def test_sizes_that_counting_allows():
    assert designs.rao_samples(102, 80) == 12800  # the paper's ImageNet setting
    assert designs.rao_samples(5, 4) == 16
    assert designs.most_segments_at_hard_floor(512, 32) == 34
    assert designs.most_segments_at_hard_floor(2048, 80) == 83


def test_one_hot_refuses_labels_outside_the_units():
    with pytest.raises(DesignError, match=r"0\.\.2"):
        designs.one_hot(np.array([[0, 3]]), 3)
    assert designs.one_hot(np.array([[2, 0]]), 3).tolist() == [[[0, 0, 1], [1, 0, 0]]]


def test_code_entropy_and_largest_class_count_whole_rows():
    labels = np.array([[0, 1], [0, 1], [1, 1], [1, 0]])
    assert designs.largest_class(labels) == 2
    assert math.isclose(designs.code_entropy(labels), 1.5 * math.log(2), rel_tol=1e-15)


# ---------------------------------------------------------------------------------------------------------------------
# Soft constructions


def test_softened_codes_have_the_peak_and_sum_to_one():
    codes = designs_soft.soften(designs.bush(5), 5, 0.6)
    assert torch.allclose(codes.sum(-1), torch.ones(25, 6, dtype=torch.float64), atol=1e-15)
    assert torch.equal(codes.argmax(-1), torch.from_numpy(designs.bush(5)))
    assert float(codes.max()) == 0.6


def test_uncorrelated_permutations_exist_where_the_sheet_says():
    assert {k: bool(designs_soft.uncorrelated_permutations(k, limit=1)) for k in range(2, 10)} == {
        **{2: False, 3: False, 6: False},
        **{4: True, 5: True, 7: True, 8: True, 9: True},
    }


def test_a_dependent_pair_has_no_correlation_and_the_stated_information():
    pair = designs_soft.dependent_pair(4, Fraction(1, 2))
    x, y = pair.scalars.T.numpy()
    assert abs(np.corrcoef(x, y)[0, 1]) < 1e-15
    joint = np.bincount(pair.labels[:, 0] * 4 + pair.labels[:, 1], minlength=16) / len(pair.labels)
    assert math.isclose((joint * np.log(16 * joint)).sum(), pair.information, rel_tol=1e-14)
    assert math.isclose(pair.information, 0.312752, abs_tol=1e-6)


def test_a_correlated_permutation_is_refused():
    with pytest.raises(DesignError, match="correlated"):
        designs_soft.dependent_pair(4, Fraction(1), (0, 1, 2, 3))


def test_the_parabola_is_dependent_with_a_uniform_joint():
    codes = designs_soft.parabola(4, 3)
    joint = torch.einsum("ni,nj->ij", codes[:, 0], codes[:, 1]) / len(codes)
    assert float((joint - 1 / 16).abs().max()) < 1e-16
    by_first = {tuple(np.round(a, 12)): tuple(np.round(b, 12)) for a, b in codes.numpy()}
    assert len(by_first) == len(codes)
    assert len(set(by_first.values())) > 1  # the second segment is a non-constant function of the first


def test_flipped_views_keep_segments_independent():
    first, second = designs_soft.flipped_minimiser(designs.triple(2), 4, 1)
    assert (first != second).mean() == 0.25
    assert pairs_by_hand(np.stack([first[:, 0], second[:, 1]], 1), 0, 1) == dict.fromkeys(
        [(0, 0), (0, 1), (1, 0), (1, 1)], 4
    )


def test_skewed_attributes_are_independent_with_their_law():
    labels = designs_soft.skewed_attributes((7, 1, 1, 1))
    assert np.bincount(labels[:, 2]).tolist() == [70, 10, 10, 10]
    assert pairs_by_hand(labels, 0, 2)[0, 0] == 49
    assert math.isclose(designs_soft.entropy_of((1, 1)), math.log(2))


def test_one_view_duplicates_are_equal_within_and_independent_across():
    first, second = designs_soft.one_view_duplicates(3, 4)
    assert (first == first[:, :1]).all()
    assert (second == second[:, :1]).all()
    assert set(pairs_by_hand(np.stack([first[:, 0], second[:, 3]], 1), 0, 1).values()) == {1}


def test_best_agreement_solves_its_equation():
    for weight in (0.0, 0.05, 0.2, 0.3):
        tau = designs_soft.best_agreement(weight)
        assert math.isclose(tau * (1 + math.log(tau / 2)), weight, abs_tol=1e-12)
    assert designs_soft.best_agreement(0.31) == 1.0
