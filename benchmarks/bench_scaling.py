"""Training views a second against threads, processes, batch, width of the embedding and encoder, with slopes.

    python benchmarks/bench_scaling.py [--rounds 5] [--out benchmarks/results/scaling.json]

MUSIC on random images of CIFAR-10's size (speed does not depend on what they show): views, forward, backward, average
over processes, optimiser. Teams of processes stay alive for the whole run and every setting is timed in turns with all
others, a few steps at a time, so that a slow minute of the machine falls on all of them; a ratio is the median over
rounds of the ratio within a round. Slopes are least squares on logarithms: 1 says proportional, 0 says indifferent.
Parity: two processes of one thread, each with half of the batch, over one process of two threads.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from bench_training import seconds_per_step, steps

from musiclib.encoders import build_encoder
from musiclib.files import write_json
from musiclib.methods.music import Music, MusicOptions
from musiclib.pretrain.feed import batches
from musiclib.record import now, provenance
from musiclib.views import view_preset

UNITS = 16
BATCHES, WIDTHS = (64, 128, 256, 512, 1024), (128, 512, 2048)
LAYOUTS = {"1 process, 1 thread": (1, 1), "1 process, 2 threads": (1, 2), "2 processes, 1 thread each": (2, 1)}
WHOLE, PAIR = "1 process, 2 threads", "2 processes, 1 thread each"


@dataclass(frozen=True)
class Setting:
    """What is trained; batch: rows of all processes together; width: D = S K of the embedding."""

    encoder: str
    batch: int = 512
    width: int = 512
    precision: str = "bfloat16"


def training(setting: Setting) -> Iterator[None]:
    """One yield a step, for ever."""
    images = torch.randint(256, (4096, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    options = MusicOptions(segments=setting.width // UNITS, units=UNITS)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        method = Music(build_encoder(setting.encoder), options, samples=len(images), steps=1000)
    configs = view_preset("cifar10")
    source = itertools.chain.from_iterable(
        batches(images, configs, batch=setting.batch, seed=0, epoch=epoch) for epoch in itertools.count()
    )
    return steps(source, method.to(memory_format=torch.channels_last), setting.precision == "bfloat16")


def member(rank: int, processes: int, threads: int, folder: str, orders: Connection) -> None:
    """A process of a team: time as many steps of a setting as it is told, until it is told None."""
    torch.set_num_threads(threads)
    if processes > 1:
        dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=processes)
    running: dict[Setting, Iterator[None]] = {}
    while (order := orders.recv()) is not None:
        setting, count = order
        if setting not in running:
            running[setting] = training(setting)
            seconds_per_step(running[setting], 2)  # everything lazy happens now
        orders.send(seconds_per_step(running[setting], count))


class Team:
    """Processes that train together."""

    def __init__(self, processes: int, threads: int) -> None:
        self.folder, context = tempfile.TemporaryDirectory(), mp.get_context("spawn")
        self.orders, self.members = [], []
        for rank in range(processes):
            mine, theirs = context.Pipe()
            arguments = (rank, processes, threads, self.folder.name, theirs)
            self.members.append(context.Process(target=member, args=arguments, daemon=True))
            self.orders.append(mine)
            self.members[-1].start()

    def seconds(self, setting: Setting, count: int) -> float:
        """Median seconds of `count` steps."""
        for pipe in self.orders:
            pipe.send((setting, count))
        return statistics.median(max(step) for step in zip(*(pipe.recv() for pipe in self.orders), strict=True))

    def dismiss(self) -> None:
        for pipe in self.orders:
            pipe.send(None)
        for process in self.members:
            process.join()
        self.folder.cleanup()


def slope(x: list[float], y: list[float]) -> float:
    """Of log y against log x, by least squares."""
    return statistics.linear_regression([*map(math.log, x)], [*map(math.log, y)]).slope


def plan(encoders: list[str]) -> list[tuple[str, Setting]]:
    """Every layout at the base setting, and the larger batches and widths in one process of all threads."""
    wanted = []
    for encoder in encoders:
        for precision in ("bfloat16", "float32"):
            wanted += [(layout, Setting(encoder, precision=precision)) for layout in LAYOUTS]
        wanted += [(WHOLE, Setting(encoder, batch=batch)) for batch in BATCHES]
        wanted += [(WHOLE, Setting(encoder, width=width)) for width in WIDTHS]
    return list(dict.fromkeys(wanted))


def summary(rates: dict[tuple[str, Setting], list[float]], encoder: str) -> dict:
    """Ratios and slopes of one encoder."""
    of = {key: statistics.median(values) for key, values in rates.items()}
    out = {}
    for precision in ("bfloat16", "float32"):
        alone, whole, pair = (
            rates[layout, Setting(encoder, precision=precision)] for layout in ("1 process, 1 thread", WHOLE, PAIR)
        )
        out[f"second thread, {precision}"] = statistics.median(b / a for a, b in zip(alone, whole, strict=True))
        out[f"parity, {precision}"] = statistics.median(b / a for a, b in zip(whole, pair, strict=True))
    out["slope of views/s over batch"] = slope(
        [*BATCHES], [of[WHOLE, Setting(encoder, batch=batch)] for batch in BATCHES]
    )
    out["slope of seconds over D"] = slope(
        [*WIDTHS], [1 / of[WHOLE, Setting(encoder, width=width)] for width in WIDTHS]
    )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="of every setting in every round")
    parser.add_argument("--encoders", nargs="+", default=["tiny", "compact"])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/scaling.json"))
    o = parser.parse_args()
    teams = {layout: Team(*size) for layout, size in LAYOUTS.items()}
    rates: dict[tuple[str, Setting], list[float]] = {}
    for _ in range(o.rounds):
        for layout, setting in plan(o.encoders):
            rate = 2 * setting.batch / teams[layout].seconds(setting, o.steps)
            rates.setdefault((layout, setting), []).append(rate)
    for team in teams.values():
        team.dismiss()
    found = {encoder: summary(rates, encoder) for encoder in o.encoders}
    rows = [{"layout": layout, **asdict(setting), "views_per_second": r} for (layout, setting), r in rates.items()]
    settings = {"rounds": o.rounds, "steps": o.steps, "units": UNITS, "method": "music"}
    write_json(o.out, {"found": found, "rows": rows, "settings": settings, "date": now(), "provenance": provenance()})
    for row in rows:
        rate = statistics.median(row["views_per_second"])
        where = f"{row['layout']:27} {row['encoder']:8} {row['precision']:9} N={row['batch']:<5} D={row['width']:<5}"
        print(f"{where} {rate:8.0f} views/s")
    for encoder, values in found.items():
        for name, value in values.items():
            print(f"{encoder:8} {name:30} {value:6.2f}")


if __name__ == "__main__":
    main()
