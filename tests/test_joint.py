"""The empirical joint distribution of two views."""

import pytest
import torch
from oracles import joint

from musiclib import joint_distribution, segment_softmax
from musiclib.coding import one_hot
from musiclib.distributed import Rows
from musiclib.joint import agreement, as_matrix, marginals


def random_codes(generator, n=6, s=3, k=4):
    z = torch.randn(2, n, s * k, generator=generator, dtype=torch.float64)
    return segment_softmax(z[0], s), segment_softmax(z[1], s)


def test_every_block_is_the_mean_outer_product(generator):
    q1, q2 = random_codes(generator)
    P = joint_distribution(q1, q2)
    for s in range(3):
        for t in range(3):
            expected = torch.tensor(joint(q1.tolist(), q2.tolist(), s, t), dtype=torch.float64)
            torch.testing.assert_close(P[s, t], expected, rtol=1e-13, atol=1e-16)


def test_blocks_of_one_hot_codes_are_counts():
    labels = torch.tensor([[0, 1], [0, 0], [1, 1], [0, 1]])
    q = one_hot(labels, 2)
    assert (joint_distribution(q, q)[0, 1] * 4).tolist() == [[1, 2], [0, 1]]


def test_exchanging_the_views_transposes_the_matrix(generator):
    q1, q2 = random_codes(generator)
    torch.testing.assert_close(as_matrix(joint_distribution(q2, q1)), as_matrix(joint_distribution(q1, q2)).T)


def test_the_joint_of_unequal_views_is_not_symmetric(generator):
    q1, q2 = random_codes(generator)
    P = as_matrix(joint_distribution(q1, q2))
    assert (P - P.T).abs().max() > 1e-3


def test_agreement_is_the_diagonal_of_the_diagonal_blocks(generator):
    q1, q2 = random_codes(generator)
    P = joint_distribution(q1, q2)
    expected = torch.stack([P[s, s].diagonal() for s in range(3)])
    torch.testing.assert_close(agreement(q1, q2), expected)


def test_marginals_are_the_mean_codes_of_each_view(generator):
    q1, q2 = random_codes(generator)
    first, second = marginals(joint_distribution(q1, q2))
    torch.testing.assert_close(first, q1.mean(dim=0))
    torch.testing.assert_close(second, q2.mean(dim=0))


def test_as_matrix_lays_blocks_side_by_side(generator):
    q1, q2 = random_codes(generator)
    P = joint_distribution(q1, q2)
    torch.testing.assert_close(as_matrix(P)[4:8, 8:12], P[1, 2])


def test_one_sample_gives_the_outer_product():
    q = one_hot(torch.tensor([[2, 0]]), 3)
    P = joint_distribution(q, q)
    assert P[0, 1].tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 0]]


def test_the_joint_is_float32_under_autocast_and_for_half_precision():
    q = torch.full((3, 2, 4), 0.25, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        P = joint_distribution(q, q)
    assert P.dtype == torch.float32
    assert torch.equal(P, torch.full_like(P, 1 / 16))


@pytest.mark.parametrize(
    ("samples", "travels"), [(2, ["codes", "codes"]), (3, ["joint"]), (4, ["joint"])], ids=["N < D", "N = D", "N > D"]
)
def test_with_two_processes_the_smaller_object_travels(generator, monkeypatch, samples, travels):
    """D = 6. The other process is played: it holds the same codes, so that the result is known."""
    sent = []
    monkeypatch.setattr("musiclib.joint.count_rows", lambda x, group: Rows((len(x), len(x))))
    monkeypatch.setattr("musiclib.joint.gather_batch", lambda x, rows: sent.append("codes") or torch.cat([x, x]))
    monkeypatch.setattr("musiclib.joint.mean_over_processes", lambda x, rows: sent.append("joint") or (x + x) / 2)
    q1, q2 = random_codes(generator, samples, s=2, k=3)
    P = joint_distribution(q1, q2)
    assert sent == travels
    torch.testing.assert_close(P, torch.einsum("nsi,ntj->stij", q1, q2) / samples)


@pytest.mark.parametrize(
    ("q1", "q2", "error", "says"),
    [
        (torch.zeros(2, 6), torch.zeros(2, 6), ValueError, r"\(N, S, K\)"),
        (torch.zeros(2, 2, 3), torch.zeros(3, 2, 3), ValueError, "one shape"),
        (torch.zeros(2, 2, 3).long(), torch.zeros(2, 2, 3), TypeError, "^q1: "),
        (torch.zeros(2, 2, 3), torch.zeros(2, 2, 3).long(), TypeError, "^q2: "),
        (torch.zeros(2, 2, 3), [[[1.0]]], TypeError, "^q2: "),
        (torch.zeros(0, 2, 3), torch.zeros(0, 2, 3), ValueError, "^q1: "),
        (torch.zeros(2, 2, 3), torch.zeros(2, 2, 3, device="meta"), ValueError, "different devices"),
    ],
)
def test_bad_codes_are_refused_by_name(q1, q2, error, says):
    with pytest.raises(error, match=says):
        joint_distribution(q1, q2)
