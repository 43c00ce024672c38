"""What augmentation costs: our views against kornia's, as a share of a training step of the compact encoder.

    python benchmarks/bench_views.py [--batch 512] [--repeats 15] [--threads N] [--out FILE]

All three are timed in the same process on the same batch of uint8 32x32 RGB images: two views of every image with
crop 0.2-1, flip, jitter (.4, .4, .4, .1) at p 0.8, grey at p 0.2. The training step is forward and backward of both
views through the encoder in bfloat16 plus the optimiser; it is timed without its views. Medians over the repeats,
with the quartiles, after warm-up. Prints a table and writes a JSON record; run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from musiclib.encoders import build_encoder, mlp
from musiclib.files import write_json
from musiclib.record import provenance
from musiclib.views import two_views, view_preset


def timed(step: Callable[[], object], repeats: int, device: torch.device) -> list[float]:
    """Seconds of each of `repeats` calls, after three that are not counted."""
    times = []
    for i in range(repeats + 3):
        if device.type == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if i >= 3:
            times.append(time.perf_counter() - start)
    return times


def kornia_views(images: torch.Tensor) -> Callable[[], tuple[torch.Tensor, torch.Tensor]]:
    """The same operations by kornia's batched modules, one draw a sample, followed by the same normalisation."""
    import kornia.augmentation as K

    config = view_preset("cifar10")[0]
    pipeline = torch.nn.Sequential(
        K.RandomResizedCrop((config.size, config.size), scale=config.crop_scale, ratio=config.crop_ratio),
        K.RandomHorizontalFlip(p=config.flip),
        K.ColorJitter(config.brightness, config.contrast, config.saturation, config.hue, p=config.jitter_p),
        K.RandomGrayscale(p=config.grey_p),
        K.Normalize(mean=torch.tensor(config.mean), std=torch.tensor(config.std)),
    ).to(images.device)

    def views() -> tuple[torch.Tensor, torch.Tensor]:
        x = images.float() / 255.0
        with torch.no_grad():
            return tuple(pipeline(x).contiguous(memory_format=torch.channels_last) for _ in range(2))

    return views


def training_step(batch: int, device: torch.device) -> Callable[[], None]:
    """Forward, backward and update on two fixed views; the loss is as cheap as a loss can be."""
    encoder = build_encoder("compact").to(device, memory_format=torch.channels_last)
    network = torch.nn.Sequential(encoder, mlp([encoder.features, 1024, 512], bias_last=False).to(device))
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    x = torch.rand(batch, 3, 32, 32, device=device).contiguous(memory_format=torch.channels_last)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            z1, z2 = network(x), network(x)
        loss = (z1.float() - 1.0).square().mean() + z2.float().square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=512, help="images a batch (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=15, help="timed calls of each (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads (default: as torch finds them)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/views.json"), help="the record")
    args = parser.parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    device, generator = torch.device(args.device), torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    images = torch.randint(0, 256, (args.batch, 3, 32, 32), generator=generator, dtype=torch.uint8).to(device)
    configs = view_preset("cifar10")
    rows = {
        "training step": training_step(args.batch, device),
        "views, ours": lambda: two_views(images, configs, generator),
        "views, kornia": kornia_views(images),
    }
    result: dict[str, object] = {
        "benchmark": "views", "batch": args.batch, "repeats": args.repeats, "device": args.device,
        "threads": torch.get_num_threads(), "cores": os.cpu_count(), "load_before": os.getloadavg()[0],
        "seconds": {},
    }  # fmt: skip
    for name, call in rows.items():
        times = timed(call, args.repeats, device)
        low, middle, high = statistics.quantiles(times, n=4)
        result["seconds"][name] = {"median": middle, "quartiles": [low, high]}
    step = result["seconds"]["training step"]["median"]
    print(f"{'':16s} {'median ms':>10s} {'quartiles':>17s} {'share of step + views':>22s}")
    for name, found in result["seconds"].items():
        share = "" if name == "training step" else f"{found['median'] / (found['median'] + step):.1%}"
        low, high = found["quartiles"]
        print(f"{name:16s} {1e3 * found['median']:10.1f} {1e3 * low:8.1f}-{1e3 * high:.1f} {share:>22s}")
    write_json(args.out, result | {"provenance": provenance(device)})


if __name__ == "__main__":
    main()
