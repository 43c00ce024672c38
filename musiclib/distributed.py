"""What a loss needs to know about other processes: nothing but these few functions.

Convention of the whole library: every process computes the loss of the *global* batch, by gathering
what the loss needs (`gather_batch`) or by averaging what is already a batch mean (`mean_over_processes`);
each process runs backward on its own copy of that one scalar; `average_gradients` then leaves on every process the
parameter gradient that one process would have had on the concatenated batch. Why it comes out exactly: the backward of
both collectives sums over the W identical copies of the loss, and the final mean divides by W again.

Processes may hold different numbers of rows. `count_rows` tells everybody who holds how many, in one message of one
integer a process, before anything whose size depends on them is sent; gathers are padded and means weighted by it, so
that the result stays that of the global batch.

Without an initialised process group, or with group="local", every function is the identity and sends nothing.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Group = dist.ProcessGroup | str | None if dist.is_available() else str | None
"""Who shares a batch: None, all processes; "local", this one alone; or a process group that this process is in."""


def _size(group: Group) -> int:
    if group == "local" or not (dist.is_available() and dist.is_initialized()):
        return 1
    return dist.get_world_size(group)


def world_size() -> int:
    """Number of processes that share the batch; 1 without an initialised process group."""
    return _size(None)


def rank() -> int:
    """Index of this process, 0 without an initialised process group."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def is_main() -> bool:
    """True on the one process that prints and writes files."""
    return rank() == 0


def check_group(group: Group) -> Group:
    """`group`, or ValueError if it is neither None, "local" nor a process group that this process belongs to."""
    known = group is None or group == "local"
    if not known and not (dist.is_available() and isinstance(group, dist.ProcessGroup)):
        raise ValueError(f"group: expected None (all processes), 'local' or a torch.distributed group, got {group!r}")
    return group


SMALL = 2**16
"""Numbers of all processes together up to which a sum is sent as a gather, see `_added_up`."""


@dataclass(frozen=True)
class Rows:
    """Who holds which rows of a global batch: `counts[r]` rows lie on process r of `group`; this one is `rank`."""

    counts: tuple[int, ...]
    rank: int = 0
    group: dist.ProcessGroup | None = None

    @property
    def total(self) -> int:
        """Rows of the global batch."""
        return sum(self.counts)

    @property
    def mine(self) -> slice:
        """Where this process's rows lie in the global batch."""
        first = sum(self.counts[: self.rank])
        return slice(first, first + self.counts[self.rank])


def count_rows(x: Tensor, group: Group | Rows = None) -> Rows:
    """How many rows of a batch every process holds: one message of one integer a process, none for one process.

    x: this process's rows (n, ...); what is no tensor with rows counts as none. group: see `Group`; what an earlier
    call returned for these rows is passed through. Every process of the group has to call it, and all return or all
    raise: ValueError if one of them has no rows. On an accelerator the host waits for the answer.
    """
    if isinstance(group, Rows):
        return group
    has_rows = isinstance(x, Tensor) and x.dim() > 0
    size, own = _size(group), x.shape[0] if has_rows else 0
    if size == 1:
        return Rows((own,))
    mine = torch.tensor([own], device=x.device if has_rows else None)
    counts = [torch.empty_like(mine) for _ in range(size)]
    dist.all_gather(counts, mine, group=group)
    rows = Rows(tuple(torch.cat(counts).tolist()), dist.get_rank(group), group)
    if 0 in rows.counts:
        raise ValueError(f"batch: every process needs one row at least, process by process they have {rows.counts}")
    return rows


def _added_up(x: Tensor, group: dist.ProcessGroup | None = None) -> Tensor:
    """Sum of a tensor over processes, bit for bit the same on all of them.

    gloo reduces in several rounds, of which each costs as much as the one in which it gathers; so small tensors are
    gathered and added here.
    """
    size = dist.get_world_size(group)
    if x.numel() * size > SMALL:
        total = x.contiguous().clone()  # all_reduce works in place
        dist.all_reduce(total, group=group)
        return total
    parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(size)]
    dist.all_gather(parts, x.contiguous(), group=group)
    return torch.stack(parts).sum(0)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, rows: Rows) -> Tensor:
        ctx.rows = rows
        longest, own = max(rows.counts), x.shape[0]
        x = x.contiguous() if own == longest else torch.cat([x, x.new_zeros(longest - own, *x.shape[1:])])
        parts = [torch.empty_like(x) for _ in rows.counts]
        dist.all_gather(parts, x, group=rows.group)
        return torch.cat([part[:count] for part, count in zip(parts, rows.counts, strict=True)])

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return _Sum.apply(grad, ctx.rows.group)[ctx.rows.mine], None


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        ctx.group = group
        return _added_up(x, group)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return _Sum.apply(grad, ctx.group), None


def gather_batch(x: Tensor, group: Group | Rows = None) -> Tensor:
    """Rows of all processes, in rank order: (n, ...) -> (all n, ...). Differentiable: the backward sums over processes.

    group: see `Group`, or what `count_rows` returned, which saves its message. Traffic: the other processes' rows
    forward, each process's padded to the longest; one all-reduce of all rows backward.
    """
    rows = count_rows(x, group)
    return _Gather.apply(x, rows) if len(rows.counts) > 1 else x


def mean_over_processes(x: Tensor, rows: Rows) -> Tensor:
    """Mean of a tensor over processes, each weighted by its rows, so that local batch means become the global one.

    rows: what `count_rows` returned. Differentiable.
    """
    return _Sum.apply(x * (rows.counts[rows.rank] / rows.total), rows.group) if len(rows.counts) > 1 else x


@torch.no_grad()
def average_gradients(module: nn.Module) -> None:
    """Replace every `.grad` of `module` by its mean over processes: one all-reduce of one flat buffer.

    A parameter without a gradient here (frozen, or unused by this loss) has none on any process and is left alone.
    """
    if world_size() == 1:
        return
    grads = [p.grad for p in module.parameters() if p.grad is not None]
    if not grads:
        return
    wide = torch.float64 if any(g.dtype == torch.float64 for g in grads) else torch.float32  # also for half gradients
    flat = torch.cat([g.reshape(-1).to(wide) for g in grads])
    dist.all_reduce(flat)
    flat /= world_size()
    for grad, part in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
        grad.copy_(part.view_as(grad))


@torch.no_grad()
def broadcast_state(module: nn.Module) -> None:
    """Give every process the parameters and buffers of process 0, so that all start from the same network."""
    if world_size() > 1:
        for tensor in module.state_dict().values():
            dist.broadcast(tensor, src=0)


# Into how many parts of equal size the rows of a batch fall that batch normalisation is to keep apart.
_PARTS: ContextVar[int] = ContextVar("parts", default=1)


def _scale_and_shift(x: Tensor, statistics: tuple[Tensor, Tensor, float], weight: Tensor, bias: Tensor, out: Tensor):
    """(x - mean) / sqrt(variance + eps) * weight + bias into `out`, in one pass; statistics: mean, variance, eps."""
    mean, variance, eps = statistics
    nothing = mean.new_empty(2, 0)
    buffers = {"save_mean": nothing[0], "save_invstd": nothing[1]}
    torch.ops.aten.native_batch_norm.out(x, weight, bias, mean, variance, False, 0.0, eps, out=out, **buffers)


class _Normalise(torch.autograd.Function):
    """(x - mean) / sqrt(variance + eps) * weight + bias over the global batch, and the statistics that it took.

    One message a direction: local (mean, variance, count) forward, pooled without the cancellation of E x^2 - (E x)^2;
    the sums of dy and of dy (x - mean) / sqrt(variance + eps) backward. All passes over x are torch's own kernels.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, parts: int):
        c = x.shape[1]
        # The kernel keeps its results in the precision of the running statistics that it is given.
        unused = torch.zeros(2, c, device=x.device, dtype=torch.promote_types(x.dtype, torch.float32))
        local = [torch.batch_norm_update_stats(part, *unused, 0.0) for part in x.chunk(parts)]
        count = unused.new_full((1,), x.numel() // (c * parts))
        message = torch.stack([torch.cat([*statistics, count]) for statistics in local])  # (parts, C + C + 1)
        messages = [torch.empty_like(message) for _ in range(world_size())]
        dist.all_gather(messages, message)
        means, variances, counts = torch.stack(messages).split([c, c, 1], dim=2)  # (processes, parts, C or 1)
        count = counts.sum(0)
        mean = (means * counts).sum(0) / count
        variance = ((variances + (means - mean).square()) * counts).sum(0) / count
        scale = unused[0] + 1 if weight is None else weight.to(mean.dtype)
        shift = unused[0] if bias is None else bias.to(mean.dtype)
        out = torch.empty_like(x)
        for part, m, v, o in zip(x.chunk(parts), mean, variance, out.chunk(parts), strict=True):
            _scale_and_shift(part, (m, v, eps), scale, shift, o)
        ctx.save_for_backward(x, scale, mean, variance, count)
        ctx.eps, ctx.affine = eps, weight is not None
        ctx.mark_non_differentiable(mean, variance, count)
        return out, mean, variance, count

    @staticmethod
    def backward(ctx, grad: Tensor, *_: Tensor):
        if torch.is_grad_enabled():
            raise RuntimeError("create_graph: batch normalisation over several processes has a first derivative only")
        x, scale, mean, variance, count = ctx.saved_tensors
        sums = torch.empty(2, *mean.shape, dtype=mean.dtype, device=x.device)  # (2, parts, C)
        pieces = list(zip(grad.chunk(len(mean)), x.chunk(len(mean)), mean, variance, strict=True))
        for i, (dy, part, m, v) in enumerate(pieces):
            arguments = (dy, part, scale, m, v, None, None, False, ctx.eps, [False, True, True])
            _, sums[0, i], sums[1, i] = torch.ops.aten.native_batch_norm_backward(*arguments)
        to_parameters = sums.sum(1) if ctx.affine else (None, None)
        means = _added_up(sums) / -count
        factor = scale * torch.rsqrt(variance + ctx.eps)
        zero, one = torch.zeros_like(scale), torch.ones_like(scale)
        out = torch.empty_like(x)
        for i, ((dy, part, m, v), o) in enumerate(zip(pieces, out.chunk(len(mean)), strict=True)):
            inner = torch.empty_like(part)
            _scale_and_shift(part, (m, v, ctx.eps), means[0, i], means[1, i], inner)
            _scale_and_shift(inner.add_(dy), (zero, one, 0.0), factor[i], zero, o)
        return out, *to_parameters, None, None


class _GlobalStatistics:
    """Mix-in for torch's batch normalisation: with several processes, normalise by the statistics of the global batch.

    torch's own SyncBatchNorm exists only for GPUs; this one runs anywhere, on shares of any size. With one process, or
    in eval mode, torch's fused kernel is used unchanged.
    """

    def forward(self, x: Tensor) -> Tensor:
        if world_size() == 1 or not self.training:
            return super().forward(x)
        self._check_input_dim(x)
        out, means, variances, counts = _Normalise.apply(x, self.weight, self.bias, self.eps, _PARTS.get())
        if self.track_running_stats:
            with torch.no_grad():
                for mean, variance, count in zip(means, variances, counts, strict=True):
                    self.num_batches_tracked += 1
                    share = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked)
                    self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
                    unbiased = variance * (count / (count - 1).clamp_min(1))
                    self.running_var.lerp_(unbiased.to(self.running_var.dtype), share)
        return out


class BatchNorm1d(_GlobalStatistics, nn.BatchNorm1d):
    """Batch normalisation of (N, F) features over the global batch; see torch.nn.BatchNorm1d for the arguments."""


class BatchNorm2d(_GlobalStatistics, nn.BatchNorm2d):
    """Batch normalisation of (N, C, H, W) maps over the global batch; see torch.nn.BatchNorm2d for the arguments."""


def both_views(x1: Tensor, x2: Tensor, *networks: nn.Module) -> tuple[Tensor, Tensor]:
    """The networks, one after the other, on two views (N, ...) of the same samples: what each view alone would give.

    One process runs them on one view and then on the other. Several run them on both at once, with statistics kept
    apart, so that every batch normalisation of this module sends one message for two; other layers must treat rows
    one by one. A network with another kind of batch normalisation is run view by view, and so are views of two sizes.
    """
    normalisations = [m for network in networks for m in network.modules() if isinstance(m, _BatchNorm)]
    ours = all(isinstance(m, _GlobalStatistics) for m in normalisations)
    if world_size() == 1 or not ours or x1.shape != x2.shape:
        return _chain(x1, networks), _chain(x2, networks)
    token = _PARTS.set(2)
    try:
        z = _chain(torch.cat([x1, x2]), networks)
    finally:
        _PARTS.reset(token)
    return z[: len(x1)], z[len(x1) :]


def _chain(x: Tensor, networks: tuple[nn.Module, ...]) -> Tensor:
    for network in networks:
        x = network(x)
    return x
