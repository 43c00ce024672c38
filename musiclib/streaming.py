"""The off-diagonal term tile by tile: value and gradient of the dense form, without ever holding the D x D joint.

Each cell enters the loss on its own, through p log p, so a tile of the joint can be built, turned into its share of
the value and of the gradient, and forgotten: no running normaliser is needed. With G[s,t,i,j] = log P[s,t,i,j] + 1,

    d/dq1[n, s, i] = (1/N) sum_{t != s} sum_j G[s,t,i,j] q2[n, t, j]        and the mirror image for q2.

The gradient is finished during the forward pass, while the tile is in cache, so that the whole costs three matrix
products (the floor of any form) instead of the four of a backward pass that rebuilds the tiles. Memory: the codes,
their gradients and two tiles, O(N D + tile^2).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from musiclib.distributed import gather_batch

DEFAULT_TILE = 1024


def _spans(segments: int, units: int, tile: int) -> list[tuple[int, int]]:
    """Cut S segments into runs [first, last) of whole segments, of at most `tile` units each but one segment at
    least."""
    step = max(1, tile // units)
    return [(a, min(a + step, segments)) for a in range(0, segments, step)]


def _tiles(q1: Tensor, q2: Tensor, tile: int, want_gradient: bool) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Value (scalar) and, if wanted, gradients (N, S, K) of the off-diagonal term of two codes of one dtype."""
    n, s, k = q1.shape
    flat1, flat2 = q1.reshape(n, s * k), q2.reshape(n, s * k)
    share = 1.0 / (s * (s - 1))
    tiny = torch.finfo(q1.dtype).tiny
    sums: list[Tensor] = []
    grad1 = torch.zeros_like(flat1) if want_gradient else None
    grad2 = torch.zeros_like(flat2) if want_gradient else None
    spans = _spans(s, k, tile)
    side = spans[0][1] * k  # of the first tile, which no other one exceeds
    buffers = flat1.new_empty(2, side * side)  # every tile is built in the same place
    for r0, r1 in spans:
        rows = slice(r0 * k, r1 * k)
        scaled = flat1[:, rows].T / n  # (R, N)
        for c0, c1 in spans:
            columns = slice(c0 * k, c1 * k)
            P, G = (b[: (r1 - r0) * (c1 - c0) * k * k].view((r1 - r0) * k, (c1 - c0) * k) for b in buffers)
            torch.mm(scaled, flat2[:, columns], out=P)  # (R, C): a tile of the joint
            torch.clamp_min(P, tiny, out=G).log_()
            for t in range(max(r0, c0), min(r1, c1)):  # blocks of a segment with itself are in no term
                G[(t - r0) * k : (t - r0 + 1) * k, (t - c0) * k : (t - c0 + 1) * k] = 0
            sums.append(P.mul_(G).sum())
            if want_gradient:
                grad1[:, rows].addmm_(flat2[:, columns], G.T, alpha=share / n)
                grad2[:, columns].addmm_(flat1[:, rows], G, alpha=share / n)
    value = torch.stack(sums).sum() * share
    if not want_gradient:
        return value, None, None
    # The "+ 1" of G, which is the same in every cell, needs no product: sum_{t != s} sum_j q2[n, t, j].
    mass1, mass2 = q1.sum(dim=2), q2.sum(dim=2)  # (N, S)
    grad1 = grad1.view(n, s, k) + ((mass2.sum(dim=1, keepdim=True) - mass2) * (share / n)).unsqueeze(-1)
    grad2 = grad2.view(n, s, k) + ((mass1.sum(dim=1, keepdim=True) - mass1) * (share / n)).unsqueeze(-1)
    return value, grad1, grad2


class _StreamedOffDiagonal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q1: Tensor, q2: Tensor, tile: int) -> Tensor:
        want_gradient = any(ctx.needs_input_grad)
        value, grad1, grad2 = _tiles(q1, q2, tile, want_gradient)
        if want_gradient:
            ctx.save_for_backward(grad1, grad2)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        grad1, grad2 = ctx.saved_tensors
        return grad * grad1, grad * grad2, None


def streamed_off_diagonal(
    q1: Float[Tensor, "n s k"], q2: Float[Tensor, "n s k"], tile: int | None = None
) -> Float[Tensor, ""]:
    """(1/(S(S-1))) sum_{s != t} sum_ij P[s,t,i,j] log P[s,t,i,j] in nats, in [-2 log K, 0], with memory O(N D +
    tile^2).

    q1, q2: codes (N, S, K), S >= 2, float32 or float64, of one dtype. tile: side of a tile in units, rounded down
    to whole segments and to one segment at least; None takes 1024. Differentiable once; works under autocast (it
    computes in the dtype of the codes) and in torch.compile. With several processes the codes are gathered (2 N D
    numbers), never the joint.
    """
    if q1.shape[1] < 2:
        raise ValueError(f"S={q1.shape[1]}: the off-diagonal term needs two segments or more")
    if tile is not None and tile < 1:
        raise ValueError(f"tile: expected None or an integer >= 1 (units a side), got {tile!r}")
    with torch.autocast(q1.device.type, enabled=False):
        return _StreamedOffDiagonal.apply(gather_batch(q1), gather_batch(q2), tile or DEFAULT_TILE)
