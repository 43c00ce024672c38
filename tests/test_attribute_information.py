"""Segments against known factors: scikit-learn's mutual information and hand counts are the oracles."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from musiclib.evaluate import attributes as a
from musiclib.evaluate.disentanglement import above_chance, dci, readability

SIZES = {"colour": 4, "shape": 3, "size": 2}


def grid(copies=40):
    """Every combination of the factors, equally often: exactly independent."""
    values = torch.cartesian_prod(*(torch.arange(k) for k in SIZES.values())).repeat(copies, 1)
    return dict(zip(SIZES, values.T, strict=True))


def drawn(n=600, seed=0):
    g = torch.Generator().manual_seed(seed)
    return {name: torch.randint(k, (n,), generator=g) for name, k in SIZES.items()}


def stack(*columns):
    return torch.stack(columns, dim=1)


def perfect(factors, relabel=True):
    """One segment a factor with renamed units, in another order, and one segment that always says the same."""
    shifted = [(y * 7 + 3) % 11 if relabel else y for y in factors.values()]
    return stack(shifted[2], torch.zeros_like(shifted[0]), shifted[0], shifted[1])


# ---------------------------------------------------------------- the matrix


def test_the_matrix_is_the_plug_in_information_less_the_miller_madow_bias():
    g = torch.Generator().manual_seed(1)
    left = torch.randint(5, (300, 3), generator=g)
    right = stack(left[:, 0] // 2, torch.randint(4, (300,), generator=g))
    found = a.information_matrix(left, right)
    for s in range(3):
        for f in range(2):
            x, y = left[:, s].numpy(), right[:, f].numpy()
            cells = len(set(zip(x.tolist(), y.tolist(), strict=True)))
            bias = (cells - len(set(x.tolist())) - len(set(y.tolist())) + 1) / (2 * 300)
            assert found[s, f] == pytest.approx(mutual_info_score(x, y) - bias, abs=1e-12)


def test_the_correction_removes_the_bias_of_independent_labels():
    g = torch.Generator().manual_seed(2)
    left, right = (torch.randint(6, (500, 40), generator=g) for _ in range(2))
    corrected = a.information_matrix(left, right)
    plain = np.mean([mutual_info_score(left[:, i], right[:, i]) for i in range(40)])
    assert plain > 0.02  # (6 - 1)^2 / (2 * 500) = 0.025
    assert abs(float(corrected.mean())) < 0.001


def test_any_integers_may_name_the_units_and_one_sample_knows_nothing():
    labels = torch.tensor([[-5, 10**9], [7, 3], [7, 3]])
    named = torch.tensor([[0, 1], [1, 0], [1, 0]])
    assert torch.equal(a.information_matrix(labels, labels), a.information_matrix(named, named))
    assert a.label_entropies(torch.tensor([[4]])).tolist() == [0.0]


def test_entropies_of_known_counts():
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2])[:, None]
    assert a.label_entropies(labels).item() == pytest.approx(1.5 * math.log(2) + 2 / 16)


def test_wrong_labels_are_told():
    good = torch.zeros(4, 2, dtype=torch.int64)
    with pytest.raises(ValueError, match="integer labels"):
        a.information_matrix(good.float(), good)
    with pytest.raises(ValueError, match="4 samples and b 3"):
        a.information_matrix(good, good[:3])
    with pytest.raises(ValueError, match="at least one"):
        a.segment_information(good, {})


# ---------------------------------------------------------------- codes with known answers


def test_a_perfect_code_has_every_score_at_one():
    factors = grid()
    codes = perfect(factors)
    info = a.segment_information(codes, factors)
    assert a.assignment(info.of_factor).tolist() == [2, 3, 0]
    told = a.summary(codes, factors)
    assert told["matched"] == pytest.approx(1.0, abs=0.01)
    assert told["mig"] == pytest.approx(1.0, abs=0.01)
    assert (told["found"], told["per_found"]) == (3.0, 1.0)
    # the constant segment stands for nothing
    assert a.purity(info).tolist() == pytest.approx([1, 0, 1, 1], abs=0.01)
    assert abs(told["redundancy"]) < 0.01


def test_a_shuffled_code_lies_inside_its_null_and_a_perfect_one_far_outside():
    factors = drawn()
    codes = perfect(factors)
    shuffled = codes[torch.randperm(len(codes), generator=torch.Generator().manual_seed(5))]
    null = a.permutation_null(codes, factors, torch.Generator().manual_seed(6), draws=200)
    for key in ("matched", "mig", "purity"):
        values = [a.summary_of(draw)[key] for draw in null]
        low, high = np.quantile(values, [0.001, 0.999])
        assert low <= a.summary(shuffled, factors)[key] <= high
        assert a.summary(codes, factors)[key] > high + 0.5
    assert abs(np.mean([float(draw.nats.mean()) for draw in null])) < 1e-3


def test_the_null_keeps_what_segments_share_and_repeats_with_its_generator():
    factors = drawn()
    codes = stack(factors["colour"], factors["colour"])
    first, second = (a.permutation_null(codes, factors, torch.Generator().manual_seed(9), draws=3) for _ in range(2))
    assert all(torch.equal(x.nats, y.nats) for x, y in zip(first, second, strict=True))
    assert all(torch.equal(x.nats[0], x.nats[1]) for x in first)  # equal segments are shuffled alike
    assert not torch.equal(first[0].nats, first[1].nats)
    assert torch.equal(codes, stack(factors["colour"], factors["colour"]))  # the argument stays as it was


def test_the_parity_of_two_factors_tells_of_neither():
    y = torch.cartesian_prod(torch.arange(2), torch.arange(2)).repeat(100, 1)
    factors = {"first": y[:, 0], "second": y[:, 1]}
    parity = (y[:, 0] ^ y[:, 1])[:, None]
    assert a.segment_information(parity, factors).nats.abs().max() < 0.003
    together = torch.stack([y[:, 0] ^ y[:, 1], y[:, 1]], dim=1)  # and with one of them it tells the other
    assert dci(together, factors, together, factors)["informativeness"] == pytest.approx(1.0)
    assert readability(together.float(), factors, together.float(), factors)["first"] < 0.2  # but not linearly


def test_two_segments_with_the_same_factor_close_the_gap_and_are_redundant():
    factors = grid()
    codes = stack(*factors.values(), factors["colour"])
    info = a.segment_information(codes, factors)
    assert a.information_gap(info).tolist() == pytest.approx([0, 1, 1], abs=0.01)
    assert a.matched_shares(info).tolist() == pytest.approx([1, 1, 1], abs=0.01)
    shared = a.redundancy(codes)
    assert shared[0, 3] == pytest.approx(1.0, abs=0.01)
    assert shared[0, 1] == pytest.approx(0.0, abs=0.01)
    assert torch.equal(shared, shared.T)
    assert a.summary_of(info)["per_found"] == pytest.approx(4 / 3)
    assert a.summary(codes, factors)["redundancy"] == pytest.approx(1 / 6, abs=0.01)


def test_a_merged_segment_is_impure_and_a_coarse_one_is_pure_but_incomplete():
    factors = grid()
    merged = factors["colour"] * 3 + factors["shape"]
    coarse = factors["colour"] // 2
    info = a.segment_information(stack(merged, coarse), factors)
    assert a.purity(info).tolist() == pytest.approx([math.log(4) / math.log(12), 1.0], abs=0.01)
    assert info.of_factor[1, 0] == pytest.approx(0.5, abs=0.01)  # log 2 of log 4


def test_fewer_segments_than_factors_leave_factors_without_one():
    factors = grid()
    info = a.segment_information(stack(factors["shape"]), factors)
    assert a.assignment(info.of_factor).tolist() == [-1, 0, -1]
    assert a.matched_shares(info).tolist() == pytest.approx([0, 1, 0], abs=0.01)
    assert a.information_gap(info).tolist() == pytest.approx([0, 1, 0], abs=0.01)


def test_constant_factors_and_segments_count_as_nothing():
    factors = {**grid(), "fixed": torch.zeros(960, dtype=torch.int64)}
    codes = perfect(grid())
    info = a.segment_information(codes, factors)
    assert info.of_factor[:, 3].abs().max() == 0
    assert a.summary_of(info)["mig"] == pytest.approx(1.0, abs=0.01)  # the mean is over factors that vary
    still = a.segment_information(torch.zeros(960, 2, dtype=torch.int64), factors)
    assert a.summary_of(still) == {"matched": 0.0, "mig": 0.0, "purity": 0.0, "found": 0.0, "per_found": 0.0}


def test_sharpness_runs_from_uniform_to_one_hot():
    q = torch.zeros(6, 3, 4)
    q[:, 0, 1] = 1.0  # one-hot
    q[:, 1] = 0.25  # uniform
    q[:, 2, :2] = 0.5  # two of four
    assert a.sharpness(q).tolist() == pytest.approx([1.0, 0.0, 0.5])
    with pytest.raises(ValueError, match="K >= 2"):
        a.sharpness(q[:, :, :1])


# ---------------------------------------------------------------- predictors


def test_dci_of_a_perfect_code_is_one():
    factors = grid(10)
    codes = perfect(factors, relabel=False)
    told = dci(codes, factors, codes, factors)
    assert list(told.values()) == pytest.approx([1.0, 1.0, 1.0])


def test_dci_sees_mixing_as_lost_disentanglement_and_splitting_as_lost_completeness():
    factors = {"first": torch.arange(16).repeat(60) // 4, "second": torch.arange(16).repeat(60) % 4}
    merged = stack(factors["first"] * 4 + factors["second"], torch.zeros(960, dtype=torch.int64))
    told = dci(merged, factors, merged, factors)
    assert told["disentanglement"] == pytest.approx(0.0, abs=0.01)
    assert told["completeness"] == pytest.approx(1.0)
    bits = stack(*(y // 2 for y in factors.values()), *(y % 2 for y in factors.values()))
    told = dci(bits, factors, bits, factors)
    assert told["disentanglement"] == pytest.approx(1.0)
    assert 0.4 < told["completeness"] < 0.6  # two of four segments share each factor: 1 - log 2 / log 4
    assert told["informativeness"] == pytest.approx(1.0)


def test_dci_of_noise_informs_of_nothing():
    g = torch.Generator().manual_seed(3)
    codes, factors = torch.randint(4, (800, 4), generator=g), drawn(800)
    told = dci(
        codes[:400], {n: y[:400] for n, y in factors.items()}, codes[400:], {n: y[400:] for n, y in factors.items()}
    )
    assert abs(told["informativeness"]) < 0.15
    assert told["disentanglement"] < 0.1
    with pytest.raises(ValueError, match="no factor"):
        dci(codes, {"fixed": torch.zeros(800)}, codes, {"fixed": torch.zeros(800)})


def test_readability_is_zero_for_the_majority_and_one_without_error():
    y = torch.tensor([0, 0, 0, 1])
    assert above_chance(0.75, y) == 0.0
    assert above_chance(1.0, y) == 1.0
    assert above_chance(0.5, y) == -1.0
    factors = {**drawn(), "fixed": torch.ones(600, dtype=torch.int64)}
    x = torch.nn.functional.one_hot(factors["colour"], 4).float()
    told = readability(x, factors, x, factors)
    assert told["colour"] == 1.0
    assert told["fixed"] == 0.0
    assert abs(told["shape"]) < 0.15
