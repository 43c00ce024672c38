"""A run live in TensorBoard: the first of the callbacks, and an example of one. Needs the extra `tensorboard`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from musiclib.installed import extra
from musiclib.methods.base import Output
from musiclib.pretrain.callbacks import Callback


class TensorBoard(Callback):
    """Writes a run's scalars into a folder that `tensorboard --logdir` shows.

    folder: of this run's events; made with the first one, by the process that is called. every: steps between two looks
    at loss and terms, each of which waits for the device; epochs are always written. The x axis is the step. A run
    that goes on from a checkpoint replaces what it does again.
    """

    def __init__(self, folder: str | os.PathLike, every: int = 20) -> None:
        if every < 1:
            raise ValueError(f"every is {every}; it has to be at least 1 step")
        with extra("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter
        self._open, self.folder, self.every = SummaryWriter, os.fspath(folder), every
        self._writer: SummaryWriter | None = None

    def on_step(self, step: int, lr: float, output: Output) -> None:
        if step % self.every == 0:
            values = {"step/lr": lr, "step/loss": float(output.loss.detach())}
            self._write(step, values | {f"step/{name}": float(value) for name, value in output.terms.items()})

    def on_epoch(self, entry: dict[str, Any]) -> None:
        values = {name: value for name, value in entry.items() if name not in ("epoch", "step")}
        self._write(entry["step"], dict(_numbers("epoch", values)))
        self._writer.flush()

    def _write(self, step: int, values: dict[str, float]) -> None:
        self._writer = self._writer or self._open(self.folder, purge_step=step)
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    """The numbers of a nested mapping under slash-separated names; lists, texts and missing values are left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(f"{name}/{key}", inner)
    elif isinstance(value, int | float):
        yield name, float(value)
