"""The library's own MUSIC and its ten peers as adapters.

    python -m proofs_checks --target proofs_checks.conformance.ours:Music
    python -m proofs_checks --peer simclr --target proofs_checks.conformance.ours:simclr

Peers that compare samples gather the batch first, as the methods do.
"""

from __future__ import annotations

from torch import Tensor

import musiclib
from musiclib import methods
from musiclib.distributed import gather_batch
from musiclib.objective import phi


class Music:
    """MUSIC as the library computes it."""

    def loss(
        self,
        z1: Tensor,
        z2: Tensor,
        segments: int,
        temperature: float = 1.0,
        weights: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> Tensor:
        return musiclib.MusicLoss(segments, *weights, temperature=temperature)(z1, z2)

    def codes(self, z: Tensor, segments: int, temperature: float = 1.0) -> Tensor:
        return musiclib.segment_softmax(z, segments, temperature)

    def joint(self, q1: Tensor, q2: Tensor) -> Tensor:
        return musiclib.joint_distribution(q1, q2)

    def terms(self, q1: Tensor, q2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return tuple(musiclib.code_terms(q1, q2))

    def phi(self, p: Tensor) -> Tensor:
        return phi(p)


moco = methods.moco_loss
byol = methods.byol_loss
simsiam = methods.simsiam_loss
swav = methods.swav_loss
deepcluster = methods.deepcluster_loss
sela = methods.sela_loss


def simclr(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    return methods.simclr_loss(gather_batch(z1), gather_batch(z2), temperature)


def wmse(z1: Tensor, z2: Tensor) -> Tensor:
    z1, z2 = gather_batch(z1), gather_batch(z2)
    return methods.wmse_loss(z1, z2, sub_batch=len(z1), shrinkage=0.0)


def barlow_twins(z1: Tensor, z2: Tensor, off_diagonal_weight: float) -> Tensor:
    return methods.barlow_twins_loss(gather_batch(z1), gather_batch(z2), off_diagonal_weight)


def vicreg(z1: Tensor, z2: Tensor) -> Tensor:
    return methods.vicreg_loss(gather_batch(z1), gather_batch(z2))


def vicreg_printed(z1: Tensor, z2: Tensor) -> Tensor:
    return methods.vicreg_loss(gather_batch(z1), gather_batch(z2), halve_variance=False)
