"""What a running loop shows: a bar on a terminal, else a line every ten seconds, with the values that make a loss
readable.

A MUSIC loss means little without its landmarks, so the display names them: the bound that no batch goes below, and
what the ways of collapsing score. A loss that sits at one of those is not learning.
"""

from __future__ import annotations

import math
import sys
import time
from typing import Any

from torch import nn
from tqdm import tqdm

from musiclib.console import listening
from musiclib.methods.base import Output

BAR_SECONDS, LINE_SECONDS = 1.0, 10.0


def levels(method: nn.Module) -> dict[str, float]:
    """Landmarks of a method's loss, `musiclib.monitor.collapse_values` for MUSIC; {} for methods without known ones."""
    from musiclib.monitor import collapse_values

    options = getattr(method, "options", None)
    weights = ("diagonal_weight", "off_diagonal_weight", "invariance_weight")
    if not all(hasattr(options, name) for name in ("segments", "units", *weights)):
        return {}
    return collapse_values(options.segments, options.units, **{name: getattr(options, name) for name in weights})


def duration(seconds: float) -> str:
    """Seconds as 0:07, 12:34 or 1:02:03."""
    minutes, s = divmod(max(round(seconds), 0), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"


class Display:
    """Live progress of one run; made by `pretrain.run` on the process that prints.

    steps, per_epoch: of the whole run and of an epoch. views: a step's views, over all processes. start: the step it
    resumes from. health: called on the last output at every refresh; may return {}.
    """

    def __init__(
        self,
        title: str,
        *,
        steps: int,
        per_epoch: int,
        views: int,
        start: int = 0,
        landmarks: dict[str, float] | None = None,
        health: Any = None,
        terminal: bool | None = None,
        out: Any = None,
    ) -> None:
        # Notebooks show stderr as an alarm; there, lines belong to the ordinary output.
        self.out = listening(out or (sys.stdout if "ipykernel" in sys.modules else sys.stderr))
        self.terminal = self.out.isatty() if terminal is None else terminal
        self.steps, self.per_epoch, self.views, self.health = steps, per_epoch, views, health
        self.landmarks = landmarks or {}
        self.started, self.start, self.shown_at = time.monotonic(), start, time.monotonic()
        self.rate_from = (self.started, start)
        self.measured, self.measured_at = {}, -math.inf
        self.bar = (
            tqdm(total=steps, initial=start, unit="step", file=self.out, desc=title, dynamic_ncols=True)
            if self.terminal
            else None
        )
        self.title = title
        if self.bar is None and start:
            self._line(f"{title}: resumed at step {start} of {steps}")

    def due(self, now: float) -> bool:
        """Whether it is time to refresh; asks for nothing but the clock."""
        return now - self.shown_at >= (BAR_SECONDS if self.terminal else LINE_SECONDS)

    def show(self, state: Any, means: dict[str, float], lr: float, output: Output, *, ended: bool = False) -> None:
        """Refresh, if it is time, with the means since the last look; at the end of an epoch with those of the epoch.

        The end of the run always shows; ends of epochs on a terminal too. Short epochs do not flood a line-wise log.
        """
        now = time.monotonic()
        if not (self.due(now) or (ended and (self.bar is not None or state.step >= self.steps))) or not means:
            return
        if ended:
            entry = state.curve[-1]
            means, health = {name: entry.get(name, value) for name, value in means.items()}, entry.get("health") or {}
        else:
            health = self._monitors(output, now)
        self._refresh(state, means, lr, health, now)

    def _monitors(self, output: Output, now: float) -> dict[str, Any]:
        """The monitors of the last output, at most every LINE_SECONDS: an effective rank costs as much as a step."""
        if self.health is not None and now - self.measured_at >= LINE_SECONDS:
            self.measured, self.measured_at = self.health(output), now
        return self.measured

    def _refresh(self, state: Any, means: dict[str, float], lr: float, health: dict[str, Any], now: float) -> None:
        (since, step), self.rate_from, self.shown_at = self.rate_from, (now, state.step), now
        rate = (state.step - step) * self.views / max(now - since, 1e-9)
        left = (self.steps - state.step) * self.views / rate if rate > 0 else 0.0
        text = self.describe(means, lr, health)
        if self.bar is not None:
            self.bar.set_postfix_str(f"{text}, {rate:.0f} views/s", refresh=False)
            self.bar.update(state.step - self.bar.n)
        else:
            epoch = math.ceil(state.step / self.per_epoch)
            self._line(
                f"{self.title}: epoch {epoch}/{self.steps // self.per_epoch}, step {state.step}/{self.steps}, {text}, "
                f"{rate:.0f} views/s, {duration(left)} left"
            )

    def describe(self, means: dict[str, float], lr: float, health: dict[str, Any]) -> str:
        """Loss beside its landmarks, terms, monitors, as one piece of text."""
        parts = [f"loss {means.get('loss', math.nan):.4f}"]
        if self.landmarks:
            parts[0] += " (" + ", ".join(f"{name} {value:.3f}" for name, value in self.landmarks.items()) + ")"
        parts += [f"{name} {value:.4f}" for name, value in means.items() if name not in ("loss", "gradient norm")]
        parts += [f"|gradient| {means['gradient norm']:.2g}"] if "gradient norm" in means else []
        parts += [f"{name.replace('_', ' ')} {value:.3g}" for name, value in brief(health).items()]
        return ", ".join([*parts, f"lr {lr:.2g}"])

    def _line(self, text: str) -> None:
        print(text, file=self.out, flush=True)

    def close(self) -> None:
        """Leave the terminal tidy."""
        if self.bar is not None:
            self.bar.close()


def brief(health: dict[str, Any]) -> dict[str, float]:
    """The few monitors that fit on a line."""
    chosen = ("effective_rank", "usage_mean", "usage_min", "agreement")
    return {name: health[name] for name in chosen if isinstance(health.get(name), (int, float))}
