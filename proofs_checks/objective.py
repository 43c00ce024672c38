"""What a check may ask of an implementation of MUSIC, the thing under test, and what it shows it: `Codes`, `Logits`.

`Objective` answers with the library. `Assembled` answers with the same equations put together from small parts, so that
a wrong loss (see `wrong`) can replace exactly one of them; that `Assembled` itself passes every check is asserted in
`tests/test_controls.py`, so a wrong loss that fails does so because of the part it replaced.

Letters: N samples, S segments, K units a segment, D = S * K; z logits (N, D); q codes (N, S, K); P joint (S, S, K, K);
all logarithms natural.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

import musiclib
from musiclib.objective import phi


@dataclass(frozen=True)
class Codes:
    """Two views' codes (N, S, K), float64, rows on the closed simplex."""

    q1: Tensor
    q2: Tensor
    label: str = ""

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.q1.shape[0]

    @property
    def s(self) -> int:
        """Number of segments."""
        return self.q1.shape[1]

    @property
    def k(self) -> int:
        """Units a segment."""
        return self.q1.shape[2]

    def __repr__(self) -> str:
        return f"Codes(N={self.n}, S={self.s}, K={self.k}, {self.label})"


@dataclass(frozen=True)
class Logits:
    """Two views' logits (N, D), float64, with the number of segments and the temperature that belong to them."""

    z1: Tensor
    z2: Tensor
    s: int
    t: float = 1.0
    label: str = ""

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.z1.shape[0]

    @property
    def k(self) -> int:
        """Units a segment."""
        return self.z1.shape[1] // self.s

    @property
    def magnitude(self) -> float:
        """The largest |z / t|."""
        return float(torch.maximum(self.z1.abs().max(), self.z2.abs().max())) / self.t

    def __repr__(self) -> str:
        return f"Logits(N={self.n}, S={self.s}, K={self.k}, t={self.t}, {self.label})"


class Objective:
    """MUSIC as `musiclib` computes it. Codes may lie anywhere on the closed simplex; 0 log 0 = 0."""

    name = "MUSIC"

    def codes(self, z: Tensor, segments: int, temperature: float = 1.0) -> Tensor:
        """Codes (N, S, K) of logits (N, D): a softmax in every segment."""
        return musiclib.segment_softmax(z, segments=segments, temperature=temperature)

    def joint(self, q1: Tensor, q2: Tensor) -> Tensor:
        """The joint distribution (S, S, K, K) of codes: P[s, t, i, j] = (1/N) sum_n q1[n, s, i] q2[n, t, j]."""
        return musiclib.joint_distribution(q1, q2)

    def phi(self, p: Tensor) -> Tensor:
        """The function p log p of every element, as the loss uses it."""
        return phi(p)

    def code_terms(self, q1: Tensor, q2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The terms (diagonal, off_diagonal, invariance) of codes; the last is +inf where two views never agree."""
        terms = musiclib.code_terms(q1, q2)
        return terms.diagonal, terms.off_diagonal, terms.invariance

    def code_loss(self, q1: Tensor, q2: Tensor, lam: float = 0.0) -> Tensor:
        """The loss of codes, diagonal + off_diagonal + lam * invariance; at lam = 0 the last may be infinite."""
        diagonal, off_diagonal, invariance = self.code_terms(q1, q2)
        return diagonal + off_diagonal + lam * invariance if lam else diagonal + off_diagonal

    def logit_loss(self, z1: Tensor, z2: Tensor, segments: int, temperature: float = 1.0, lam: float = 1.0) -> Tensor:
        """The same loss of logits (N, D), differentiable in both views."""
        return musiclib.MusicLoss(segments=segments, invariance_weight=lam, temperature=temperature)(z1, z2)


MUSIC = Objective()


def gradients(
    objective: Objective, z1: Tensor, z2: Tensor, segments: int, temperature: float = 1.0, lam: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss of logits (N, D) and its gradients, (L, dL/dz1, dL/dz2); zero for a view that L does not depend on."""
    z1, z2 = z1.detach().clone().requires_grad_(), z2.detach().clone().requires_grad_()
    loss = objective.logit_loss(z1, z2, segments, temperature, lam)
    grad1, grad2 = torch.autograd.grad(loss, (z1, z2), materialize_grads=True)
    return loss.detach(), grad1, grad2


class Assembled(Objective):
    """The equations again, in parts that a wrong loss can replace one at a time."""

    name = "assembled"

    def log_codes(self, z: Tensor, segments: int, temperature: float) -> Tensor:
        """Log-probabilities (N, S, K) of logits (N, D)."""
        return torch.log_softmax(z.reshape(len(z), segments, -1) / temperature, dim=-1)

    def codes(self, z: Tensor, segments: int, temperature: float = 1.0) -> Tensor:
        return self.log_codes(z, segments, temperature).exp()

    def joint(self, q1: Tensor, q2: Tensor) -> Tensor:
        return torch.einsum("nsi,ntj->stij", q1, q2) / len(q1)

    def phi(self, p: Tensor) -> Tensor:
        return p * p.clamp_min(torch.finfo(p.dtype).tiny).log()

    def diagonal(self, joint: Tensor) -> Tensor:
        """The diagonal term of a joint (S, S, K, K)."""
        return self.phi(torch.einsum("ssii->si", joint)).sum() / len(joint)

    def off_diagonal(self, joint: Tensor) -> Tensor:
        """The off-diagonal term of a joint (S, S, K, K); zero for one segment."""
        segments = len(joint)
        if segments == 1:
            return joint.sum() * 0
        return self.phi(joint[self.off_blocks(segments)]).sum() / (segments * (segments - 1))

    def off_blocks(self, segments: int) -> Tensor:
        """Which blocks (S, S) of the joint the off-diagonal term takes: those of two different segments."""
        return ~torch.eye(segments, dtype=torch.bool)

    def mean_surprise(self, log_agreement: Tensor) -> Tensor:
        """The invariance term from log <q1, q2>, (N, S)."""
        return -log_agreement.mean()

    def invariance(self, q1: Tensor, q2: Tensor) -> Tensor:
        """The invariance term of codes."""
        return self.mean_surprise((q1 * q2).sum(-1).log())

    def logit_invariance(self, z1: Tensor, z2: Tensor, segments: int, temperature: float) -> Tensor:
        """The invariance term of logits, in the log domain."""
        log_q1, log_q2 = self.log_codes(z1, segments, temperature), self.log_codes(z2, segments, temperature)
        return self.mean_surprise(torch.logsumexp(log_q1 + log_q2, dim=-1))

    def code_terms(self, q1: Tensor, q2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        joint = self.joint(q1, q2)
        return self.diagonal(joint), self.off_diagonal(joint), self.invariance(q1, q2)

    def logit_loss(self, z1: Tensor, z2: Tensor, segments: int, temperature: float = 1.0, lam: float = 1.0) -> Tensor:
        codes = self.codes(z1, segments, temperature), self.codes(z2, segments, temperature)
        diagonal, off_diagonal, _ = self.code_terms(*codes)
        loss = diagonal + off_diagonal
        return loss + lam * self.logit_invariance(z1, z2, segments, temperature) if lam else loss
