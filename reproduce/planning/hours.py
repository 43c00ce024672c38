"""How long the trainings of a comparison take on one GPU, where none is at hand to measure it.

Operations of the encoder are counted; how many a second a GPU does of them is taken from one public timing of the same
kind of training, and a step takes no less than its kernels need to start. A guide for the order of jobs and for their
expected minutes, right to a factor of two. Not in it: projectors, momentum encoders, and the notebook's own figures.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from musiclib.config import TrainConfig
from musiclib.studies.comparison import configurations, rows
from musiclib.studies.cost import flops
from reproduce.planning.jobs import Job

#: github.com/dkobak/simclr-cifar10, README at 44b2500: SimCLR with a ResNet-18 on CIFAR-10 at batch 512 on an A100
EPOCH_S, STEPS, BATCH = 11.9, 97, 512
STEP_S = 0.015  # of a step whatever its size: some 1,500 kernels at 10 microseconds, assumed
PROBES_S = 25.0  # of a finished run: features of all images, linear probe, neighbours; assumed
SAMPLES = {"cifar10": 50_000}


@cache
def flops_per_view(encoder: str) -> float:
    """Operations of an encoder on one 32-pixel image, forward and backward."""
    import torch

    from musiclib.encoders import build_encoder

    network, image = build_encoder(encoder), torch.zeros(2, 3, 32, 32)
    return flops(lambda: network(image).sum().backward()) / 2


def flops_per_second() -> float:
    """What the public timing amounts to, less the time in which kernels start."""
    return 2 * BATCH * flops_per_view("resnet18") / (EPOCH_S / STEPS - STEP_S)


def seconds(config: TrainConfig) -> float:
    """Expected seconds of a run on that GPU, probes included. Raises KeyError for a data set of unknown size."""
    steps = config.epochs * (SAMPLES[config.dataset] // config.batch)
    return steps * (STEP_S + 2 * config.batch * flops_per_view(config.encoder) / flops_per_second()) + PROBES_S


def runs_of(job: Job) -> dict[str, TrainConfig]:
    """The runs that a job of notebook 04 wants, by their names."""
    v = job.values
    shared = {name: v[name] for name in ("dataset", "dataset_options", "encoder", "batch", "views")}
    given = {name: v[name] for name in ("epochs", "lr", "optimiser", "settings", "supervised_epochs", "warmup")}
    plan = rows(v["methods"], shared=shared, **given)
    found = configurations(plan, seed=v["seed"], seeds=v["seeds"], supervised_seeds=v["supervised_seeds"])
    return {config.hash(): config for config in found.values()}


def new_runs(jobs: Iterable[Job]) -> list[list[TrainConfig]]:
    """For each job, in order, the runs that no job before it has made."""
    known: set[str] = set()
    found = []
    for job in jobs:
        wanted = runs_of(job)
        found.append([config for name, config in wanted.items() if name not in known])
        known |= set(wanted)
    return found


def expected_minutes(jobs: Iterable[Job]) -> list[float]:
    """Minutes of each job on that GPU, if those before it are done."""
    return [sum(map(seconds, runs)) / 60 for runs in new_runs(jobs)]
