"""MUSIC as a method of the training loop: encoder, projector, loss. Nothing else: no predictor, queue, copy or
prototype."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from musiclib.coding import segment_softmax, straight_through
from musiclib.distributed import count_rows
from musiclib.encoders import mlp
from musiclib.methods.base import Method, Output, detached
from musiclib.objective import MusicLoss, code_terms


@dataclass(frozen=True)
class MusicOptions:
    """segments, units: S and K, the embedding has D = S * K logits. projector: hidden widths between features and
    logits; () is one linear layer. The three weights and the temperature are those of `MusicLoss`. codes: 'soft',
    or 'hard' for one-hot codes with the straight-through gradient (then the invariance weight must be 0: two
    different one-hot codes are infinitely far apart).

    Three options that act on how segments part, each off by default (measured in `musiclib.studies.segment_map`).
    invariance_ramp: share of the run, in [0, 1], over which the invariance weight rises linearly from 0. logit_scale:
    factor on the last layer's weights at the start; small ones begin next to the uniform code. normalise: batch
    normalisation, without scale and shift, of the logits; their size is then 1 / temperature.

    Defaults: unit weights are the follow-up's (arXiv 2501.03469, public code); S = 32 with K = 16 or 32 suits
    batches of 512.
    """

    segments: int = 32
    units: int = 16
    projector: tuple[int, ...] = (1024,)
    diagonal_weight: float = 1.0
    off_diagonal_weight: float = 1.0
    invariance_weight: float = 1.0
    temperature: float = 1.0
    codes: str = "soft"
    # `later`: not part of a run's name at the default, so that runs made before the option keep theirs
    invariance_ramp: float = field(default=0.0, metadata={"later": True})
    logit_scale: float = field(default=1.0, metadata={"later": True})
    normalise: bool = field(default=False, metadata={"later": True})

    def __post_init__(self) -> None:
        if self.segments < 1 or self.units < 2:
            raise ValueError(
                f"segments={self.segments}, units={self.units}: expected S >= 1 and K >= 2 units to choose from"
            )
        if self.codes not in ("soft", "hard"):
            raise ValueError(f"codes: expected 'soft' or 'hard', got {self.codes!r}")
        if self.codes == "hard" and self.invariance_weight != 0:
            raise ValueError(
                "codes='hard' needs invariance_weight=0: -log <q1, q2> of two different one-hot codes is infinite"
            )
        if not 0 <= self.invariance_ramp <= 1:
            raise ValueError(f"invariance_ramp={self.invariance_ramp!r}: a share of the run lies in [0, 1]")
        if not 0 < self.logit_scale < float("inf"):
            raise ValueError(f"logit_scale={self.logit_scale!r}: expected a finite number > 0")
        if self.normalise and self.logit_scale != 1:
            raise ValueError(f"logit_scale={self.logit_scale!r} with normalise=True: the normalisation would cancel it")


class Music(Method):
    """Multi-segmental informational coding: both views through one network, the entropies of their joint as the
    loss."""

    def __init__(self, encoder: nn.Module, options: MusicOptions, *, samples: int, steps: int) -> None:
        super().__init__(encoder, options, samples=samples, steps=steps)
        o = options
        self.objective = MusicLoss(
            o.segments, o.diagonal_weight, o.off_diagonal_weight, o.invariance_weight, o.temperature
        )
        if o.invariance_ramp:
            self.register_buffer("taken", torch.zeros(()))  # steps so far, on the device: the loss reads it there

    def build_projector(self) -> nn.Module:
        o = self.options
        widths = [self.encoder.features, *o.projector, o.segments * o.units]
        projector = mlp(widths, bias_last=False, norm_last=o.normalise)
        if o.logit_scale != 1:
            with torch.no_grad():
                projector[-1].weight.mul_(o.logit_scale)
        return projector

    def forward(self, x1: Tensor, x2: Tensor, index: Tensor) -> Output:
        rows = count_rows(x1)  # before a normalisation waits for a process that has none
        z1, z2 = self.embed(x1, x2)
        if self.options.codes == "soft":
            terms = self.objective.terms(z1, z2)
        else:
            s, t = self.options.segments, self.options.temperature
            q1, q2 = (straight_through(segment_softmax(z, s, t)) for z in (z1, z2))
            terms = code_terms(q1, q2, group=rows)
        weighted = terms
        if self.options.invariance_ramp:
            risen = (self.taken / (self.options.invariance_ramp * self.steps)).clamp(max=1.0)
            weighted = terms._replace(invariance=risen * terms.invariance)
        return Output(self.objective.combine(weighted), detached(terms), z1.detach(), z2.detach())

    def after_step(self, step: int) -> None:
        if self.options.invariance_ramp:
            self.taken.fill_(step)
