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

from musiclib.distributed import Group, Rows, count_rows, gather_batch

DEFAULT_TILE = 1024


def _spans(segments: int, units: int, tile: int) -> list[tuple[int, int]]:
    """Cut S segments into runs [first, last) of whole segments, of at most `tile` units each but one segment at
    least."""
    step = max(1, tile // units)
    return [(a, min(a + step, segments)) for a in range(0, segments, step)]


def _tiles(q1: Tensor, q2: Tensor, tile: int, want_gradient: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Value (scalar) and gradients, (N, S, K) or empty if not wanted, of the off-diagonal term of two codes."""
    n, s, k = q1.shape
    flat1, flat2 = q1.reshape(n, s * k), q2.reshape(n, s * k)
    share = 1.0 / (s * (s - 1))
    tiny = torch.finfo(q1.dtype).tiny
    sums: list[Tensor] = []
    grad1, grad2 = (torch.empty_like(flat) if want_gradient else flat.new_empty(0) for flat in (flat1, flat2))
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
            if r0 == c0:  # blocks of a segment with itself are in no term
                G.view(r1 - r0, k, r1 - r0, k).diagonal(dim1=0, dim2=2).zero_()
            sums.append(P.mul_(G).sum())
            if want_gradient:
                # beta = 0: what was in memory before the first product does not count
                grad1[:, rows].addmm_(flat2[:, columns], G.T, alpha=share / n, beta=min(c0, 1))
                grad2[:, columns].addmm_(flat1[:, rows], G, alpha=share / n, beta=min(r0, 1))
    value = torch.stack(sums).sum() * share
    if not want_gradient:
        return value, grad1, grad2
    # The "+ 1" of G, which is the same in every cell, needs no product: sum_{t != s} sum_j q2[n, t, j].
    mass1, mass2 = q1.sum(dim=2), q2.sum(dim=2)  # (N, S)
    grad1, grad2 = grad1.view(n, s, k), grad2.view(n, s, k)
    grad1 += ((mass2.sum(dim=1, keepdim=True) - mass2) * (share / n)).unsqueeze(-1)
    grad2 += ((mass1.sum(dim=1, keepdim=True) - mass1) * (share / n)).unsqueeze(-1)
    return value, grad1, grad2


def _differentiable_gradients(q1: Tensor, q2: Tensor) -> tuple[Tensor, Tensor]:
    """The two gradients of `_tiles` by operations that autograd follows, with the D x D joint in memory."""
    n, s, _ = q1.shape
    P = torch.einsum("nsi,ntj->stij", q1, q2) / n
    pairs = (1 - torch.eye(s, dtype=q1.dtype, device=q1.device)) / (n * s * (s - 1))
    G = (P.clamp_min(torch.finfo(q1.dtype).tiny).log() + 1) * pairs.view(s, s, 1, 1)
    return torch.einsum("stij,ntj->nsi", G, q2), torch.einsum("stij,nsi->ntj", G, q1)


class _StreamedOffDiagonal(torch.autograd.Function):
    @staticmethod
    def forward(q1: Tensor, q2: Tensor, tile: int, want_gradient: bool) -> tuple[Tensor, Tensor, Tensor]:
        return _tiles(q1, q2, tile, want_gradient)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, Tensor, int, bool], output: tuple[Tensor, Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[:2], *output[1:])

    @staticmethod
    def backward(ctx, grad: Tensor | None, *_: None) -> tuple[Tensor | None, Tensor | None, None, None]:
        if grad is None:
            return None, None, None, None
        q1, q2, grad1, grad2 = ctx.saved_tensors
        if torch.is_grad_enabled():  # create_graph: this gradient is to be differentiated, the kept one is a constant
            grad1, grad2 = _differentiable_gradients(q1, q2)
        return grad * grad1, grad * grad2, None, None


# torch.compile would unroll the loop over tiles, for minutes and to no gain: to it, all of them are one operation.
_operation = torch.library.custom_op(
    "musiclib::streamed_off_diagonal",
    _tiles,
    mutates_args=(),
    schema="(Tensor q1, Tensor q2, int tile, bool want_gradient) -> (Tensor, Tensor, Tensor)",
)


@_operation.register_fake
def _shapes(q1: Tensor, q2: Tensor, tile: int, want_gradient: bool) -> tuple[Tensor, Tensor, Tensor]:
    return q1.new_empty(()), *(torch.empty_like(q) if want_gradient else q.new_empty(0) for q in (q1, q2))


_operation.register_autograd(
    _StreamedOffDiagonal.backward,
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs[:2], *output[1:]),
)


def streamed_off_diagonal(
    q1: Float[Tensor, "n s k"], q2: Float[Tensor, "n s k"], tile: int | None = None, group: Group | Rows = None
) -> Float[Tensor, ""]:
    """(1/(S(S-1))) sum_{s != t} sum_ij P[s,t,i,j] log P[s,t,i,j] in nats, in [-2 log K, 0], with memory O(N D +
    tile^2).

    q1, q2: codes (N, S, K), S >= 2, float32 or float64, of one dtype. tile: side of a tile in units, rounded down
    to whole segments and to one segment at least; None takes 1024. Differentiable to any order: a gradient that is
    itself to be differentiated (create_graph=True) holds the D x D joint. Works under autocast (it computes in the
    dtype of the codes), and is one operation to torch.compile. With several processes of `group` (see
    `musiclib.distributed.Group`) the codes are gathered (2 N D numbers), never the joint.
    """
    if q1.shape[1] < 2:
        raise ValueError(f"S={q1.shape[1]}: the off-diagonal term needs two segments or more")
    if tile is not None and tile < 1:
        raise ValueError(f"tile: expected None or an integer >= 1 (units a side), got {tile!r}")
    rows = count_rows(q1, group)
    with torch.autocast(q1.device.type, enabled=False):
        q1, q2 = gather_batch(q1, rows), gather_batch(q2, rows)
        want_gradient = torch.is_grad_enabled() and (q1.requires_grad or q2.requires_grad)
        stream = _operation if torch.compiler.is_compiling() else _StreamedOffDiagonal.apply
        return stream(q1, q2, tile or DEFAULT_TILE, want_gradient)[0]
