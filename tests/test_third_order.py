"""The third-order control: its value by counting, and what descent makes of the modular triple with and without it."""

import math

import pytest
import torch

from musiclib.coding import one_hot
from musiclib.objective import code_terms
from musiclib.studies.third_order import descend, modular_triple, third_order_term


def test_it_is_minus_the_entropy_of_triples():
    labels = torch.randint(3, (40, 4), generator=torch.Generator().manual_seed(0))
    expected = []
    for members in ((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)):
        p = torch.unique(labels[:, members], dim=0, return_counts=True)[1].double() / 40
        expected.append(float((p * p.log()).sum()))
    q = one_hot(labels, 3, torch.float64)
    assert float(third_order_term(q, q)) == pytest.approx(sum(expected) / 4, abs=1e-12)


def test_views_that_differ_count_both_ways_round():
    g = torch.Generator().manual_seed(1)
    q1, q2 = (torch.rand(20, 3, 2, generator=g, dtype=torch.float64).softmax(2) for _ in range(2))
    value = 0.0
    for a, b in ((q1, q2), (q2, q1)):
        for i, j, k in torch.cartesian_prod(*[torch.arange(2)] * 3).tolist():
            p = (a[:, 0, i] * a[:, 1, j] * b[:, 2, k]).mean()
            value += float(p * p.log()) / 2
    assert float(third_order_term(q1, q2)) == pytest.approx(value, abs=1e-12)
    assert float(third_order_term(q1, q2)) == pytest.approx(float(third_order_term(q2, q1)), abs=1e-12)


def test_two_segments_are_refused():
    q = torch.full((4, 2, 3), 1 / 3)
    with pytest.raises(ValueError, match="2 segments; a triple needs 3"):
        third_order_term(q, q)


def test_the_modular_triple_is_least_for_pairs_and_log_k_above_for_triples():
    labels = modular_triple(3, copies=2)
    q = one_hot(labels, 3, torch.float64)
    terms = code_terms(q, q)
    assert labels.shape == (18, 3)
    assert float(terms.diagonal + terms.off_diagonal) == pytest.approx(-3 * math.log(3), abs=1e-12)
    assert float(third_order_term(q, q)) == pytest.approx(-2 * math.log(3), abs=1e-12)


def test_descent_leaves_the_triple_with_the_term_and_stays_without_it():
    labels = modular_triple(3, copies=3)
    stays = descend(labels, 3, third_weight=0.0, steps=120)
    leaves = descend(labels, 3, third_weight=1.0, steps=120)
    assert stays[0]["total_correlation"] == leaves[0]["total_correlation"] == pytest.approx(math.log(3))
    assert stays[-1]["total_correlation"] == pytest.approx(math.log(3))
    assert leaves[-1]["total_correlation"] < 0.1
    assert leaves[-1]["loss"] < -3 * math.log(3) + 0.1  # and the pairwise objective is at its bound all the same


def test_a_bush_array_of_two_attributes_is_free_for_pairs_and_dear_for_triples():
    """Five segments a, b, a + b, a + 2b, ... over the field of K = 5: K^2 of K^3 cells, log K above the least."""
    a, b = torch.cartesian_prod(torch.arange(5), torch.arange(5)).T
    q = one_hot(torch.stack([a, *((a * x + b) % 5 for x in range(4))], dim=1), 5, torch.float64)
    terms = code_terms(q, q)
    assert float(terms.diagonal + terms.off_diagonal) == pytest.approx(-3 * math.log(5), abs=1e-12)
    assert float(third_order_term(q, q)) == pytest.approx(-2 * math.log(5), abs=1e-12)


def test_descent_is_a_function_of_its_seed():
    first, again, other = (descend(modular_triple(2, 2), 2, third_weight=0.5, steps=3, seed=s) for s in (1, 1, 2))
    assert first == again
    assert first[-1]["loss"] != other[-1]["loss"]
