"""The steps of the one training loop: batches in, parameters out, nothing read back from the device on the way.

What makes resuming exact: order and views are no state but functions of the seed and a number (`epoch_order`,
`view_generator`), the learning rate is a function of the step, methods keep what outlives a step in their state_dict.
A checkpoint is therefore the step number, the module, the optimiser's moments and the sums of the running epoch.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Int64, UInt8
from torch import Tensor, nn

from musiclib.config import TrainConfig
from musiclib.distributed import average_gradients, rank, world_size
from musiclib.methods.base import Method, Output
from musiclib.pretrain.accuracy import PROBE, unscored
from musiclib.pretrain.optimisers import learning_rate, set_learning_rate
from musiclib.views import ViewConfig, ViewParams, draw, render

AGREE_EVERY = 8
"""With several processes: steps between two rounds in which they agree whether one of them was asked to stop."""


class NonFinite(ArithmeticError):
    """A loss term or the gradient is NaN or infinite; the message names step, term, learning rate and what is left."""

    def __init__(self, step: int, term: str, lr: float, left: str) -> None:
        self.step, self.term, self.lr = step, term, lr
        super().__init__(
            f"step {step}: {term} is not finite at learning rate {lr:.3g}. {left} Usual causes: a learning rate that "
            "is too high, a warm-up that is too short, or a loss that divides by or takes the logarithm of zero."
        )


class Stopped(RuntimeError):
    """The run was asked to stop (SIGTERM) and has saved itself; the same command goes on from there."""


@dataclass
class TrainState:
    """Where a run stands, besides module and optimiser; JSON values only, so that it can lie in a checkpoint."""

    step: int = 0
    seconds: float = 0.0
    sums: dict[str, list[float]] = field(default_factory=dict)  # term -> [sum, count] over the epoch so far
    curve: list[dict[str, Any]] = field(default_factory=list)  # one entry a finished epoch
    sources: list[str] = field(default_factory=list)  # hashes of the code that took part, in order
    watch_seconds: float = 0.0  # spent on the curve's accuracy, not in `seconds`


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


class Watch:
    """Loss, gradient norm and terms of the steps since the last look, kept on the device.

    `read` is the only place where the loop waits for the device; it raises NonFinite for the first bad value,
    whatever step it was in.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[int, float, tuple[str, ...], Tensor]] = []

    def add(self, step: int, lr: float, output: Output, norm: Tensor) -> None:
        named = {"loss": output.loss.detach(), "gradient norm": norm, **output.terms}
        values = torch.stack([v.detach().to(torch.float32).reshape(()) for v in named.values()])
        self._rows.append((step, lr, tuple(named), values))

    def read(self, sums: dict[str, list[float]], left: Callable[[], str]) -> dict[str, float]:
        """Add the values to `sums` (term -> [sum, count]); returns their means over the steps read, {} for none."""
        rows, self._rows = self._rows, []
        if not rows:
            return {}
        flat = iter(torch.cat([values for *_, values in rows]).tolist())
        seen: dict[str, list[float]] = {}
        for step, lr, names, _ in rows:
            for name in names:
                value = next(flat)
                if not math.isfinite(value):
                    raise NonFinite(step, name, lr, left())
                for table in (sums, seen):
                    entry = table.setdefault(name, [0.0, 0])
                    entry[0] += value
                    entry[1] += 1
        return {name: total / count for name, (total, count) in seen.items()}


def train(
    method: Method,
    optimiser: torch.optim.Optimizer,
    images: Tensor | Any,
    configs: tuple[ViewConfig, ViewConfig],
    config: TrainConfig,
    state: TrainState,
    *,
    device: torch.device,
    save: Callable[[], Any],
    left: Callable[[], str] = lambda: "",
    display: Any = None,
    health: Callable[[Output], dict[str, Any]] | None = None,
    accuracy: Callable[[int, nn.Module], float | None] = unscored,
    stop: Callable[[], bool] = lambda: False,
    checkpoint_seconds: float = 60.0,
) -> None:
    """Run the remaining steps of `config` on `method`, bringing `state` forward in place.

    save: writes a checkpoint of the current state; called every `checkpoint_seconds`, before stopping, and at the
    end, never with values that were not looked at. left: says, for an error message, which checkpoint there is.
    display: see `musiclib.pretrain.progress.Display`. health: monitors of the last step, at the end of an epoch.
    accuracy: of the encoder at the end of an epoch, or None where it is not scored; its time is not the training's.
    stop: asked after every step.
    """
    per_epoch = len(images) // config.batch
    total = per_epoch * config.epochs
    schedule = {"steps": total, "warmup": round(config.warmup_epochs * per_epoch), "peak": config.peak_lr()}
    parameters = [p for p in method.parameters() if p.requires_grad]
    cast = torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16")
    watch, saved_at = Watch(), time.monotonic()
    method.train()
    while state.step < total:
        epoch, first = divmod(state.step, per_epoch)
        if first == 0:  # otherwise it was called before the checkpoint, and its effects are in the buffers
            method.before_epoch(epoch)
        mark = time.monotonic()
        stream = batches(images, configs, batch=config.batch, seed=config.seed, epoch=epoch, first=first, device=device)
        for index, x1, x2 in stream:
            lr = learning_rate(state.step, final=config.final_lr, **schedule)
            set_learning_rate(optimiser, lr)
            try:
                with cast:
                    output = method(x1, x2, index)
            except (
                ValueError,
                RuntimeError,
            ) as error:  # a loss may refuse NaN itself, or fail to invert a matrix of it
                watch.read(state.sums, left)
                if not _finite(method, x1, cast):
                    raise NonFinite(state.step + 1, "the embedding", lr, left()) from error
                raise
            optimiser.zero_grad(set_to_none=True)
            output.loss.backward()
            average_gradients(method)
            norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
            optimiser.step()
            state.step += 1
            method.after_step(state.step)
            watch.add(state.step, lr, output, norm)

            now, ended = time.monotonic(), state.step % per_epoch == 0
            stopping = _agreed(stop(), state.step, device)
            saving = stopping or now - saved_at >= checkpoint_seconds
            if ended or saving or (display is not None and display.due(now)):
                means = watch.read(state.sums, left)
                state.seconds, mark = state.seconds + time.monotonic() - mark, time.monotonic()
                if ended:  # before any checkpoint: one at this step must hold the finished epoch and no sums of it
                    averages = {name: value / count for name, (value, count) in state.sums.items()}
                    entry = {"epoch": epoch + 1, "step": state.step, "lr": lr, "seconds": state.seconds, **averages}
                    entry["health"] = health(output) if health is not None else {}
                    if (scored := accuracy(epoch + 1, method.encoder)) is not None:
                        entry["accuracy"] = {PROBE: scored}
                        state.watch_seconds += time.monotonic() - mark
                        mark = time.monotonic()
                    state.curve.append(entry)
                    state.sums = {}
                if display is not None:
                    display.show(state, means, lr, output, ended=ended)
            if saving and state.step < total:
                save()
                saved_at = time.monotonic()
            if stopping and state.step < total:
                raise Stopped(f"asked to stop: saved after step {state.step} of {total}; run the same command to go on")
    save()


@torch.no_grad()
def _finite(method: Method, x: Tensor, cast: torch.autocast) -> bool:
    """Whether encoder and projector still give finite values; asked only on the way to an error."""
    with cast:
        z = method.encoder(x)
        z = method.projector(z) if hasattr(method, "projector") else z
    return bool(torch.isfinite(z).all())


def _agreed(stopping: bool, step: int, device: torch.device) -> bool:
    """Whether any process wants to stop: one that stopped alone would leave the others waiting in a collective."""
    if world_size() == 1:
        return stopping
    if step % AGREE_EVERY:
        return False
    flag = torch.tensor(float(stopping), device=device)
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return bool(flag)


@contextlib.contextmanager
def local_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """torch's global generators seeded inside, and put back as they were outside: the ONE place that touches them.

    Initial weights come from them, and dropout if a model has any; order and views have generators of their own.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derived_seed(seed, "weights", 0))
        yield


def generator_states(device: torch.device) -> dict[str, Tensor]:
    """States of torch's global generators, for a checkpoint."""
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def set_generator_states(states: dict[str, Tensor], device: torch.device) -> None:
    """Put `generator_states` back; a state of a device that is not used now is left out."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
