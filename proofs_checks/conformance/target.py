"""What a dotted path names: an object of somebody else, loaded and looked at; every fault is one line.

Loading runs the module that the path names: give paths of code that you would run.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


class TargetError(ValueError):
    """The target cannot be loaded, or is no adapter: a message of one line."""


class NotAsked(Exception):
    """A question that the target does not take; its message names what it would need."""


def load(path: str) -> Any:
    """The object that `package.module:name` names; name may have dots. Modules are looked for from the working
    directory too."""
    module, _, name = path.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise TargetError(f"target: expected package.module:name, got {path!r}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module)
    except Exception as failure:
        raise TargetError(f"target {path}: importing {module} failed: {describe(failure)}") from failure
    for part in name.split("."):
        if not hasattr(found, part):
            raise TargetError(f"target {path}: {getattr(found, '__name__', found)!s} has no attribute {part!r}")
        found = getattr(found, part)
    return found


def make(path: str, found: Any) -> Any:
    """A fresh object: an instance where a class was named, else the object itself."""
    if not inspect.isclass(found):
        return found
    try:
        return found()
    except Exception as failure:
        raise TargetError(f"target {path}: {found.__name__}() failed: {describe(failure)}") from failure


def describe(failure: BaseException) -> str:
    """An exception in one line."""
    first = str(failure).strip().splitlines()
    return f"{type(failure).__name__}: {first[0][:200]}" if first else type(failure).__name__


def parameters(
    path: str, function: Callable[..., Any], needed: Sequence[str], optional: Sequence[str], by_name: Sequence[str] = ()
) -> set[str]:
    """Which of the optional parameters a function takes by name; TargetError unless it can be called with the needed
    ones in order, those of `by_name` by name, and nothing else."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as failure:
        raise TargetError(f"target {path}: {function!r} cannot be called, or shows no signature") from failure
    try:
        signature.bind(*needed, **dict.fromkeys(by_name, 1.0))
    except TypeError as failure:
        wanted = ", ".join([*needed, *by_name])
        raise TargetError(f"target {path}: expected a function of ({wanted}), got {signature}: {failure}") from failure
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return {name for name in optional if name in signature.parameters and signature.parameters[name].kind in kinds}


def require_scalar(path: str, what: str, value: Any, *, differentiable: bool = False) -> None:
    """TargetError unless the value is a floating-point tensor of one element and no axes, with a gradient if asked."""
    require_tensor(path, what, value, ())
    if differentiable and not value.requires_grad:
        raise TargetError(f"target {path}: {what} has no gradient; expected it to be differentiable in its inputs")


def require_tensor(path: str, what: str, value: Any, shape: tuple[int, ...]) -> None:
    """TargetError unless the value is a floating-point tensor of that shape."""
    wanted = f"expected a floating-point tensor of shape {shape}"
    if not isinstance(value, Tensor):
        raise TargetError(f"target {path}: {what} is of type {type(value).__name__}; {wanted}")
    if not value.is_floating_point() or tuple(value.shape) != shape:
        raise TargetError(f"target {path}: {what} is {value.dtype} of shape {tuple(value.shape)}; {wanted}")


def call(path: str, what: str, function: Callable[[], Any]) -> Any:
    """What a first call returns; whatever it raises is a TargetError."""
    try:
        return function()
    except Exception as failure:
        raise TargetError(f"target {path}: {what} failed: {describe(failure)}") from failure


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Normal numbers from a generator of their own."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
