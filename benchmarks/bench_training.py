"""Training views a second: our batched pipeline against the plain per-image one, and against the machine's ceiling.

    python benchmarks/bench_training.py --data-root data [--out benchmarks/results/training.json]

Same encoder, batch, method, data set and machine, in turns within one run. The rival is what self-supervised code
bases commonly do: every image decoded to PIL, augmented one at a time in worker processes (crop, flip, jitter with
hue in HSV, greyscale), collated, then float32 in NCHW. Its workers share the cores with the training, as they do on
any machine without a GPU. The ceiling is the rate of a large bfloat16 matrix product in the same run; the share
counts the arithmetic of the network's convolutions and products.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from musiclib.datasets import load
from musiclib.distributed import average_gradients
from musiclib.encoders import build_encoder
from musiclib.files import write_json
from musiclib.methods.music import Music, MusicOptions
from musiclib.pretrain.feed import batches
from musiclib.record import provenance
from musiclib.views import view_preset

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def random_resized_crop(image: Image.Image, rng: random.Random) -> Image.Image:
    """Area 0.2 to 1 of the image, ratio 3/4 to 4/3, back to the full size by bilinear interpolation."""
    w, h = image.size
    for _ in range(10):
        area, ratio = rng.uniform(0.2, 1) * w * h, math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        cw, ch = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < cw <= w and 0 < ch <= h:
            x, y = rng.randint(0, w - cw), rng.randint(0, h - ch)
            return image.resize((w, h), Image.Resampling.BILINEAR, box=(x, y, x + cw, y + ch))
    return image


def shift_hue(image: Image.Image, turns: float) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    moved = (np.asarray(hue, dtype=np.int16) + round(turns * 255)).astype(np.uint8)
    return Image.merge("HSV", (Image.fromarray(moved), saturation, value)).convert("RGB")


def one_view(image: Image.Image, rng: random.Random) -> Tensor:
    """One augmented image as a normalised (3, H, W) tensor."""
    image = random_resized_crop(image, rng)
    if rng.random() < 0.5:
        image = ImageOps.mirror(image)
    if rng.random() < 0.8:
        jitters = [
            lambda im: ImageEnhance.Brightness(im).enhance(rng.uniform(0.6, 1.4)),
            lambda im: ImageEnhance.Contrast(im).enhance(rng.uniform(0.6, 1.4)),
            lambda im: ImageEnhance.Color(im).enhance(rng.uniform(0.6, 1.4)),
            lambda im: shift_hue(im, rng.uniform(-0.1, 0.1)),
        ]
        rng.shuffle(jitters)
        for jitter in jitters:
            image = jitter(image)
    if rng.random() < 0.2:
        image = ImageOps.grayscale(image).convert("RGB")
    x = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    return (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


class PerImage(Dataset):
    """Two views of one image at a time."""

    def __init__(self, images: Tensor) -> None:
        self.images = images.permute(0, 2, 3, 1).contiguous().numpy()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, n: int) -> tuple[int, Tensor, Tensor]:
        rng, image = random.Random(n), Image.fromarray(self.images[n])
        return n, one_view(image, rng), one_view(image, rng)


def network(channels_last: bool) -> Music:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        method = Music(build_encoder("compact"), MusicOptions(), samples=50_000, steps=1000)
    return method.to(memory_format=torch.channels_last) if channels_last else method


def steps(source: Iterator[tuple[Tensor, Tensor, Tensor]], method: Music, bfloat16: bool) -> Iterator[None]:
    """Train on the batches of `source`, in as many processes as there are, one yield a step."""
    optimiser = torch.optim.AdamW(method.parameters(), lr=1e-3)
    for index, x1, x2 in source:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = method(x1, x2, index).loss
        optimiser.zero_grad()
        loss.backward()
        average_gradients(method)
        optimiser.step()
        yield


def seconds_per_step(run: Iterator[None], count: int) -> list[float]:
    """Wall time of `count` consecutive steps, waiting for data included."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        next(run)
        times.append(time.perf_counter() - start)
    return times


def matmul_rate(size: int = 2048, repeats: int = 20) -> float:
    """FLOP/s of a bfloat16 matrix product, the median of `repeats`."""
    a, b = (torch.randn(size, size, generator=torch.Generator().manual_seed(s)).bfloat16() for s in (0, 1))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - start)
    return 2 * size**3 / statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", help="where CIFAR-10 is")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--workers", type=int, default=torch.get_num_threads(), help="of the per-image pipeline")
    parser.add_argument("--rounds", type=int, default=4, help="turns of 5 (ours) and 3 (per-image) steps each")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/training.json"))
    o = parser.parse_args()

    images = load("cifar10", "train", root=o.data_root).images
    configs = view_preset("cifar10")
    loader = DataLoader(
        PerImage(images), o.batch, shuffle=True, num_workers=o.workers, drop_last=True, prefetch_factor=1
    )
    ours = itertools.chain.from_iterable(
        batches(images, configs, batch=o.batch, seed=0, epoch=e) for e in itertools.count()
    )
    mine, rival = steps(ours, network(True), True), None
    seconds = {"ours": [], "per-image": []}
    ceiling = []
    seconds_per_step(mine, 2)
    for _ in range(o.rounds):
        ceiling.append(matmul_rate())
        seconds["ours"] += seconds_per_step(mine, 5)
        # A fresh set of workers a turn, so that they do not steal the cores while ours is timed.
        rival = steps(iter(loader), network(False), False)
        seconds_per_step(rival, 1 + o.workers)  # start-up, and the batches that were made before the clock started
        seconds["per-image"] += seconds_per_step(rival, 3)
        rival.close()
        del rival

    with FlopCounterMode(display=False) as counter:
        x = torch.zeros(64, 3, 32, 32)
        network(True)(x, x, torch.arange(64)).loss.backward()
    flops_per_view = counter.get_total_flops() / 128
    rates = {name: 2 * o.batch / statistics.median(s) for name, s in seconds.items()}
    rate = statistics.median(ceiling)
    result = {
        "views_per_second": rates,
        "ratio": rates["ours"] / rates["per-image"],
        "flops_per_view": flops_per_view,
        "bfloat16_matmul_flops": rate,
        "share_of_ceiling": rates["ours"] * flops_per_view / rate,
        "seconds": seconds,
        "settings": {"batch": o.batch, "workers": o.workers, "encoder": "compact", "dataset": "cifar10"},
        "provenance": provenance(),
    }
    write_json(o.out, result)
    for name, value in rates.items():
        print(f"{name:10} {value:8.0f} views/s")
    print(f"ratio      {result['ratio']:8.2f}")
    share = 100 * result["share_of_ceiling"]
    print(f"ceiling    {rate / 1e9:8.0f} GFLOP/s bfloat16, of which training uses {share:.0f} %")


if __name__ == "__main__":
    main()
