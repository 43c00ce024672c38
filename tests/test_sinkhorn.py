"""Sinkhorn in the log domain against POT, against the plain iteration, and where the plain iteration overflows."""

import math

import numpy as np
import ot
import pytest
import torch

from musiclib.methods.parts.sinkhorn import sinkhorn


def scores(n: int, k: int, seed: int = 0) -> torch.Tensor:
    return 2 * torch.rand(n, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1


@pytest.mark.parametrize(("n", "k", "epsilon"), [(12, 4, 0.05), (12, 4, 0.5), (5, 9, 0.1), (30, 2, 0.2)])
def test_converged_codes_are_the_transport_plan_of_pot(n, k, epsilon):
    x = scores(n, k)
    plan = ot.bregman.sinkhorn_log(
        np.full(n, 1 / n), np.full(k, 1 / k), -x.numpy(), reg=epsilon, numItermax=100_000, stopThr=1e-14
    )
    np.testing.assert_allclose(sinkhorn(x, epsilon, 20_000).numpy(), n * plan, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("iterations", [1, 2, 3, 7])
def test_each_iteration_normalises_columns_then_rows(iterations):
    x, epsilon = scores(7, 4), 0.3
    plan = np.exp(x.numpy() / epsilon)
    for _ in range(iterations):
        plan = plan / plan.sum(axis=0, keepdims=True) / 4
        plan = plan / plan.sum(axis=1, keepdims=True) / 7
    np.testing.assert_allclose(sinkhorn(x, epsilon, iterations).numpy(), 7 * plan, rtol=1e-12)


def test_rows_sum_to_one_after_any_number_of_iterations_and_columns_in_the_limit():
    x = scores(20, 5)
    for iterations in (1, 3, 2000):
        torch.testing.assert_close(sinkhorn(x, 0.1, iterations).sum(dim=1), torch.ones(20, dtype=torch.float64))
    torch.testing.assert_close(sinkhorn(x, 0.1, 2000).sum(dim=0), torch.full((5,), 4.0, dtype=torch.float64))


def test_a_score_that_overflows_the_plain_iteration_in_float32_gives_finite_codes():
    x = scores(16, 4).float() * 20  # e^(20 / 0.05) is beyond every float
    assert not torch.exp(x / 0.05).isfinite().all()
    codes = sinkhorn(x, 0.05, 500)
    assert codes.isfinite().all()
    torch.testing.assert_close(codes.sum(dim=1), torch.ones(16))
    torch.testing.assert_close(codes.sum(dim=0), torch.full((4,), 4.0), rtol=0.2, atol=0)


def test_codes_of_indistinguishable_samples_are_uniform():
    x = scores(1, 6).expand(10, 6)
    torch.testing.assert_close(sinkhorn(x, 0.05, 1), torch.full((10, 6), 1 / 6, dtype=torch.float64))


def test_one_sample_gets_uniform_codes_and_one_prototype_gets_everything():
    torch.testing.assert_close(sinkhorn(scores(1, 3)), torch.full((1, 3), 1 / 3, dtype=torch.float64))
    assert torch.equal(sinkhorn(scores(4, 1)), torch.ones(4, 1, dtype=torch.float64))


def test_a_small_epsilon_makes_codes_one_hot():
    x = 0.1 * scores(4, 4) + torch.eye(4)
    torch.testing.assert_close(sinkhorn(x.roll(1, 0), 1e-3, 50), torch.eye(4, dtype=torch.float64).roll(1, 0))


def test_rows_left_out_do_not_change_the_codes_of_the_others():
    x = scores(9, 4)
    taking_part = torch.tensor([True, False, True, True, False, True, True, True, False])
    codes = sinkhorn(x, 0.1, 5, taking_part)
    torch.testing.assert_close(codes[taking_part], sinkhorn(x[taking_part], 0.1, 5))
    assert codes.isfinite().all()
    torch.testing.assert_close(codes.sum(dim=1), torch.ones(9, dtype=torch.float64))


def test_no_gradient_flows_and_half_precision_is_widened_inside_autocast():
    x = scores(6, 3).requires_grad_()
    assert not sinkhorn(x).requires_grad
    with torch.autocast("cpu", torch.bfloat16):
        codes = sinkhorn(x.detach().bfloat16())
    assert codes.dtype == torch.float32
    torch.testing.assert_close(codes, sinkhorn(x.detach().bfloat16().float()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sinkhorn(torch.zeros(3)), "scores"),
        (lambda: sinkhorn(torch.zeros(0, 3)), "scores"),
        (lambda: sinkhorn(torch.zeros(2, 2, dtype=torch.long)), "scores"),
        (lambda: sinkhorn(torch.zeros(2, 2), epsilon=0.0), "epsilon"),
        (lambda: sinkhorn(torch.zeros(2, 2), epsilon=math.nan), "epsilon"),
        (lambda: sinkhorn(torch.zeros(2, 2), iterations=0), "iterations"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
