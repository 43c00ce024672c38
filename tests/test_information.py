"""Entropies and finite-batch expectations, against scipy, dit, counts and exact fractions."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import scipy.stats
import torch

from musiclib import information, joint_distribution, segment_softmax
from musiclib.coding import one_hot


def test_entropy_is_scipys(generator):
    p = torch.softmax(3 * torch.randn(4, 5, generator=generator, dtype=torch.float64), dim=-1)
    assert information.entropy(p).tolist() == pytest.approx(scipy.stats.entropy(p.numpy(), axis=1).tolist(), rel=1e-13)
    assert float(information.entropy(torch.tensor([1.0, 0.0]))) == 0


def test_mutual_information_is_dits(generator):
    import dit

    q1, q2 = (segment_softmax(2 * torch.randn(6, 6, generator=generator, dtype=torch.float64), 2) for _ in range(2))
    P = joint_distribution(q1, q2)
    outcomes = [f"{i}{j}" for i, j in product(range(3), repeat=2)]
    for s, t in product(range(2), repeat=2):
        reference = dit.Distribution(outcomes, P[s, t].flatten().tolist())
        bits = float(dit.shannon.mutual_information(reference, [0], [1]))
        assert float(information.mutual_information(P)[s, t]) == pytest.approx(bits * math.log(2), rel=1e-9)
        joint = float(dit.shannon.entropy(reference)) * math.log(2)
        assert float(information.joint_entropy(P)[s, t]) == pytest.approx(joint, rel=1e-9)


def test_total_correlation_sees_the_triple_that_no_pair_shows():
    k = 3
    table = torch.tensor([[a, b, (a + b) % k] for a in range(k) for b in range(k)])
    for a, b in [(0, 1), (0, 2), (1, 2)]:
        assert information.total_correlation(table[:, [a, b]]) == pytest.approx(0, abs=1e-12)
    assert information.total_correlation(table) == pytest.approx(math.log(3))
    assert information.total_correlation(one_hot(table, k)) == pytest.approx(math.log(3))


def test_soft_total_correlation_is_dits(generator):
    import dit

    q = segment_softmax(2 * torch.randn(3, 6, generator=generator, dtype=torch.float64), 3)
    law = {
        c: float(np.mean([math.prod(float(q[n, s, c[s]]) for s in range(3)) for n in range(3)]))
        for c in product(range(2), repeat=3)
    }
    reference = dit.Distribution(["".join(map(str, c)) for c in law], list(law.values()))
    assert information.total_correlation(q) == pytest.approx(
        dit.multivariate.total_correlation(reference) * math.log(2), rel=1e-8
    )


def test_total_correlation_refuses_what_it_cannot_hold():
    with pytest.raises(ValueError, match="hard_codes"):
        information.total_correlation(torch.full((2, 40, 4), 0.25))
    for labels in (torch.zeros(3), torch.zeros(3, dtype=torch.int64), torch.zeros(2, 3)):
        with pytest.raises(ValueError, match="labels"):
            information.total_correlation(labels)


def test_soft_total_correlation_takes_the_samples_in_portions_that_fit(generator, monkeypatch):
    """64 cells a sample: five samples at once would need five times the limit."""
    from torch.utils._python_dispatch import TorchDispatchMode

    largest = 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            largest = max(largest, out.numel() if isinstance(out, torch.Tensor) else 0)
            return out

    q = segment_softmax(2 * torch.randn(5, 12, generator=generator, dtype=torch.float64), 6)
    at_once = information.total_correlation(q)
    monkeypatch.setattr(information, "MAX_SOFT_CELLS", 64)
    with Watch():
        in_portions = information.total_correlation(q)
    assert in_portions == pytest.approx(at_once, rel=1e-12)
    assert largest <= 64
    with pytest.raises(ValueError, match="too many"):
        information.total_correlation(torch.full((1, 7, 2), 0.5))


def test_contingency_counts_pairs_of_any_labels():
    a, b = torch.tensor([7, 7, -2, 7]), torch.tensor([0, 5, 5, 5])
    assert (information.contingency(a, b) * 4).tolist() == [[0, 1], [1, 2]]
    corner = information.contingency(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 0]))
    assert torch.equal((corner * 3).round(), torch.tensor([[1.0, 1], [1, 0]]).double())
    assert information.contingency(a[:1], b[:1]).tolist() == [[1.0]]


def test_contingency_refuses_what_is_not_two_label_vectors():
    a = torch.tensor([7, 7, -2, 7])
    for first, second in [(a, a[:2]), (a.view(2, 2), a.view(2, 2)), (a[:0], a[:0])]:
        with pytest.raises(ValueError, match="one length"):
            information.contingency(first, second)


def test_miller_madow_adds_half_a_cell_per_sample():
    counts = torch.tensor([3, 1, 0, 4])
    plug_in = scipy.stats.entropy([3, 1, 4])
    assert information.miller_madow(counts) == pytest.approx(plug_in + 2 / 16)
    assert information.miller_madow(torch.tensor([0, 1])) == 0
    with pytest.raises(ValueError, match="no sample"):
        information.miller_madow(torch.zeros(3))


def exact_expectation(samples: int, cells: int) -> float:
    """By listing all cells^samples outcomes, probabilities as fractions."""
    total = 0.0
    for outcome in product(range(cells), repeat=samples):
        counts = [outcome.count(c) for c in range(cells)]
        total += sum(-c / samples * math.log(c / samples) for c in counts if c)
    return float(Fraction(1, cells**samples)) * total


@pytest.mark.parametrize(("samples", "cells"), [(1, 4), (2, 3), (5, 3), (4, 5), (7, 2), (3, 1)])
def test_expected_entropy_is_the_mean_over_all_outcomes(samples, cells):
    assert information.expected_uniform_entropy(samples, cells) == pytest.approx(
        exact_expectation(samples, cells), abs=1e-12
    )


def test_expected_entropy_tends_to_the_first_order_bias_for_large_batches():
    bias = math.log(16) - information.expected_uniform_entropy(100_000, 16)
    assert bias == pytest.approx(15 / 200_000, rel=1e-3)


def test_expected_batch_loss_is_what_random_ideal_codes_read():
    rng = np.random.default_rng(3)
    n, k = 64, 8
    readings = []
    for _ in range(400):
        a, b = rng.integers(k, size=(2, n))
        readings.append(-scipy.stats.entropy(np.bincount(a)) - scipy.stats.entropy(np.bincount(a * k + b)))
    standard_error = np.std(readings) / math.sqrt(len(readings))
    assert abs(np.mean(readings) - information.expected_batch_loss(n, k)) < 5 * standard_error


def test_independent_labels_show_information_in_a_small_batch():
    rng = np.random.default_rng(4)
    n, ka, kb = 50, 4, 6
    shown = [
        float(
            information.mutual_information(
                information.contingency(*map(torch.from_numpy, (rng.integers(ka, size=n), rng.integers(kb, size=n))))
            )
        )
        for _ in range(400)
    ]
    assert abs(np.mean(shown) - information.independent_information(n, ka, kb)) < 5 * np.std(shown) / 20
    for samples, cells in [(0, 4), (4, 0)]:
        with pytest.raises(ValueError, match="integers >= 1"):
            information.expected_uniform_entropy(samples, cells)
