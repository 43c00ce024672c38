"""The MUSIC objective: three entropy terms of the joint distribution of two views, written as the equations read.

    diagonal     = (1/S)        sum_s        sum_i   P[s,s,i,i] log P[s,s,i,i]
    off_diagonal = (1/(S(S-1))) sum_{s != t} sum_ij  P[s,t,i,j] log P[s,t,i,j]
    invariance   = -(1/(N S))   sum_n sum_s  log <q1[n,s,:], q2[n,s,:]>

    L = a * diagonal + b * off_diagonal + c * invariance

Natural logarithm, 0 log 0 = 0, in nats, minimised. In words: within a segment, agree across the views and use all
units; between segments, be independent; for each sample, say the same in both views.

What this rests on: the paper's excerpt states the coding, the joint distribution and that the loss is made of
entropies of it, and prints no equation. The three terms and unit weights are those of the authors' follow-up, IMSVD
(arXiv 2501.03469 and its public code); c = 0 is the pure-entropy objective, which uses the joint alone.
Off-diagonal entries *inside* the diagonal blocks are in no term.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from musiclib.coding import segment_log_softmax
from musiclib.distributed import Group, Rows, check_group, count_rows, mean_over_processes
from musiclib.finite import FiniteWatch, require_finite
from musiclib.joint import agreement, at_least_float32, check_codes, joint_distribution
from musiclib.streaming import streamed_off_diagonal

# Above this many cells of the joint (D^2) the default is the streaming form; benchmarks/README.md has the
# measurement behind it.
DENSE_CELLS = 2**20


class Terms(NamedTuple):
    """The three terms in nats: diagonal in [-log K, 0] for K >= 3, off_diagonal in [-2 log K, 0], invariance in [0,
    inf]."""

    diagonal: Tensor
    off_diagonal: Tensor
    invariance: Tensor


def phi(p: Tensor) -> Tensor:
    """p log p in nats with phi(0) = 0, for p >= 0; finite gradient everywhere.

    The logarithm alone is clamped, at the smallest normal number: the value is exact, and the slope at an empty
    cell is about -87 (float32) instead of minus infinity. Clamping p in both places would lower the value and break
    the bound of `lower_bound`.
    """
    return p * torch.log(p.clamp_min(torch.finfo(p.dtype).tiny))


def _diagonal(q1: Tensor, q2: Tensor, rows: Rows) -> Tensor:
    return phi(agreement(q1, q2, rows)).sum(dim=1).mean()


def _off_diagonal(q1: Tensor, q2: Tensor, tile: int | None, rows: Rows) -> Tensor:
    _, s, k = q1.shape
    if s == 1:
        return (q1.sum() + q2.sum()) * 0  # no pair of different segments: zero, with a zero gradient
    if tile is not None or (s * k) ** 2 > DENSE_CELLS:
        return streamed_off_diagonal(q1, q2, tile, rows)
    block = phi(joint_distribution(q1, q2, rows)).sum(dim=(2, 3))  # (S, S): minus the entropy of every block
    return (block.sum() - block.diagonal().sum()) / (s * (s - 1))


def code_terms(
    q1: Float[Tensor, "n s k"], q2: Float[Tensor, "n s k"], *, tile: int | None = None, group: Group | Rows = None
) -> Terms:
    """The three terms of codes on the closed simplex, exact one-hots included.

    q1, q2: codes (N, S, K) of two views of the same N samples, rows >= 0 that sum to one (checked). Returns scalars
    in float32, float64 for float64 codes. S = 1: off_diagonal = 0. K = 1: all zero. A sample whose two codes share
    no unit has invariance = inf. tile: side of the streaming tiles in units, None to choose dense or streaming by
    size. group: whose batch, see `MusicLoss`. Use `music_terms` for training: it takes the logarithm of the inner
    product from the logits, where codes have already lost it to underflow.
    """
    rows = count_rows(q1, group)
    check_codes(q1, q2)
    with torch.autocast(q1.device.type, enabled=False):
        q1, q2 = at_least_float32(q1, q2)
        for name, q in (("q1", q1), ("q2", q2)):
            mass = q.detach().sum(dim=-1)
            tolerance = 1e-4 if q.dtype == torch.float32 else 1e-6  # float64 codes often began as float32 ones
            if not bool((q.detach() >= 0).all() & ((mass - 1).abs() <= tolerance).all()):
                raise ValueError(
                    f"{name}: every code [n, s, :] must be >= 0 and sum to one; sums lie in "
                    f"[{float(mass.min()):.6g}, {float(mass.max()):.6g}]. Logits go to music_terms, not here"
                )
        agree = (q1 * q2).sum(dim=-1)  # (N, S)
        invariance = mean_over_processes(-agree.log().mean(), rows)
        return Terms(_diagonal(q1, q2, rows), _off_diagonal(q1, q2, tile, rows), invariance)


def music_terms(
    z1: Float[Tensor, "n d"],
    z2: Float[Tensor, "n d"],
    segments: int,
    temperature: float = 1.0,
    *,
    tile: int | None = None,
    check_finite: bool = True,
    group: Group | Rows = None,
) -> Terms:
    """The three terms of logits; the invariance is computed in the log domain, -logsumexp_i(log q1_i + log q2_i).

    z1, z2: logits (N, D) of two views of the same N samples, D = S * K. Values and gradients are finite for logits
    up to 1e4 in float32. Float32 at least, whatever autocast says; all batch means are those of the global batch.
    check_finite: raise ValueError on NaN or infinite logits, which reads one flag back from the device; `MusicLoss`
    defers that. tile, group: see `MusicLoss`.
    """
    rows = count_rows(z1, group)
    if check_finite:
        require_finite(z1=z1, z2=z2)
    if z1.shape != z2.shape:
        raise ValueError(f"z1 and z2: the two views need one shape (N, D), got {tuple(z1.shape)} and {tuple(z2.shape)}")
    with torch.autocast(z1.device.type, enabled=False):
        log_q1 = segment_log_softmax(z1, segments, temperature)
        log_q2 = segment_log_softmax(z2, segments, temperature)
        q1, q2 = log_q1.exp(), log_q2.exp()
        invariance = mean_over_processes(-torch.logsumexp(log_q1 + log_q2, dim=-1).mean(), rows)
        return Terms(_diagonal(q1, q2, rows), _off_diagonal(q1, q2, tile, rows), invariance)


class MusicLoss(nn.Module):
    """The MUSIC loss of two batches of logits: `MusicLoss(segments=S)(z1, z2)` is a scalar to minimise.

    segments: S; K = D / S follows from the input. diagonal_weight, off_diagonal_weight, invariance_weight: a, b, c
    >= 0 above; a term of weight zero is left out, gradient and all. temperature: of the softmax. tile: None lets
    the size decide between the dense and the streaming form of the off-diagonal term, an integer streams with tiles
    of that many units a side; value and gradient are the same. group: the processes whose rows make up the batch, None
    for all of them, "local" for this one alone, or a process group. No parameters, no state that outlives a step (an
    accelerator's deferred NaN flag apart), no difference between the two views.

    With several processes every one of the group has to call the loss, each with one row at least and not necessarily
    as many as the others; all get the value of the global batch, and the mean of their parameter gradients is its
    gradient, which is what DistributedDataParallel takes. What one process does alone, as an evaluation on rank 0,
    needs group="local": otherwise it waits for the others.
    """

    def __init__(
        self,
        segments: int,
        diagonal_weight: float = 1.0,
        off_diagonal_weight: float = 1.0,
        invariance_weight: float = 1.0,
        temperature: float = 1.0,
        tile: int | None = None,
        group: Group = None,
    ) -> None:
        super().__init__()
        weights = {
            "diagonal_weight": diagonal_weight,
            "off_diagonal_weight": off_diagonal_weight,
            "invariance_weight": invariance_weight,
        }
        for name, value in weights.items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name}: expected a finite number >= 0, got {value!r}")
        if isinstance(segments, bool) or not isinstance(segments, int) or segments < 1:
            raise ValueError(f"segments: expected an integer >= 1, got {segments!r}")
        if not (math.isfinite(temperature) and temperature > 0):
            raise ValueError(f"temperature: expected a finite number > 0, got {temperature!r}")
        if tile is not None and (isinstance(tile, bool) or not isinstance(tile, int) or tile < 1):
            raise ValueError(f"tile: expected None or an integer >= 1 (units a side), got {tile!r}")
        self.segments, self.temperature, self.tile, self.group = segments, temperature, tile, check_group(group)
        self.weights = Terms(diagonal_weight, off_diagonal_weight, invariance_weight)
        self._watch = FiniteWatch()

    def terms(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> Terms:
        """The three unweighted terms, differentiable; see `music_terms`."""
        self._watch.look(z1=z1, z2=z2)
        return music_terms(
            z1, z2, self.segments, self.temperature, tile=self.tile, check_finite=False, group=self.group
        )

    def combine(self, terms: Terms) -> Tensor:
        """a * diagonal + b * off_diagonal + c * invariance, leaving out terms of weight zero (0 * inf is not 0)."""
        parts = [weight * term for weight, term in zip(self.weights, terms, strict=True) if weight != 0]
        return sum(parts) if parts else sum(terms) * 0

    def forward(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        return self.combine(self.terms(z1, z2))

    def extra_repr(self) -> str:
        a, b, c = self.weights
        group = "" if self.group is None else f", group={self.group!r}"
        return (
            f"segments={self.segments}, weights=({a:g}, {b:g}, {c:g}), "
            f"temperature={self.temperature:g}, tile={self.tile}{group}"
        )


def lower_bound(
    units: int,
    *,
    segments: int = 2,
    diagonal_weight: float = 1.0,
    off_diagonal_weight: float = 1.0,
    invariance_weight: float = 1.0,
) -> float:
    """The largest number that no batch can go below, whatever its size: -3 log K for unit weights.

    units: K. segments: S, of which only S = 1 (no off-diagonal term) matters. For K >= 3 the bound is -(a + 2 b)
    log K. For K = 2 that is wrong when c / a < 1 - log 2: the diagonal term then gains by *disagreeing*, and its
    minimum lies at the agreement tau = c' / W(e c' / 2) with c' = c / a and Lambert's W (tau = 2/e at c = 0). K =
    1: zero. Attained by one-hot codes whose table of labels is an orthogonal array of strength two, which needs K^2
    | N: a batch with N < K^2 stays above it. Proofs and checks: `python -m proofs_checks --claim C1`, C3, C7.
    """
    if units < 1:
        raise ValueError(f"units: expected K >= 1, got {units!r}")
    a, b, c = diagonal_weight, off_diagonal_weight if segments > 1 else 0.0, invariance_weight
    log_k = math.log(units)
    bound = -2.0 * b * log_k
    if units != 2 or c >= a * (1 - log_k):
        return bound - a * log_k
    from scipy.special import lambertw

    ratio = c / a
    tau = 2 / math.e if ratio == 0 else ratio / float(lambertw(math.e * ratio / 2).real)
    return bound + a * tau * math.log(tau / 2) - c * math.log(tau)
