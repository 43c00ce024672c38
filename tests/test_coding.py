"""Logits to segments to codes."""

import math

import pytest
import torch
from oracles import codes

from musiclib import hard_codes, segment_softmax
from musiclib.coding import one_hot, segment_log_softmax, straight_through


def test_codes_are_a_softmax_in_every_segment(generator):
    z = torch.randn(5, 12, generator=generator, dtype=torch.float64) * 3
    for segments, temperature in [(1, 1.0), (3, 1.0), (4, 0.3), (12, 2.0)]:
        expected = torch.tensor(codes(z.tolist(), segments, temperature), dtype=torch.float64)
        torch.testing.assert_close(segment_softmax(z, segments, temperature), expected, rtol=1e-13, atol=1e-15)


def test_the_temperature_is_one_unless_told(generator):
    z = torch.randn(5, 12, generator=generator, dtype=torch.float64)
    assert torch.equal(segment_softmax(z, 3), segment_softmax(z, 3, 1.0))
    assert torch.equal(segment_log_softmax(z, 3), segment_log_softmax(z, 3, 1.0))


def test_a_segment_is_a_run_of_neighbouring_units():
    z = torch.tensor([[0.0, 9, 0, 0, 0, 9]])
    assert hard_codes(z, segments=2).tolist() == [[1, 2]]
    assert hard_codes(z, segments=3).tolist() == [[1, 0, 1]]


def test_codes_survive_huge_logits():
    q = segment_softmax(torch.tensor([[1e4, -1e4, 1e4, 1e4]]), 2)
    assert q.tolist() == [[[1.0, 0.0], [0.5, 0.5]]]


def test_the_logarithm_keeps_what_the_code_loses():
    z = torch.tensor([[0.0, -500.0]])
    assert segment_softmax(z, 1)[0, 0, 1] == 0
    assert segment_log_softmax(z, 1)[0, 0, 1] == -500


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_codes_are_float32_at_least(dtype):
    q = segment_softmax(torch.zeros(2, 6, dtype=dtype), 2)
    assert q.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.allclose(q, torch.full_like(q, 1 / 3))


def test_codes_stay_float32_under_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert segment_softmax(torch.zeros(2, 6, dtype=torch.bfloat16), 2).dtype == torch.float32


def test_ties_go_to_the_lowest_unit_and_codes_carry_their_own_segments():
    q = torch.tensor([[[0.4, 0.4, 0.2], [0.1, 0.2, 0.7]]])
    assert hard_codes(q).tolist() == [[0, 2]]
    assert hard_codes(q, 2).tolist() == [[0, 2]]


def test_one_hot_codes_have_all_units_whichever_labels_occur():
    q = one_hot(torch.tensor([[0, 1]]), 3)
    assert q.dtype == torch.float32
    assert q.tolist() == [[[1, 0, 0], [0, 1, 0]]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_straight_through_keeps_the_dtype_of_the_codes(dtype):
    assert straight_through(torch.tensor([[[0.75, 0.25]]], dtype=dtype)).dtype == dtype


def test_straight_through_is_hard_in_value_and_soft_in_gradient(generator):
    z = torch.randn(4, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 2, 3, generator=generator, dtype=torch.float64)
    hard = straight_through(segment_softmax(z, 2))
    torch.testing.assert_close(hard.detach(), one_hot(hard_codes(z, 2), 3, torch.float64), rtol=0, atol=1e-15)
    (through,) = torch.autograd.grad((hard * weight).sum(), z)
    (soft,) = torch.autograd.grad((segment_softmax(z, 2) * weight).sum(), z)
    torch.testing.assert_close(through, soft)


@pytest.mark.parametrize(
    ("z", "segments", "temperature", "error", "says"),
    [
        (torch.zeros(2, 10), 3, 1.0, ValueError, "segments=3 does not divide D=10"),
        (torch.zeros(2, 10), 0, 1.0, ValueError, "segments: expected an integer >= 1, got 0"),
        (torch.zeros(2, 10), 2.0, 1.0, ValueError, "segments"),
        (torch.zeros(2, 10), True, 1.0, ValueError, "segments"),
        (torch.zeros(10), 2, 1.0, ValueError, r"\(N, D\)"),
        (torch.zeros(0, 10), 2, 1.0, ValueError, r"got \(0, 10\)"),
        (torch.zeros(2, 10), 2, 0.0, ValueError, "temperature"),
        (torch.zeros(2, 10), 2, math.nan, ValueError, "temperature"),
        (torch.zeros(2, 10, dtype=torch.int64), 2, 1.0, TypeError, "int64"),
        ([[0.0, 1.0]], 2, 1.0, TypeError, "list"),
    ],
)
def test_bad_input_is_refused_by_name(z, segments, temperature, error, says):
    with pytest.raises(error, match=says):
        segment_softmax(z, segments, temperature)


def test_hard_codes_of_logits_need_the_number_of_segments():
    with pytest.raises(ValueError, match="segments: needed"):
        hard_codes(torch.zeros(2, 6))
    with pytest.raises(ValueError, match="so S=2"):
        hard_codes(torch.zeros(2, 2, 3), segments=3)
