"""The one training loop: views, forward, backward, step; nothing is read back from the device on the way.

What makes resuming exact: order and views are no state but functions of the seed and a number
(`musiclib.pretrain.feed`), the learning rate is a function of the step, methods keep what outlives a step in their
state_dict. A checkpoint is therefore the step number, the module, the optimiser's moments and the sums of the running
epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from musiclib.config import TrainConfig
from musiclib.distributed import average_gradients, world_size
from musiclib.methods.base import Method, Output
from musiclib.pretrain.accuracy import PROBE, unscored
from musiclib.pretrain.callbacks import Callback
from musiclib.pretrain.feed import batches
from musiclib.pretrain.optimisers import learning_rate, set_learning_rate
from musiclib.pretrain.progress import Display
from musiclib.views import ViewConfig

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
    """The run was asked to stop (by a signal) and has saved itself; the same command goes on from there."""


@dataclass
class TrainState:
    """Where a run stands, besides module and optimiser; JSON values only, so that it can lie in a checkpoint."""

    step: int = 0
    seconds: float = 0.0
    sums: dict[str, list[float]] = field(default_factory=dict)  # term -> [sum, count] over the epoch so far
    curve: list[dict[str, Any]] = field(default_factory=list)  # one entry a finished epoch
    sources: list[str] = field(default_factory=list)  # hashes of the code that took part, in order
    watch_seconds: float = 0.0  # spent on the curve's accuracy, not in `seconds`


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


@dataclass
class Training:
    """What the loop works on, where it stands, and who is told.

    images: the whole training set as one uint8 tensor (N, C, H, W) on `device`, or a stream (see
    `musiclib.pretrain.feed.batches`). save: writes a checkpoint of the current state; called every
    `checkpoint_seconds`, before stopping and at the end, never with values that were not looked at. left: says, for an
    error message, which checkpoint there is. health: monitors of the last step, at the end of an epoch. accuracy: of
    the encoder at the end of an epoch, or None where it is not scored; its time is not the training's. stop: asked
    after every step.
    """

    config: TrainConfig
    method: Method
    optimiser: torch.optim.Optimizer
    images: Tensor | Any
    views: tuple[ViewConfig, ViewConfig]
    device: torch.device
    state: TrainState = field(default_factory=TrainState)
    save: Callable[[], Any] = lambda: None
    left: Callable[[], str] = lambda: ""
    display: Display | None = None
    health: Callable[[Output], dict[str, Any]] = lambda output: {}
    accuracy: Callable[[int, nn.Module], float | None] = unscored
    callbacks: Sequence[Callback] = ()
    stop: Callable[[], bool] = lambda: False
    checkpoint_seconds: float = 60.0

    @property
    def steps_an_epoch(self) -> int:
        return len(self.images) // self.config.batch

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return self.steps_an_epoch * self.config.epochs


def train(training: Training) -> None:
    """Run the remaining steps of a training, bringing its `state`, `method` and `optimiser` forward in place.

    Raises NonFinite for a loss or gradient that is not finite, Stopped after `stop` said so, with everything saved.
    """
    method, optimiser, state, config = training.method, training.optimiser, training.state, training.config
    order = {"batch": config.batch, "seed": config.seed, "device": training.device}
    boundary = _Boundary(training)
    method.train()
    while state.step < training.steps:
        epoch, first = divmod(state.step, training.steps_an_epoch)
        if first == 0:  # otherwise it was called before the checkpoint, and its effects are in the buffers
            method.before_epoch(epoch)
        boundary.start_clock()
        for index, x1, x2 in batches(training.images, training.views, epoch=epoch, first=first, **order):
            lr = _rate(training)
            set_learning_rate(optimiser, lr)
            output = _forward(training, boundary.watch, lr, (x1, x2, index))
            optimiser.zero_grad(set_to_none=True)
            output.loss.backward()
            average_gradients(method)
            norm = torch.nn.utils.get_total_norm([p.grad for p in method.parameters() if p.grad is not None])
            optimiser.step()
            state.step += 1
            method.after_step(state.step)
            boundary.cross(lr, output, norm)
    training.save()


def _rate(training: Training) -> float:
    """The learning rate of the step that comes next."""
    config = training.config
    return learning_rate(
        training.state.step, steps=training.steps, warmup=round(config.warmup_epochs * training.steps_an_epoch),
        peak=config.peak_lr(), final=config.final_lr,
    )  # fmt: skip


def _forward(training: Training, watch: Watch, lr: float, views: tuple[Tensor, Tensor, Tensor]) -> Output:
    """The method's output under autocast; an error that NaN caused comes out as NonFinite."""
    cast = torch.autocast(training.device.type, torch.bfloat16, enabled=training.config.precision == "bfloat16")
    try:
        with cast:
            return training.method(*views)
    # A loss may refuse NaN itself, or fail to invert a matrix of it.
    except (ValueError, RuntimeError) as error:
        watch.read(training.state.sums, training.left)
        if not _finite(training.method, views[0], cast):
            raise NonFinite(training.state.step + 1, "the embedding", lr, training.left()) from error
        raise


class _Boundary:
    """What happens between two steps: watch, end the epoch, show, save, stop."""

    def __init__(self, training: Training) -> None:
        self.training, self.watch = training, Watch()
        self.saved_at = self.mark = time.monotonic()

    def start_clock(self) -> None:
        """From here on time is training time."""
        self.mark = time.monotonic()

    def cross(self, lr: float, output: Output, norm: Tensor) -> None:
        """After a step: note its values, and read them from the device only where somebody asks for them."""
        training, state = self.training, self.training.state
        self.watch.add(state.step, lr, output, norm)
        for callback in training.callbacks:
            callback.on_step(state.step, lr, output)
        now, ended = time.monotonic(), state.step % training.steps_an_epoch == 0
        stopping = _agreed(training.stop(), state.step, training.device)
        saving = stopping or now - self.saved_at >= training.checkpoint_seconds
        display = training.display
        if ended or saving or (display is not None and display.due(now)):
            means = self.watch.read(state.sums, training.left)
            state.seconds += time.monotonic() - self.mark
            self.start_clock()
            if ended:  # before any checkpoint: one at this step must hold the finished epoch and no sums of it
                self._end_epoch(lr, output)
            if display is not None:
                display.show(state, means, lr, output, ended=ended)
        if saving and state.step < training.steps:
            training.save()
            self.saved_at = time.monotonic()
        if stopping and state.step < training.steps:
            raise Stopped(
                f"asked to stop: saved after step {state.step} of {training.steps}; run the same command to go on"
            )

    def _end_epoch(self, lr: float, output: Output) -> None:
        training, state = self.training, self.training.state
        averages = {name: value / count for name, (value, count) in state.sums.items()}
        epoch = state.step // training.steps_an_epoch
        entry = {"epoch": epoch, "step": state.step, "lr": lr, "seconds": state.seconds, **averages}
        entry["health"] = training.health(output)
        if (scored := training.accuracy(epoch, training.method.encoder)) is not None:
            entry["accuracy"] = {PROBE: scored}
            state.watch_seconds += time.monotonic() - self.mark
            self.start_clock()
        state.curve.append(entry)
        state.sums = {}
        for callback in training.callbacks:
            callback.on_epoch(entry)


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
