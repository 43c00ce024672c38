"""Does a batch smaller than K^2 lead the codes of a LARGE data set to the optimum, or only as far as its own bias?

The paper trains with N = 2048 < K^2 = 6400, but on 1.28 million images. Here: free logits for M = 8 K^2 samples (views
tied, no network in between), random batches of N. What remains on the whole data set?
"""

from __future__ import annotations

from math import log
from typing import Any

import torch

import musiclib
from proofs_checks.explore.record import Exploration


def row(units: int, segments: int, samples: int, lam: float, steps: int, seed: int) -> dict[str, Any]:
    """Train by Adam on batches of N without replacement; the gaps of soft and of argmax codes on all M samples."""
    generator = torch.Generator().manual_seed(seed)
    population = 8 * units**2
    z = (0.1 * torch.randn(population, segments * units, generator=generator)).requires_grad_()
    adam = torch.optim.Adam([z], lr=0.1, betas=(0.9, 0.999))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    loss_of = musiclib.MusicLoss(segments=segments, invariance_weight=lam)
    for _ in range(steps):
        chosen = z[torch.randperm(population, generator=generator)[:samples]]
        adam.zero_grad()
        loss_of(chosen, chosen).backward()
        adam.step()
        schedule.step()
    soft = musiclib.segment_softmax(z.detach().double(), segments)
    labels = musiclib.hard_codes(soft)
    hard = torch.nn.functional.one_hot(labels, units).double()
    gaps = {}
    for name, q in (("soft", soft), ("hard", hard)):
        terms = musiclib.code_terms(q, q)
        gaps[f"{name}_gap"] = float(terms.diagonal + terms.off_diagonal) + 3 * log(units)
        gaps[f"{name}_diagonal_gap"] = float(terms.diagonal) + log(units)
        gaps[f"{name}_off_gap"] = float(terms.off_diagonal) + 2 * log(units)
    shared = musiclib.information.mutual_information(musiclib.joint_distribution(hard, hard))
    off = ~torch.eye(segments, dtype=torch.bool)
    return {
        **gaps,
        "information_between_segments": float(shared[off].mean()),
        "mean_peak": float(soft.max(-1).values.mean()),
        "batch_reading_of_ideal_codes": musiclib.information.expected_batch_loss(samples, units) + 3 * log(units),
        "share_of_cells": samples / units**2,
        "population": population,
    }


EXPLORATION = Exploration(
    name="batch_training",
    question=(
        "Free codes for M = 8 K^2 samples, trained on random batches of N below and above K^2: "
        "how close to the optimum are they on the whole data set?"
    ),
    reading={
        "hard_gap": "L_diag + L_off + 3 log K of the argmax codes on all M samples; 0 is an orthogonal array",
        "soft_gap": "the same of the soft codes",
        "batch_reading_of_ideal_codes": "gap that ideal codes read in a batch of N by its own blindness (C28)",
        "information_between_segments": "mean mutual information of pairs of argmax segments on all M samples, nats",
        "mean_peak": "mean largest probability",
    },
    settings=[
        {"units": 8, "segments": 4, "samples": samples, "lam": lam, "steps": 1500, "seed": seed}
        for lam in (0.0, 1.0)
        for samples in (8, 16, 32, 64, 128, 512)
        for seed in (0, 1, 2)
    ],
    row=row,
)
