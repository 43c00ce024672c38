"""What every step sees: which samples, under which views, as functions of the seed and a number, never of state.

This is what makes resuming exact, and what lets several processes see the very images that one would.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from musiclib.distributed import rank, world_size
from musiclib.views import ViewConfig, ViewParams, draw, render


def derived_seed(seed: int, purpose: str, number: int) -> int:
    """A 63-bit seed from the run's seed, a purpose and a number; streams of different purposes or numbers are
    unrelated."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def epoch_order(samples: int, batch: int, *, seed: int, epoch: int) -> Int64[Tensor, "steps batch"]:
    """Positions of every step's samples in epoch `epoch`: a permutation cut into batches, a short last one dropped."""
    generator = torch.Generator().manual_seed(derived_seed(seed, "order", epoch))
    steps = samples // batch
    return torch.randperm(samples, generator=generator)[: steps * batch].view(steps, batch)


def view_generator(seed: int, step: int) -> torch.Generator:
    """The generator that draws the views of step `step` (from 0, over the whole run)."""
    return torch.Generator().manual_seed(derived_seed(seed, "views", step))


def share(rows: Any) -> slice:
    """This process's part of a global batch with `rows` rows."""
    size = rows // world_size()
    return slice(rank() * size, (rank() + 1) * size)


def batches(
    images: UInt8[Tensor, "n c h w"] | Any,
    configs: tuple[ViewConfig, ViewConfig],
    *,
    batch: int,
    seed: int,
    epoch: int,
    first: int = 0,
    device: torch.device | str = "cpu",
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """This process's share of the steps `first`, `first` + 1, ... of an epoch: (index, x1, x2) on `device`.

    images: the whole set as one uint8 tensor on `device`, in the order of `epoch_order`; or, for sets that do not fit
    in memory, an object with `batches(epoch, first)` that yields (index, x1, x2, ...) with this process's uint8 crops,
    like `musiclib.datasets.stream.ImageStream`. It has its own order and has cropped already; flips, colours, blur and
    normalisation are done here, on the device.

    View parameters are drawn for the global batch and then cut, so that W processes see the very images that one would.
    """
    mine, steps = share(batch), len(images) // batch
    if isinstance(images, Tensor):
        order = epoch_order(len(images), batch, seed=seed, epoch=epoch)[first:, mine].to(device)
        sources = ((index, images[index], images[index]) for index in order)
    else:
        sources = images.batches(epoch, first)
        configs = tuple(dataclasses.replace(c, crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0)) for c in configs)
    for step, (index, *pixels) in enumerate(sources, start=epoch * steps + first):
        generator = view_generator(seed, step)
        views = []
        for source, config in zip(pixels[:2], configs, strict=True):
            params = draw(config, batch, *source.shape[2:], generator)
            views.append(render(source.to(device, non_blocking=True), _rows(params, mine), config))
        yield index.to(device, non_blocking=True), views[0], views[1]


def _rows(params: ViewParams, mine: slice) -> ViewParams:
    if world_size() == 1:
        return params
    return ViewParams(*(getattr(params, f.name)[mine] for f in dataclasses.fields(params)))
