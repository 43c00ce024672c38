"""Training views a second against lightly's own loop: the same encoder, head, loss, batch, images and machine.

    python benchmarks/bench_lightly.py --data-root data [--out benchmarks/results/lightly.json]

lightly's side is the loop of its SimCLR example with its own parts: `SimCLRTransform` for 32 pixels without blur on a
set of PIL images, a `DataLoader` of worker processes, `SimCLRProjectionHead`, `NTXentLoss`, SGD, float32. Ours is
`musiclib.methods.simclr` on the views and the loop of the library, in its default precision and in float32, so that
what precision does can be told from the rest. lightly is timed with each number of workers and its fastest counts. All
are timed in turns; a ratio is the median over rounds of the ratio within a round.

Needs `lightly` (which brings torchvision and pytorch_lightning); without it the script says so and ends.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import itertools
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from bench_training import seconds_per_step, steps
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from musiclib.datasets import load
from musiclib.encoders import build_encoder
from musiclib.files import write_json
from musiclib.methods.simclr import SimCLR, SimCLROptions
from musiclib.pretrain.feed import batches
from musiclib.record import now, provenance
from musiclib.views import view_preset

HIDDEN, OUTPUT, TEMPERATURE = 512, 128, 0.5
GOAL = 6.0


def declare_missing_operators() -> None:
    """torchvision made for another torch has no compiled operators here, and fails where it describes the two below.

    Nothing of lightly's loop calls them: declared, not defined, they only let the import pass.
    """
    with contextlib.suppress(ImportError, RuntimeError):
        import torchvision  # noqa: F401

        return
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        with contextlib.suppress(RuntimeError):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    KEPT.append(library)


KEPT: list[torch.library.Library] = []
"""Declarations last as long as their library object."""


class Pictures(Dataset):
    """What a torchvision data set gives: a PIL image after `transform`, and a label."""

    def __init__(self, images: Tensor, transform: Callable[[Image.Image], list[Tensor]]) -> None:
        self.images, self.transform = images.permute(0, 2, 3, 1).contiguous().numpy(), transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, n: int) -> tuple[list[Tensor], int]:
        return self.transform(Image.fromarray(self.images[n])), 0


def encoder_of(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_encoder(name)


def lightly_steps(images: Tensor, encoder: nn.Module, batch: int, workers: int) -> Iterator[None]:
    """One yield a step of lightly's loop; ends with its data."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules import SimCLRProjectionHead
    from lightly.transforms import SimCLRTransform

    dataset = Pictures(images, SimCLRTransform(input_size=32, gaussian_blur=0.0))
    loader = DataLoader(dataset, batch_size=batch, shuffle=True, drop_last=True, num_workers=workers)
    network = nn.Sequential(encoder, SimCLRProjectionHead(encoder.features, HIDDEN, OUTPUT))
    criterion = NTXentLoss(temperature=TEMPERATURE)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.06)
    for views, *_ in loader:
        loss = criterion(network(views[0]), network(views[1]))
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        yield


def our_steps(images: Tensor, encoder: nn.Module, batch: int, bfloat16: bool) -> Iterator[None]:
    """One yield a step of the library's loop, for ever."""
    options = SimCLROptions(projector=(HIDDEN, OUTPUT), temperature=TEMPERATURE)
    method = SimCLR(encoder, options, samples=len(images), steps=1000).to(memory_format=torch.channels_last)
    configs = view_preset("cifar10")
    source = itertools.chain.from_iterable(
        batches(images, configs, batch=batch, seed=0, epoch=epoch) for epoch in itertools.count()
    )
    return steps(source, method, bfloat16)


def rates_of(images: Tensor, name: str, o: argparse.Namespace) -> dict[str, list[float]]:
    """Views a second of every side, one value a round."""
    ours = {
        f"musiclib, {precision}": our_steps(images, encoder_of(name), o.batch, precision == "bfloat16")
        for precision in ("bfloat16", "float32")
    }
    for run in ours.values():
        seconds_per_step(run, 2)
    rates: dict[str, list[float]] = {}
    for _ in range(o.rounds):
        for side, run in ours.items():
            rates.setdefault(side, []).append(2 * o.batch / statistics.median(seconds_per_step(run, o.steps)))
        for workers in o.workers:
            # Fresh workers a turn, so that they do not steal the cores while others are timed.
            rival = lightly_steps(images, encoder_of(name), o.batch, workers)
            seconds_per_step(rival, 1 + 2 * workers)  # start-up, and the batches made before the clock started
            seconds = sum(seconds_per_step(rival, o.steps)) / o.steps  # a mean: workers deliver in bursts
            rates.setdefault(f"lightly, {workers} workers", []).append(2 * o.batch / seconds)
            rival.close()
    return rates


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", help="where CIFAR-10 is")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="of lightly's loader, all are tried")
    parser.add_argument("--encoders", nargs="+", default=["tiny", "compact"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4, help="of every side in every round")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/lightly.json"))
    o = parser.parse_args()
    try:
        version = importlib.metadata.version("lightly")
    except importlib.metadata.PackageNotFoundError:
        print("lightly is not installed: nothing to compare with, nothing written")
        return 0
    declare_missing_operators()

    images, found, rows = load("cifar10", "train", root=o.data_root).images, {}, {}
    for name in o.encoders:
        rows[name] = rates = rates_of(images, name, o)
        best = max((side for side in rates if side.startswith("lightly")), key=lambda s: statistics.median(rates[s]))
        found[name] = {"lightly at its best": best} | {
            f"{side} over it": statistics.median(a / b for a, b in zip(rates[side], rates[best], strict=True))
            for side in rates
            if side.startswith("musiclib")
        }
        for side, values in rates.items():
            print(f"{name:8} {side:20} {statistics.median(values):8.0f} views/s")
        for what, value in found[name].items():
            print(f"{name:8} {what:30} {value if isinstance(value, str) else round(value, 2)}")
    settings = {name: getattr(o, name) for name in ("batch", "workers", "rounds", "steps")}
    record = {"found": found, "views_per_second": rows, "goal": GOAL, "settings": settings, "lightly": version}
    write_json(o.out, {**record, "date": now(), "provenance": provenance()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
