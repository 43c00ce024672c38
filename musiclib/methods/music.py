"""MUSIC as a method of the training loop: encoder, projector, loss. Nothing else: no predictor, queue, copy or
prototype."""

from __future__ import annotations

from dataclasses import dataclass

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


class Music(Method):
    """Multi-segmental informational coding: both views through one network, the entropies of their joint as the
    loss."""

    def __init__(self, encoder: nn.Module, options: MusicOptions, *, samples: int, steps: int) -> None:
        super().__init__(encoder, options, samples=samples, steps=steps)
        o = options
        self.objective = MusicLoss(
            o.segments, o.diagonal_weight, o.off_diagonal_weight, o.invariance_weight, o.temperature
        )

    def build_projector(self) -> nn.Module:
        o = self.options
        return mlp([self.encoder.features, *o.projector, o.segments * o.units], bias_last=False)

    def forward(self, x1: Tensor, x2: Tensor, index: Tensor) -> Output:
        rows = count_rows(x1)  # before a normalisation waits for a process that has none
        z1, z2 = self.embed(x1, x2)
        if self.options.codes == "soft":
            terms = self.objective.terms(z1, z2)
        else:
            s, t = self.options.segments, self.options.temperature
            q1, q2 = (straight_through(segment_softmax(z, s, t)) for z in (z1, z2))
            terms = code_terms(q1, q2, group=rows)
        return Output(self.objective.combine(terms), detached(terms), z1.detach(), z2.detach())
