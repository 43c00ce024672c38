"""Who may follow a run live: hooks after every step and every epoch, `run(..., callbacks=[...])`."""

from __future__ import annotations

from typing import Any

from musiclib.methods.base import Output


class Callback:
    """Two hooks that do nothing; override what you need. They see a run and change nothing in it.

    Called on the process that prints, and not again for steps that a resumed run had behind it. An error in a hook ends
    the run like any other, with its last checkpoint on disk.
    """

    def on_step(self, step: int, lr: float, output: Output) -> None:
        """After optimisation step `step` (from 1), taken at rate `lr`. output: loss and terms as tensors on the
        device; reading one waits for it, so read every few steps."""

    def on_epoch(self, entry: dict[str, Any]) -> None:
        """After an epoch, with its entry of the record's curve: epoch, step, lr, seconds, means of loss and terms,
        health, and accuracy where it was scored."""
