"""What the objective does step by step: leaving the uniform code, and what it makes of free codes.

Two kinds of start. *Free* codes are logits of their own, one a sample, moved by gradient descent: what the objective
itself wants, without an encoder. A *network* is the method that a configuration describes, on its data and views,
looked at after every step instead of every epoch.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from musiclib.coding import segment_softmax
from musiclib.config import TrainConfig
from musiclib.objective import MusicLoss
from musiclib.pretrain.assemble import build_method, load_data, view_configs
from musiclib.pretrain.feed import batches
from musiclib.pretrain.randomness import local_randomness


def escape_curvature(
    samples: int,
    segments: int,
    units: int,
    *,
    diagonal_weight: float = 1.0,
    invariance_weight: float = 1.0,
    temperature: float = 1.0,
) -> float:
    """How fast the loss bends down at the uniform code: (a (2 log K - 1) + c K) / (N S t^2 K^2), in nats per squared
    logit.

    It is minus the Hessian's eigenvalue in every direction that differs between samples, has no mean over them and is
    the same in both views (theory C15). The off-diagonal term has no part in it. Gradient descent of a small rate r
    multiplies such a displacement by 1 + r times this value at every step.
    """
    a, c = diagonal_weight, invariance_weight
    return (a * (2 * math.log(units) - 1) + c * units) / (samples * segments * (temperature * units) ** 2)


def escape_direction(samples: int, segments: int, units: int, *, seed: int) -> Float[Tensor, "n d"]:
    """A random direction of `escape_curvature` of norm one, float64: no mean over the samples, none over the units of a
    segment."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(samples, segments, units, generator=generator, dtype=torch.float64)
    z = z - z.mean(0) - (z - z.mean(0)).mean(2, keepdim=True)
    return (z / z.norm()).flatten(1)


def escape_from_uniform(
    samples: int,
    segments: int,
    units: int,
    *,
    invariance_weight: float = 1.0,
    steps: int = 200,
    growth: float = 0.05,
    start: float = 1e-4,
    seed: int = 0,
) -> list[dict[str, float]]:
    """Plain gradient descent on free logits from next to the uniform code; an entry a step, the start included.

    Both views start at `start` * sqrt(N S K) times `escape_direction`, so that a logit is about `start`. growth: the
    learning rate is set so that a weight of invariance of 0 would grow the displacement by this fraction a step: one
    rate for all weights. Entries: step, loss (nats), size (root mean square of a logit), predicted (size by the
    curvature alone, unbounded), peak (mean largest probability).
    """
    if samples < 2 or units < 2:
        raise ValueError(f"samples={samples}, units={units}: a sample-dependent direction needs at least 2 of each")
    scale = math.sqrt(samples * segments * units)
    direction = escape_direction(samples, segments, units, seed=seed)
    views = [(start * scale * direction).clone().requires_grad_() for _ in range(2)]
    loss_of = MusicLoss(segments, invariance_weight=invariance_weight)
    rate = growth / escape_curvature(samples, segments, units, invariance_weight=0.0)
    factor = 1 + rate * escape_curvature(samples, segments, units, invariance_weight=invariance_weight)
    trace = []
    for step in range(steps + 1):
        loss = loss_of(*views)
        size = views[0].detach().norm().item() / scale
        peak = segment_softmax(views[0].detach(), segments).amax(2).mean().item()
        predicted = start * factor**step if step * math.log(factor) < 600 else math.inf
        trace.append({"step": step, "loss": loss.item(), "size": size, "predicted": predicted, "peak": peak})
        for view, gradient in zip(views, torch.autograd.grad(loss, views), strict=True):
            with torch.no_grad():
                view -= rate * gradient
    return trace


def free_codes(
    samples: int,
    segments: int,
    units: int,
    *,
    invariance_weight: float = 1.0,
    steps: int = 400,
    lr: float = 0.1,
    seed: int = 0,
) -> list[dict[str, float]]:
    """Adam on free logits, one table for both views, from unit normal ones; an entry a step: step, loss, peak.

    The views are tied, so the invariance term measures sharpness alone. A local search: its last loss is an upper
    bound of the least one.
    """
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(samples, segments * units, generator=generator, dtype=torch.float64).requires_grad_()
    loss_of = MusicLoss(segments, invariance_weight=invariance_weight)
    optimiser = torch.optim.Adam([z], lr=lr)
    trace = []
    for step in range(steps + 1):
        loss = loss_of(z, z)
        peak = segment_softmax(z.detach(), segments).amax(2).mean().item()
        trace.append({"step": step, "loss": loss.item(), "peak": peak})
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return trace


def network_steps(
    config: TrainConfig,
    *,
    steps: int,
    shrink: float = 1.0,
    data_root: str | os.PathLike | None = None,
    device: torch.device | str = "cpu",
) -> list[dict[str, Any]]:
    """The first steps of a MUSIC run, an entry before each: step, loss, its terms, peak (mean largest probability).

    The weights are those that `pretrain.run` starts with, the last layer's times `shrink`: near zero the codes are
    nearly uniform. Order and views are those of the run. The optimiser is plain gradient descent at the constant rate
    `config.lr`, without warm-up, so that the speed is the loss's own; float32.
    """
    if config.method != "music":
        raise ValueError(f"config.method is {config.method!r}; only music has codes to watch")
    device = torch.device(device)
    train_set, _ = load_data(config, data_root, evaluate=False)
    if len(train_set) < config.batch:
        raise ValueError(f"config.batch is {config.batch}; the training set has {len(train_set)} samples")
    with local_randomness(config.seed, device):
        method = build_method(config, channels=train_set.channels, samples=len(train_set), steps=steps).to(device)
    last = [m for m in method.projector.modules() if isinstance(m, torch.nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(shrink)
    optimiser = torch.optim.SGD(method.parameters(), lr=config.lr)
    options, trace = method.options, []
    method.train()
    for step, (index, x1, x2) in enumerate(itertools.islice(_endless(train_set.images.to(device), config), steps)):
        output = method(x1, x2, index)
        q = segment_softmax(output.z1, options.segments, options.temperature)
        terms = {name: value.item() for name, value in output.terms.items()}
        trace.append({"step": step, "loss": output.loss.item(), **terms, "peak": q.amax(2).mean().item()})
        optimiser.zero_grad(set_to_none=True)
        output.loss.backward()
        optimiser.step()
    return trace


def _endless(images: Tensor, config: TrainConfig) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Batches of epoch after epoch, as training sees them."""
    for epoch in itertools.count():
        yield from batches(
            images, view_configs(config), batch=config.batch, seed=config.seed, epoch=epoch, device=images.device
        )
