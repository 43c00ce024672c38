"""What a loss needs to know about other processes: nothing but these few functions.

Convention of the whole library: every process computes the loss of the *global* batch, by gathering
what the loss needs (`gather_batch`) or by averaging what is already a batch mean (`mean_over_processes`);
each process runs backward on its own copy of that one scalar; `average_gradients` then leaves on every process the
parameter gradient that one process would have had on the concatenated batch. Why it comes out exactly: the backward of
both collectives sums over the W identical copies of the loss, and the final mean divides by W again.

Without an initialised process group every function is the identity, so single-process code pays nothing.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn


def world_size() -> int:
    """Number of processes that share the batch; 1 without an initialised process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Index of this process, 0 without an initialised process group."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def is_main() -> bool:
    """True on the one process that prints and writes files."""
    return rank() == 0


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.length = x.shape[0]
        parts = [torch.empty_like(x) for _ in range(world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        grad = grad.contiguous().clone()  # all_reduce works in place; the incoming gradient is not ours
        dist.all_reduce(grad)
        return grad[rank() * ctx.length : (rank() + 1) * ctx.length]


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        total = x.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        grad = grad.contiguous().clone()
        dist.all_reduce(grad)
        return grad


def gather_batch(x: Tensor) -> Tensor:
    """Rows of all processes, in rank order: (n, ...) -> (W n, ...). Differentiable: the backward sums over processes.

    Every process must hold the same number of rows (the training loop drops a last short batch for this reason).
    Traffic: n * (W - 1) rows received forward, one all-reduce of W n rows backward.
    """
    return _Gather.apply(x) if world_size() > 1 else x


def mean_over_processes(x: Tensor) -> Tensor:
    """Mean of a tensor over processes, differentiable; with equal shares it turns local batch means into global
    ones."""
    return _Sum.apply(x) / world_size() if world_size() > 1 else x


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


class _GlobalStatistics:
    """Mix-in for torch's batch normalisation: with several processes, normalise by the statistics of the global batch.

    torch's own SyncBatchNorm exists only for GPUs; this one uses the two collectives above, so it runs anywhere and is
    differentiated exactly. With one process, or in eval mode, torch's fused kernel is used unchanged.
    """

    def forward(self, x: Tensor) -> Tensor:
        if world_size() == 1 or not self.training:
            return super().forward(x)
        self._check_input_dim(x)
        wide = x if x.dtype == torch.float64 else x.float()
        axes = [d for d in range(x.dim()) if d != 1]
        count = wide.numel() // wide.shape[1] * world_size()
        # Two rounds, mean before squares, so that the variance does not suffer from cancellation.
        mean = mean_over_processes(wide.mean(axes))
        shape = [1, -1] + [1] * (x.dim() - 2)
        centred = wide - mean.view(shape)
        variance = mean_over_processes(centred.square().mean(axes))
        if self.track_running_stats:
            with torch.no_grad():
                self.num_batches_tracked += 1
                share = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked)
                self.running_mean.lerp_(mean.detach(), share)
                self.running_var.lerp_(variance.detach() * (count / max(count - 1, 1)), share)
        out = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out.to(x.dtype)


class BatchNorm1d(_GlobalStatistics, nn.BatchNorm1d):
    """Batch normalisation of (N, F) features over the global batch; see torch.nn.BatchNorm1d for the arguments."""


class BatchNorm2d(_GlobalStatistics, nn.BatchNorm2d):
    """Batch normalisation of (N, C, H, W) maps over the global batch; see torch.nn.BatchNorm2d for the arguments."""
