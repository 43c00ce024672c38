"""What a loss and its projection head cost: seconds, floating-point operations, memory. Forward and backward together.

    calls = {m: loss_alone(m, 1024, batch=256) for m in ("floor", "music", "barlow_twins", "vicreg")}
    seconds = side_by_side(calls, repeats=7)          # in turns: a slow moment of the machine falls on all of them
    {m: (flops(call), peak_mebibytes(call)) for m, call in calls.items()}

Operations and memory are counted, not measured, and are the same on every machine; seconds are of this one.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from musiclib.config import method_class
from musiclib.methods.barlow_twins import barlow_twins_loss
from musiclib.methods.vicreg import vicreg_loss
from musiclib.objective import MusicLoss
from musiclib.pretrain.randomness import local_randomness
from musiclib.schema import build

LOSSES = ("music", "barlow_twins", "vicreg")

Call = Callable[[], Any]


def loss_alone(
    name: str, size: int, *, batch: int, units: int = 16, seed: int = 0, device: torch.device | str = "cpu"
) -> Call:
    """A call that runs one loss, forward and backward to both embeddings (batch, size), which are normal numbers.

    name: music (with `units` units a segment), barlow_twins, vicreg, or floor: the three size x size matrix products
    that any of them needs, namely the statistic of two views and the gradient to each.
    """
    generator = torch.Generator().manual_seed(seed)
    z1, z2 = (torch.randn(batch, size, generator=generator).to(device).requires_grad_() for _ in range(2))
    if name == "floor":
        a, b, g = z1.detach(), z2.detach(), torch.randn(size, size, generator=generator).to(device)
        return lambda: (a.T @ b, b @ g.T, a @ g)
    if name == "music":
        if size % units:
            raise ValueError(f"size={size} is no multiple of units={units}")
        loss: Callable[[Tensor, Tensor], Tensor] = MusicLoss(size // units)
    elif name in LOSSES:
        loss = {"barlow_twins": barlow_twins_loss, "vicreg": vicreg_loss}[name]
    else:
        raise ValueError(f"name={name!r}: one of floor, {', '.join(LOSSES)}")

    def call() -> None:
        z1.grad = z2.grad = None
        loss(z1, z2).backward()

    return call


class _Given(nn.Module):
    """An encoder that has done its work: the features are handed in."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def head(
    method: str,
    options: Mapping[str, Any],
    *,
    features: int,
    batch: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Call:
    """A call that runs all of a method that comes after the encoder, projector and loss, forward and backward to its
    weights and to the features (batch, features) of both views."""
    cls, kinds = method_class(method)
    if cls is None:
        raise ValueError(f"method={method!r} has no head")
    device = torch.device(device)
    with local_randomness(seed, device):
        chosen = build(kinds, options, f"options of {method}")
        module = cls(_Given(features), chosen, samples=batch, steps=1).to(device)
    generator = torch.Generator().manual_seed(seed)
    x1, x2 = (torch.randn(batch, features, 1, 1, generator=generator).to(device).requires_grad_() for _ in range(2))
    index = torch.arange(batch, device=device)

    def call() -> None:
        module.zero_grad(set_to_none=True)
        x1.grad = x2.grad = None
        module(x1, x2, index).loss.backward()

    return call


def _addmm_flops(_added: Any, a: Any, b: Any, **_options: Any) -> int:
    """Of shapes, as torch's counter hands them over."""
    return 2 * a[0] * a[1] * b[1]


def flops(call: Call) -> int:
    """Floating-point operations of the matrix products and convolutions of a call; a product of (a, b) and (b, c)
    counts 2abc. What is done element by element is not counted."""
    in_place = {torch.ops.aten.addmm_: _addmm_flops}  # torch counts addmm and not its form in place
    with FlopCounterMode(display=False, custom_mapping=in_place) as counter:
        call()
    return counter.get_total_flops()


class _Live(TorchDispatchMode):
    """Bytes of the storages that operations have made and that are still alive, and their highest sum."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: dict[int, weakref.finalize] = {}

    def _see(self, tensor: Tensor, size: int) -> None:
        storage = tensor.untyped_storage()
        key = id(storage)  # the Python object lives as long as the memory does
        if key not in self.known:
            self.now += size
            self.peak = max(self.peak, self.now)
            self.known[key] = weakref.finalize(storage, self._gone, key, size)
            self.known[key].atexit = False

    def _gone(self, key: int, size: int) -> None:
        self.now -= size
        del self.known[key]

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        for leaf in tree_leaves((args, kwargs)):
            if isinstance(leaf, Tensor):
                self._see(leaf, 0)  # was there before; an operation that returns its input makes nothing
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._see(leaf, leaf.untyped_storage().nbytes())
        return out


def peak_mebibytes(call: Call) -> float:
    """Highest sum of the memory of all tensors that a call makes, in MiB: gradients and what autograd keeps included,
    inputs, weights and the workspace inside single operations not."""
    live = _Live()
    with live:
        call()
    return live.peak / 2**20


def side_by_side(
    calls: Mapping[str, Call], *, repeats: int, warm_up: int = 1, device: torch.device | str = "cpu"
) -> dict[str, list[float]]:
    """Seconds of every repeat of every call, taken in turns after `warm_up` turns that do not count."""
    if repeats < 1:
        raise ValueError(f"repeats={repeats}: at least one")
    wait = torch.cuda.synchronize if torch.device(device).type == "cuda" else lambda: None
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(warm_up + repeats):
        for name, call in calls.items():
            wait()
            start = time.perf_counter()
            call()
            wait()
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return seconds
