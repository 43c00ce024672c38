"""What every loss does at its door: leave autocast, widen half precision, and check the shapes."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from musiclib.distributed import Rows, count_rows


def wide(x: Tensor) -> Tensor:
    """Half precision becomes float32; every other tensor is returned as it is."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def in_float32(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: run `function` outside autocast, with half-precision tensor arguments widened to float32.

    float32 and float64 arguments pass unchanged, so that a loss can be checked in float64. Exponentials, logarithms
    and means over a batch lose too much in bfloat16 (8 bits of mantissa) for any of the losses here.
    """

    def widen(value: Any) -> Any:
        return wide(value) if isinstance(value, Tensor) else value

    @functools.wraps(function)
    def outside(*args: Any, **kwargs: Any) -> Any:
        values = (*args, *kwargs.values())
        device = next((value.device.type for value in values if isinstance(value, Tensor)), "cpu")
        has_autocast = torch.amp.is_autocast_available(device)
        with torch.autocast(device, enabled=False) if has_autocast else contextlib.nullcontext():
            return function(*map(widen, args), **{name: widen(value) for name, value in kwargs.items()})

    return outside


def check_pair(a: Tensor, b: Tensor, names: tuple[str, str] = ("z1", "z2"), least: int = 2) -> None:
    """Raise ValueError unless `a` and `b` are floating (N, D) tensors of one shape with N >= `least` and D >= 1."""
    for name, tensor in zip(names, (a, b), strict=True):
        if tensor.dim() != 2 or tensor.shape[1] < 1 or not tensor.is_floating_point():
            raise ValueError(
                f"{name}: expected a floating-point matrix (N, D) with D >= 1, "
                f"got shape {tuple(tensor.shape)} of {tensor.dtype}"
            )
    if a.shape != b.shape:
        raise ValueError(
            f"{names[0]} and {names[1]}: expected one shape, row n of both from sample n, "
            f"got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    if a.shape[0] < least:
        raise ValueError(
            f"{names[0]}: a batch of {a.shape[0]} is too small, this loss needs at least {least} samples; "
            "enlarge the batch or drop the last short one"
        )


def check_positive(**values: float) -> None:
    """Raise ValueError unless every named number is > 0."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name}: expected a number > 0, got {value}")


def check_widths(name: str, widths: tuple[int, ...]) -> None:
    """Raise ValueError unless `widths` names at least one layer and every width is >= 1."""
    if not widths or min(widths) < 1:
        raise ValueError(f"{name}: expected at least one layer width, each >= 1, got {widths}")


def check_views(x1: Tensor, x2: Tensor, index: Tensor) -> Rows:
    """Which process holds which rows; ValueError unless two views have one shape, `index` one entry a sample, and the
    global batch two samples."""
    if x1.shape != x2.shape:
        raise ValueError(f"x1 and x2: expected two views of one shape, got {tuple(x1.shape)} and {tuple(x2.shape)}")
    if index.shape != x1.shape[:1]:
        raise ValueError(
            f"index: expected one position a sample, shape ({x1.shape[0]},), got shape {tuple(index.shape)}"
        )
    rows = count_rows(x1)
    if rows.total < 2:
        raise ValueError(
            f"x1: a batch of {rows.total} is too small, batch normalisation and every loss here need at least 2 "
            "samples; enlarge the batch or drop the last short one"
        )
    return rows
