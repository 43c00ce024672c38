"""Wrong joint distributions: normalisation, pairing of samples and views, the batch they are taken over."""

import torch
from torch import Tensor

from proofs_checks.objective import Assembled, Objective


class JointOverNm1(Assembled):
    """Divides by N - 1."""

    def joint(self, q1: Tensor, q2: Tensor) -> Tensor:
        return super().joint(q1, q2) * (len(q1) / max(len(q1) - 1, 0.5))


class JointViewRolled(Assembled):
    """Pairs every sample with the view of the next one."""

    def joint(self, q1: Tensor, q2: Tensor) -> Tensor:
        return super().joint(q1, q2.roll(1, 0))


class JointSamplesUnpaired(Assembled):
    """Averages over all pairs of samples: the product of the two views' means."""

    def joint(self, q1: Tensor, q2: Tensor) -> Tensor:
        return torch.einsum("si,tj->stij", q1.mean(0), q2.mean(0))


class JointOfHalves(Assembled):
    """The mean of the losses of two half batches: what several processes compute when nobody gathers the joint."""

    def code_terms(self, q1: Tensor, q2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if len(q1) < 2:
            return super().code_terms(q1, q2)
        half, n = len(q1) // 2, len(q1)
        first, second = super().code_terms(q1[:half], q2[:half]), super().code_terms(q1[half:], q2[half:])
        diagonal, off_diagonal, invariance = (
            (half * a + (n - half) * b) / n for a, b in zip(first, second, strict=True)
        )
        return diagonal, off_diagonal, invariance


class JointMovingAverage(Assembled):
    """Mixes the joint with that of earlier batches: state that outlives a step."""

    def __init__(self) -> None:
        self.memory: Tensor | None = None

    def joint(self, q1: Tensor, q2: Tensor) -> Tensor:
        now = super().joint(q1, q2)
        if self.memory is not None and self.memory.shape == now.shape:
            now = 0.5 * now + 0.5 * self.memory
        self.memory = now.detach()
        return now


class ViewsTransposed(Assembled):
    """The joint with the views exchanged. The loss is the same; the distribution is not the one that was asked for."""

    def joint(self, q1: Tensor, q2: Tensor) -> Tensor:
        return super().joint(q2, q1)


MUTANTS: dict[str, type[Objective]] = {
    "joint_over_Nm1": JointOverNm1,
    "joint_view_rolled": JointViewRolled,
    "joint_samples_unpaired": JointSamplesUnpaired,
    "joint_of_halves": JointOfHalves,
    "joint_moving_average": JointMovingAverage,
    "views_transposed": ViewsTransposed,
}
