"""How far a batch is: a bar on a terminal, lines elsewhere, time left in both."""

from __future__ import annotations

import sys
import time

from tqdm import tqdm

from reproduce.planning.jobs import duration


class Progress:
    """Counts jobs and estimates the time left from what they were expected to take and what the finished ones took."""

    def __init__(self, expected: dict[str, float], slots: int, stream=None, quiet: bool = False):
        """expected: minutes of every job that will run, by id."""
        self.expected, self.slots = dict(expected), max(1, slots)
        self.stream = stream or sys.stderr
        self.running: dict[str, float] = {}
        self.done = self.failed = 0
        self.spent = self.planned = 0.0  # seconds of finished jobs, as taken and as expected
        terminal = self.stream.isatty() and not quiet
        self.quiet = quiet
        self.bar = (
            tqdm(
                total=len(expected),
                file=self.stream,
                unit="notebook",
                leave=False,
                bar_format="{n}/{total} |{bar:24}| {elapsed}{postfix}",
            )
            if terminal
            else None
        )

    def left(self) -> float:
        """Estimated seconds to the end: expected durations, scaled by how the finished jobs compared, over the
        slots."""
        scale = self.spent / self.planned if self.planned > 0 else 1.0
        now = time.monotonic()
        rest = [max(0.0, 60 * self.expected[j] * scale - (now - began)) for j, began in self.running.items()]
        waiting = [60 * m * scale for j, m in self.expected.items() if j not in self.running]
        return max([sum(rest + waiting) / self.slots, *rest, *waiting], default=0.0)

    def say(self, text: str) -> None:
        if self.quiet:
            return
        if self.bar is not None:
            self.bar.write(text, file=self.stream)
        else:
            print(text, file=self.stream, flush=True)

    def started(self, job: str) -> None:
        self.running[job] = time.monotonic()
        if self.bar is None:
            self.say(f"start  {job}")

    def finished(self, job: str, good: bool, note: str = "") -> None:
        took = time.monotonic() - self.running.pop(job)
        expected = 60 * self.expected.pop(job)
        self.done, self.failed = self.done + good, self.failed + (not good)
        if good:
            self.spent, self.planned = self.spent + took, self.planned + expected
        count = self.done + self.failed
        total = count + len(self.expected)
        rest = f", about {duration(self.left())} left" if self.expected else ""
        self.say(
            f"{'done  ' if good else 'FAILED'} {job}  {duration(took)}  [{count}/{total}{rest}]"
            + (f"\n       {note}" if note else "")
        )
        if self.bar is not None:
            self.bar.update(1)

    def tick(self) -> None:
        """Redraw the bar; nothing where there is none."""
        if self.bar is not None:
            names = ", ".join(j.split(".")[0][:24] for j in self.running)
            self.bar.set_postfix_str(f"about {duration(self.left())} left; {names}", refresh=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
