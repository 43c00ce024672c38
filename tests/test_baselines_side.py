"""Barlow Twins and VICReg as the theory checks write them agree with the library's, up to its float32 and its eps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from musiclib.methods.barlow_twins import barlow_twins_loss
from musiclib.methods.vicreg import vicreg_terms
from proofs_checks.checks import baselines_side as mine


@pytest.fixture
def views() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(3)
    first = torch.randn(64, 7, generator=g, dtype=torch.float64)
    return first, first + 0.5 * torch.randn(64, 7, generator=g, dtype=torch.float64)


@pytest.mark.parametrize("weight", [0.005, 1.0])
def test_barlow_twins_agrees_with_the_library(views, weight):
    theirs = float(barlow_twins_loss(*views, off_diagonal_weight=weight))
    ours = mine.barlow_twins(views[0].numpy(), views[1].numpy(), weight)
    assert math.isclose(ours, theirs, rel_tol=1e-3)


def test_vicreg_agrees_with_the_library(views):
    scaled = [0.6 * z for z in views]  # so that the variance hinge is active
    terms = vicreg_terms(*scaled)
    first, second = (z.numpy() for z in scaled)
    ours = (
        np.square(first - second).mean(),
        mine.vicreg_variance(first) + mine.vicreg_variance(second),
        mine.vicreg_covariance(first) + mine.vicreg_covariance(second),
    )
    np.testing.assert_allclose(ours, [float(term) for term in terms], rtol=2e-3)
    assert mine.vicreg(first, second) == pytest.approx(25 * ours[0] + 25 * ours[1] + ours[2])


def test_correlations_agree_with_numpy(views):
    first, second = (z.numpy() for z in views)
    expected = np.corrcoef(first.T, second.T)[:7, 7:]
    np.testing.assert_allclose(mine.cross_correlation(first, second), expected, atol=1e-14)


def test_a_constant_column_correlates_with_nothing():
    constant = np.ones((5, 1))
    assert mine.barlow_twins(constant, constant) == 1.0
