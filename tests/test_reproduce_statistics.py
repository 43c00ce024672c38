"""Intervals against scipy's own, and by simulated coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from musiclib.statistics import holm, p_value
from reproduce.judging.statistics import mean_interval, paired_difference, repeated, share_interval, welch_difference


@pytest.fixture
def draws():
    return np.random.default_rng(11).normal(0.6, 0.02, size=(2, 5))


def test_mean_interval_is_that_of_scipys_one_sample_t_test(draws):
    own, theirs = mean_interval(draws[0]), stats.ttest_1samp(draws[0], 0.0).confidence_interval(0.95)
    assert (own.low, own.high) == pytest.approx((theirs.low, theirs.high), rel=1e-12)
    assert own.mean == pytest.approx(sum(draws[0]) / 5)
    assert own.n == 5


def test_paired_difference_is_that_of_scipys_related_t_test(draws):
    a, b = draws
    own = paired_difference(dict(enumerate(a)), dict(enumerate(b)))
    theirs = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (own.low, own.high) == pytest.approx((theirs.low, theirs.high), rel=1e-12)


def test_paired_difference_pairs_by_seed_not_by_order_and_leaves_unshared_seeds_out():
    own = paired_difference({0: 1.0, 1: 2.0, 2: 3.0, 7: 99.0}, {2: 2.0, 1: 1.0, 0: 0.0, 8: -99.0})
    assert (own.mean, own.low, own.high, own.n) == (1.0, 1.0, 1.0, 3)


def test_unpaired_difference_is_welchs(draws):
    a, b = draws[0], draws[1, :3] * 3
    own = welch_difference(a, b)
    theirs = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (own.low, own.high) == pytest.approx((theirs.low, theirs.high), rel=1e-10)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_mean_interval_covers_as_often_as_it_says(n):
    rng, repeats = np.random.default_rng(n), 2000
    hits = sum(i.low <= 0 <= i.high for i in (mean_interval(rng.normal(size=n)) for _ in range(repeats)))
    spread = 4 * math.sqrt(0.95 * 0.05 / repeats)  # four standard errors of a share
    assert abs(hits / repeats - 0.95) < spread


def test_the_paired_interval_covers_when_seeds_share_most_of_their_noise():
    rng, hits, widths, repeats = np.random.default_rng(5), 0, [], 1500
    for _ in range(repeats):
        shared = rng.normal(0, 1, size=4)
        a, b = shared + rng.normal(0.3, 0.1, size=4), shared + rng.normal(0.0, 0.1, size=4)
        own = paired_difference(dict(enumerate(a)), dict(enumerate(b)))
        hits += own.low <= 0.3 <= own.high
        widths.append(own.half / welch_difference(a, b).half)
    assert abs(hits / repeats - 0.95) < 4 * math.sqrt(0.95 * 0.05 / repeats)
    assert np.median(widths) < 0.5  # and pairing is what makes it narrow


def test_one_value_has_a_mean_and_no_interval_and_none_has_neither():
    one, none = mean_interval([0.5]), mean_interval([])
    assert one.mean == 0.5
    assert not one.bounded
    assert one.n == 1
    assert math.isnan(none.mean)
    assert not none.bounded
    assert none.n == 0


def test_a_value_that_is_not_finite_is_an_error_that_shows_it():
    with pytest.raises(ValueError, match="nan"):
        mean_interval([0.1, math.nan])


@pytest.mark.parametrize(("count", "n"), [(0, 3), (3, 3), (2, 7), (0, 59)])
def test_share_interval_is_scipys_exact_one(count, n):
    own, theirs = share_interval(count, n), stats.binomtest(count, n).proportion_ci(0.95, method="exact")
    assert (own.low, own.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_no_collapse_in_three_runs_still_allows_seven_in_ten():
    assert share_interval(0, 3).high == pytest.approx(1 - 0.025 ** (1 / 3))  # (1 - p)^3 = 0.025


def test_a_share_of_more_than_all_is_an_error():
    with pytest.raises(ValueError, match="count=4"):
        share_interval(4, 3)


def test_seeds_with_identical_values_are_found():
    assert repeated({0: 0.5, 1: 0.6, 2: 0.5, 3: 0.7}) == [(0, 2)]
    assert repeated({0: 0.5, 1: 0.6}) == []


def test_the_p_value_is_that_of_scipys_related_t_test(draws):
    a, b = draws
    own = p_value(paired_difference(dict(enumerate(a)), dict(enumerate(b))))
    assert own == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)
    assert math.isnan(p_value(mean_interval([0.1])))
    assert (p_value(mean_interval([0.1, 0.1])), p_value(mean_interval([0.0, 0.0]))) == (0.0, 1.0)


def test_holm_rejects_what_the_step_down_procedure_rejects_at_every_level():
    values = np.random.default_rng(5).uniform(0, 0.1, 12).tolist()
    adjusted = holm(dict(enumerate(values)))
    for level in (0.01, 0.05, 0.2):
        rejected, order = set(), sorted(range(12), key=values.__getitem__)
        for rank, i in enumerate(order):  # the procedure as published: stop at the first that is not small enough
            if values[i] > level / (12 - rank):
                break
            rejected.add(i)
        assert {i for i, p in adjusted.items() if p <= level} == rejected


def test_holm_counts_only_what_was_compared():
    assert holm({"a": 0.02, "b": math.nan})["a"] == 0.02
    assert holm({"a": 0.02, "b": 0.9})["a"] == pytest.approx(0.04)
