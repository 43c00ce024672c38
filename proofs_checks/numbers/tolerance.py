"""Tolerances, derived from dtype, size and scale, and the assertions that use them.

Every equality of the suite is an equality of real numbers that floating point meets up to a rounding error. The bounds
below are first-order forward error bounds (Higham, Accuracy and Stability of Numerical Algorithms, ch. 3), doubled once
for the second-order terms and once more because both sides of a comparison are rounded. `tests/test_tolerance.py`
compares them with exact arithmetic: they are never exceeded, and stay far below the effects that the checks look for.
"""

import math
from typing import Any

import numpy as np
import torch

from proofs_checks.register import NotANumber, note_margin, note_share


def eps(dtype: torch.dtype = torch.float64) -> float:
    """Distance from 1 to the next float."""
    return torch.finfo(dtype).eps


def joint_tolerance(n: int, k: int = 0, magnitude: float = 0.0, dtype: torch.dtype = torch.float64) -> float:
    """The relative error of a cell of the joint of N samples.

    Cells are sums of N products of non-negative numbers, so no digits cancel: N + 2 roundings. Codes that come from a
    softmax of logits up to `magnitude` over `k` units add, in each view, k + 4 roundings and the rounding of the
    exponent itself.
    """
    code = (k + 4 + magnitude) if k else 0.0
    return 4 * eps(dtype) * (n + 2 + 2 * code)


def entropy_tolerance(n: int, cells: int, dtype: torch.dtype = torch.float64, relative: float | None = None) -> float:
    """The error of sum p log p over `cells` cells of a joint of N samples.

    If every p carries a relative error g, |sum (1 + log p) dp| <= g (1 + H) <= g (1 + log cells); summing costs another
    (cells + 4) eps of the value, which is at most log cells.
    """
    g = joint_tolerance(n, dtype=dtype) if relative is None else relative
    most = math.log(max(cells, 2))
    return g * (1 + most) + 4 * eps(dtype) * (cells + 4) * most


def loss_tolerance(
    n: int,
    s: int,
    k: int,
    *,
    dtype: torch.dtype = torch.float64,
    magnitude: float | None = None,
    lam: float = 0.0,
    invariance: float = 0.0,
) -> float:
    """The error of the loss L = diagonal + off_diagonal + lam * invariance.

    magnitude: the largest |z / t| when the codes are a softmax of logits, None when codes are given; invariance: the
    value of that term, which may be as large as 2 * magnitude and then carries its own relative error.
    """
    from_logits = magnitude is not None
    g = joint_tolerance(n, k if from_logits else 0, magnitude or 0.0, dtype)
    entropies = entropy_tolerance(n, k, dtype, g) + entropy_tolerance(n, k * k, dtype, g)
    means = 4 * eps(dtype) * (s * s + 2) * 3 * math.log(max(k, 2))
    agreement = g + 4 * eps(dtype) * (k + 4 + (n * s + 4) * abs(invariance))
    return entropies + means + lam * agreement


def gradient_tolerance(
    n: int,
    s: int,
    k: int,
    *,
    dtype: torch.dtype = torch.float64,
    magnitude: float = 0.0,
    temperature: float = 1.0,
    lam: float = 1.0,
) -> float:
    """The error of one entry of dL/dz: its bound (claim C34) times the roundings on the way."""
    roundings = n + 2 * s * k + 2 * (k + 4 + magnitude) + 16
    bound = 2 * (2 * math.log(n + 1) + 3 * math.log(k + 1) + 1 + lam) / (temperature * n)
    return 4 * eps(dtype) * roundings * bound


# assertions ---------------------------------------------------------------------------------------


def _numbers(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().double().numpy()
    return np.asarray(value, dtype=np.float64)


def _failure(difference: np.ndarray) -> type[AssertionError]:
    return NotANumber if np.isnan(difference).any() else AssertionError


def close(value: Any, expected: Any, tolerance: float, what: str = "value") -> None:
    """Assert |value - expected| <= tolerance everywhere (NaN fails; equal infinities pass)."""
    got, want = np.broadcast_arrays(_numbers(value), _numbers(expected))
    with np.errstate(invalid="ignore"):
        error = np.where(got == want, 0.0, np.abs(got - want))
    worst = float(error.max()) if error.size and not np.isnan(error).any() else (0.0 if not error.size else math.nan)
    if worst <= tolerance:
        note_share(worst / tolerance if tolerance else 0.0)
        return
    where = np.unravel_index(int(np.nanargmax(np.where(np.isnan(error), np.inf, error))), error.shape)
    raise _failure(error)(
        f"{what}: got {got[where]:.17g}, expected {want[where]:.17g}, error {error[where]:.3g} > tolerance "
        f"{tolerance:.3g}"
    )


def at_least(value: Any, bound: Any, tolerance: float = 0.0, what: str = "value") -> None:
    """Assert value >= bound - tolerance everywhere (NaN fails)."""
    got, low = np.broadcast_arrays(_numbers(value), _numbers(bound))
    with np.errstate(invalid="ignore"):
        slack = np.where(got == low, 0.0, got - low)
    if not slack.size:
        return
    worst = float(slack.min()) if not np.isnan(slack).any() else math.nan
    if worst >= -tolerance:
        note_margin(worst)
        return
    where = np.unravel_index(int(np.argmin(np.where(np.isnan(slack), -np.inf, slack))), slack.shape)
    raise _failure(slack)(f"{what}: {got[where]:.17g} lies below {low[where]:.17g} by more than {tolerance:.3g}")


def at_most(value: Any, bound: Any, tolerance: float = 0.0, what: str = "value") -> None:
    """Assert value <= bound + tolerance everywhere (NaN fails)."""
    at_least(-_numbers(value), -_numbers(bound), tolerance, f"-({what})")


def above(value: Any, bound: Any, margin: float, what: str = "value") -> None:
    """Assert value >= bound + margin: a strict inequality, checked with a margin that the caller derives."""
    at_least(value, _numbers(bound) + margin, 0.0, what)


def finite(value: Any, what: str = "value") -> None:
    """Assert that there is neither NaN nor infinity."""
    numbers = _numbers(value)
    if not np.isfinite(numbers).all():
        raise _failure(numbers)(f"{what} is not finite: {numbers.ravel()[~np.isfinite(numbers.ravel())][:3]}")
