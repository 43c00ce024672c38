"""Learning from few labels: 1 % or 10 % of the training labels, several draws, two protocols that are named apart.

frozen      logistic regression on the frozen features of the labelled samples alone (`linear_probe` on them).
fine-tuned  encoder and a fresh linear head trained with cross-entropy on the labelled images, augmented.

Either way the unlabelled samples are used by pre-training only, choices are made within the labelled samples, and
the test set is scored once, after the last step.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from musiclib.datasets import ImageSet
from musiclib.datasets.imageset import stratified_indices
from musiclib.evaluate.features import extract
from musiclib.evaluate.linear import linear_probe
from musiclib.views import ViewConfig, augment


def label_draws(labels: Int[Tensor, "n"], fraction: float, draws: int, seed: int = 0) -> list[Int[Tensor, "m"]]:
    """Positions of the labelled samples in each of `draws` independent draws: `fraction` of every class, at least one.

    Draw i depends on seed and i alone, so that all methods meet the same labelled samples.
    """
    if draws < 1:
        raise ValueError(f"draws={draws}: at least one draw of labels")
    found = []
    for i in range(draws):
        _, held = stratified_indices(labels, fraction, seed * 1000 + i)
        singles = [torch.nonzero(labels == c)[:, 0] for c in torch.unique(labels) if int((labels == c).sum()) == 1]
        found.append(torch.cat([held, *singles]).sort().values)
    return found


def frozen_subset(
    train: Float[Tensor, "n f"],
    train_y: Int[Tensor, "n"],
    test: Float[Tensor, "m f"],
    test_y: Int[Tensor, "m"],
    *,
    fraction: float,
    draws: int = 5,
    seed: int = 0,
) -> list[float]:
    """Test accuracy, one value a draw, of logistic regression on the labelled `fraction` of the training features."""
    return [
        linear_probe(train[rows], train_y[rows], test, test_y, fraction=0.2, seed=seed)["top1"]
        for rows in label_draws(train_y, fraction, draws, seed)
    ]


@dataclass(frozen=True)
class FineTuneOptions:
    """steps: optimisation steps, whatever the number of labels. batch: samples a step (all, if fewer are labelled).
    lr_encoder, lr_head: peak rates of AdamW; both fall to zero along a cosine. These defaults are fixed, not tuned
    on any test set; `choose_rate` picks a rate on labelled images."""

    steps: int = 300
    batch: int = 256
    lr_encoder: float = 3e-4
    lr_head: float = 3e-3
    weight_decay: float = 1e-4
    precision: str = "float32"


def fine_tune(
    encoder: nn.Module,
    train: ImageSet,
    test: ImageSet,
    view: ViewConfig,
    *,
    fraction: float,
    draw: int = 0,
    seed: int = 0,
    options: FineTuneOptions | None = None,
    device: torch.device | str | None = None,
) -> float:
    """Test accuracy, in [0, 1], after training a copy of the encoder and a linear head on one draw of labels.

    `draw` numbers the draw as in `label_draws(train.labels, fraction, draws, seed)`. view: one augmented view of every
    labelled image a step. The encoder that is passed in is not changed. Batch normalisation runs on batch statistics.
    """
    rows = label_draws(train.labels, fraction, draw + 1, seed)[draw]
    return fine_tune_on(
        encoder, train.subset(rows), test, view, seed=seed * 1000 + draw, options=options, device=device
    )


def fine_tune_on(
    encoder: nn.Module,
    labelled: ImageSet,
    test: ImageSet,
    view: ViewConfig,
    *,
    seed: int = 0,
    options: FineTuneOptions | None = None,
    device: torch.device | str | None = None,
) -> float:
    """`fine_tune` on labelled images that are given: test accuracy, in [0, 1]. seed: of head, order and views."""
    options = options or FineTuneOptions()
    device = torch.device(device or next((p.device for p in encoder.parameters()), torch.device("cpu")))
    model = copy.deepcopy(encoder).to(device).train()
    generator = torch.Generator().manual_seed(seed)
    classes = len(labelled.classes)
    head = nn.Linear(encoder.features, classes)
    with torch.no_grad():  # a fresh head from this run's own generator
        head.weight.copy_(torch.randn(head.weight.shape, generator=generator) / math.sqrt(encoder.features))
        head.bias.zero_()
    head.to(device)
    optimiser = torch.optim.AdamW(
        [
            {"params": model.parameters(), "lr": options.lr_encoder},
            {"params": head.parameters(), "lr": options.lr_head},
        ],
        weight_decay=options.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.steps)
    images, labels = labelled.images.to(device), labelled.labels.to(device)
    half = options.precision == "bfloat16"
    size = min(options.batch, len(images))
    order = torch.randperm(len(images), generator=generator)
    place = 0
    for _ in range(options.steps):
        if place + size > len(images):
            order, place = torch.randperm(len(images), generator=generator), 0
        chosen = order[place : place + size].to(device)
        place += size
        x = augment(images[chosen], view, generator)
        with torch.autocast(device.type, torch.bfloat16) if half else nullcontext():
            logits = head(model(x))
        loss = F.cross_entropy(logits.float(), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        features = extract(model, test, view, device=device, precision=options.precision)
        predicted = head.cpu()(features).argmax(1)
    return (predicted == test.labels).double().mean().item()


def choose_rate(
    encoder: nn.Module,
    labelled: ImageSet,
    view: ViewConfig,
    rates: Sequence[float],
    *,
    fraction: float = 0.2,
    seed: int = 0,
    options: FineTuneOptions | None = None,
    device: torch.device | str | None = None,
) -> float:
    """The rate of the encoder, out of `rates`, whose fine-tuning on a part of the labelled images does best on the
    held-out `fraction` of every class; the smallest of equals. No other image is looked at."""
    if not rates:
        raise ValueError("rates: needs at least one rate of the encoder")
    kept, held = stratified_indices(labelled.labels, fraction, seed)
    if len(rates) == 1 or not len(held):
        return min(rates)
    base, parts = options or FineTuneOptions(), (labelled.subset(kept), labelled.subset(held))
    scores = {
        rate: fine_tune_on(encoder, *parts, view, seed=seed, options=replace(base, lr_encoder=rate), device=device)
        for rate in sorted(rates)
    }
    return max(scores, key=scores.get)
