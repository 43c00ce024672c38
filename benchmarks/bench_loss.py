"""Time and memory of the loss, forward and backward, against a direct dense form and against its floor.

    python benchmarks/bench_loss.py [--repeats 15] [--out benchmarks/results/loss.json]

All forms are timed in turns within one run, so that a slow minute of the machine falls on all of them, in another order
every turn, so that none always finds memory as the same other one left it; a ratio is the median over turns of the
ratio within a turn. The floor is the three matrix products that any form needs (the joint, and the gradient to each
view), in float32, same shapes, same threads. "products, tiled" are the same products in the tiles of the streaming
form; "off-diagonal alone" adds the logarithms and sums inside the tiles; what the loss takes beyond it are the softmax,
the two other terms and the gradient back to the logits. The direct dense form is what one writes first: build the D x D
joint, pick all off-diagonal blocks by index, p log p, autograd. Peak memory is measured in one fresh process a form:
highest resident size minus that of the process before the call.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from musiclib import MusicLoss
from musiclib.coding import segment_log_softmax, segment_softmax
from musiclib.files import write_json
from musiclib.record import provenance
from musiclib.streaming import DEFAULT_TILE, streamed_off_diagonal

TIMED = (512, 64, 32)
HELD = (128, 102, 80)


def direct_dense(z1: torch.Tensor, z2: torch.Tensor, segments: int) -> torch.Tensor:
    """The objective as one writes it first."""
    l1, l2 = segment_log_softmax(z1, segments), segment_log_softmax(z2, segments)
    n, s, k = l1.shape
    q1, q2 = l1.exp(), l2.exp()
    P = q1.reshape(n, -1).T @ q2.reshape(n, -1) / n
    blocks = P.view(s, k, s, k).permute(0, 2, 1, 3)
    rows, columns = torch.nonzero(~torch.eye(s, dtype=torch.bool), as_tuple=True)
    off = blocks[rows, columns]
    own = P.diagonal()
    plogp = lambda p: (p * p.clamp_min(1e-38).log()).sum()  # noqa: E731
    return plogp(own) / s + plogp(off) / (s * (s - 1)) - torch.logsumexp(l1 + l2, dim=-1).mean()


def tiled_products(a: torch.Tensor, b: torch.Tensor, tile: int) -> None:
    """The floor's three products, a square of `tile` columns of each view at a time."""
    grad1, grad2 = torch.empty_like(a), torch.empty_like(b)
    for r in range(0, a.shape[1], tile):
        rows = slice(r, r + tile)
        for c in range(0, b.shape[1], tile):
            columns = slice(c, c + tile)
            G = a[:, rows].T @ b[:, columns]
            grad1[:, rows].addmm_(b[:, columns], G.T, beta=min(c, 1))
            grad2[:, columns].addmm_(a[:, rows], G, beta=min(r, 1))


def make(form: str, n: int, s: int, k: int):
    """A callable that runs the form once, forward and backward."""
    generator = torch.Generator().manual_seed(0)
    z1, z2 = (torch.randn(n, s * k, generator=generator).requires_grad_() for _ in range(2))
    a, b = z1.detach(), z2.detach()
    if form == "floor":
        G = torch.randn(s * k, s * k, generator=generator)
        return lambda: (a.T @ b, b @ G.T, a @ G)
    if form == "products, tiled":
        return lambda: tiled_products(a, b, DEFAULT_TILE)
    if form == "off-diagonal alone":
        codes = [segment_softmax(z, s).requires_grad_() for z in (a, b)]
        return lambda: torch.autograd.grad(streamed_off_diagonal(*codes), codes)
    if form == "direct dense":
        return lambda: torch.autograd.grad(direct_dense(z1, z2, s), (z1, z2))
    loss = MusicLoss(s, tile=None if form == "default" else int(form.removeprefix("tile ")))
    return lambda: torch.autograd.grad(loss(z1, z2), (z1, z2))


def time_forms(forms: list[str], shape: tuple[int, int, int], repeats: int) -> dict[str, list[float]]:
    """Seconds of every repeat of every form, in turns."""
    calls = {form: make(form, *shape) for form in forms}
    seconds: dict[str, list[float]] = {form: [] for form in forms}
    for turn in range(repeats + 2):
        for form in random.Random(turn).sample(forms, len(forms)):
            start = time.perf_counter()
            calls[form]()
            if turn >= 2:  # two turns to warm up
                seconds[form].append(time.perf_counter() - start)
    return seconds


def resident(field: str) -> float:
    """VmRSS (now) or VmHWM (the highest since the last reset) of this process, in MiB; Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def peak_of_one_call(form: str, shape: tuple[int, int, int]) -> float:
    """Peak resident memory of one call above what the process held before, in MiB."""
    make("default", 8, 4, 4)()  # everything lazy is loaded now
    call = make(form, *shape)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest size so far
    call()
    return resident("VmHWM") - before


def peak_mebibytes(form: str, shape: tuple[int, int, int]) -> float:
    """`peak_of_one_call` in a process of its own."""
    code = f"import bench_loss as b; print(b.peak_of_one_call({form!r}, {shape!r}))"
    here = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/loss.json"))
    options = parser.parse_args()

    parts = ["floor", "products, tiled", "off-diagonal alone", "default"]
    forms = [*parts, "tile 256", "tile 512", "tile 1024", "tile 2048", "direct dense"]
    seconds = time_forms(forms, TIMED, options.repeats)
    timed = {form: statistics.median(s) for form, s in seconds.items()}
    over = {f: statistics.median(a / b for a, b in zip(s, seconds["floor"], strict=True)) for f, s in seconds.items()}
    held = {form: peak_mebibytes(form, HELD) for form in ("default", "tile 320", "direct dense")}
    result = {
        "timed": {
            "shape": TIMED,
            "median_seconds": timed,
            "over_floor": over,
        },
        "memory": {
            "shape": HELD,
            "peak_mebibytes": held,
            "below_dense": {f: held["direct dense"] / m for f, m in held.items()},
        },
        "provenance": provenance(),
    }
    write_json(options.out, result)
    print(f"(N, S, K) = {TIMED}: median of {options.repeats}, forward and backward")
    for form, value in timed.items():
        print(f"  {form:18} {1e3 * value:8.1f} ms   {over[form]:5.2f} x floor")
    print(f"(N, S, K) = {HELD}: peak memory of a call")
    for form, size in held.items():
        print(f"  {form:13} {size:8.0f} MiB  {held['direct dense'] / size:5.1f} x below dense")


if __name__ == "__main__":
    main()
