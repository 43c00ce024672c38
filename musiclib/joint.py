"""The empirical joint distribution of the codes of two views: the one statistic that MUSIC's entropies are made of.

    P[s, t, i, j] = (1/N) sum_n q1[n, s, i] q2[n, t, j]

P[s, t] is a K x K distribution: the probability that segment s of the first view says i while segment t of the
second says j, when a sample is drawn from the batch and the two codes are sampled independently given it. It is not
symmetric unless the views are equal: P[t, s] is the transpose of P[s, t] with the views exchanged.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from musiclib.distributed import Group, Rows, count_rows, gather_batch, mean_over_processes


def check_codes(q1: Tensor, q2: Tensor) -> None:
    """Raise unless q1 and q2 are floating-point codes of one shape (N, S, K), dtype and device."""
    for name, q in (("q1", q1), ("q2", q2)):
        if not isinstance(q, Tensor) or not q.is_floating_point():
            raise TypeError(f"{name}: expected a floating-point tensor of codes (N, S, K)")
        if q.dim() != 3 or 0 in q.shape:
            raise ValueError(f"{name}: expected codes of shape (N, S, K) with N, S, K >= 1, got {tuple(q.shape)}")
    if q1.shape != q2.shape:
        raise ValueError(
            f"q1 and q2: the two views need one shape (N, S, K), got {tuple(q1.shape)} and {tuple(q2.shape)}"
        )
    if q1.device != q2.device:
        raise ValueError(f"q1 and q2: the two views lie on different devices, {q1.device} and {q2.device}")


def at_least_float32(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors in one dtype, float64 if any is float64 and else float32."""
    wide = torch.float64 if any(x.dtype == torch.float64 for x in tensors) else torch.float32
    return tuple(x.to(wide) for x in tensors)


def joint_distribution(
    q1: Float[Tensor, "n s k"], q2: Float[Tensor, "n s k"], group: Group | Rows = None
) -> Float[Tensor, "s s k k"]:
    """Joint distribution of the codes of two views, over the global batch.

    q1, q2: codes (N, S, K). Returns P of shape (S, S, K, K), each P[s, t] >= 0 summing to one; float32 at least,
    whatever autocast says. N = 1 gives the outer product. Memory D^2; `musiclib.streaming` never holds it. With
    several processes the smaller object travels: both code tensors are gathered when the global batch has fewer
    than D rows (2 N D numbers), and else the local joints are averaged (D^2 numbers). group: the processes that share
    the batch, see `musiclib.distributed.Group`; "local" for this process's rows alone.
    """
    rows = count_rows(q1, group)
    check_codes(q1, q2)
    _, s, k = q1.shape
    with torch.autocast(q1.device.type, enabled=False):
        q1, q2 = at_least_float32(q1, q2)
        gather = rows.total < s * k  # one process: both ways are the identity
        if gather:
            q1, q2 = gather_batch(q1, rows), gather_batch(q2, rows)
        flat = q1.reshape(-1, s * k).T @ q2.reshape(-1, s * k) / q1.shape[0]  # (D, D)
        if not gather:
            flat = mean_over_processes(flat, rows)
    return flat.view(s, k, s, k).permute(0, 2, 1, 3)


def agreement(
    q1: Float[Tensor, "n s k"], q2: Float[Tensor, "n s k"], group: Group | Rows = None
) -> Float[Tensor, "s k"]:
    """The diagonals of the diagonal blocks, P[s, s, i, i] = mean_n q1[n, s, i] q2[n, s, i], in O(N D).

    The sum over i is tau_s, the probability that the two views' codes of segment s agree, in [0, 1]. Global batch of
    `group`, float32 at least.
    """
    rows = count_rows(q1, group)
    check_codes(q1, q2)
    with torch.autocast(q1.device.type, enabled=False):
        q1, q2 = at_least_float32(q1, q2)
        return mean_over_processes((q1 * q2).mean(dim=0), rows)


def marginals(P: Float[Tensor, "s s k k"]) -> tuple[Float[Tensor, "s k"], Float[Tensor, "s k"]]:
    """Usage of the units of every segment, in the first and in the second view: (S, K) each, rows summing to one.

    Taken from the diagonal blocks; every block P[s, t] has the marginals of s in view 1 and of t in view 2.
    """
    own = torch.diagonal(P, dim1=0, dim2=1).permute(2, 0, 1)  # (S, K, K)
    return own.sum(dim=2), own.sum(dim=1)


def as_matrix(P: Float[Tensor, "s s k k"]) -> Float[Tensor, "d d"]:
    """The joint as one (D, D) matrix of S x S blocks, the way it is drawn."""
    s, _, k, _ = P.shape
    return P.permute(0, 2, 1, 3).reshape(s * k, s * k)
