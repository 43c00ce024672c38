"""MoCo (version 2): a query against the slow network's key of the same sample and a queue of older keys.

    L = -log( exp(<q, k+> / tau) / (exp(<q, k+> / tau) + sum_{k in queue} exp(<q, k> / tau)) ),    |q| = |k| = 1
    slow network: theta_k <- m theta_k + (1 - m) theta_q after every step

He, Fan, Wu, Xie, Girshick 2019, arXiv 1911.05722 (equations 1 and 2); version 2 (projection head, tau = 0.2): Chen,
Fan, Girshick, He 2020, arXiv 2003.04297. The paper's loss is one-sided: view 1 asks, view 2 is the key. With
`symmetric` (on here, so that both views train the network as in every other method) it is the mean of both
directions, and the keys of both views enter the queue.

Shuffled batch normalisation is not done. It exists because, with batch statistics per GPU, a query and its key share
the statistics of a small group, which gives the pair away. Here statistics are those of the global batch (one group
for all samples, on one process or many), so a permutation between groups changes nothing; what remains of the leak is
that query and key are normalised with the same batch, as in public versions with synchronised statistics.

Public implementations disagree on the queue's start: most fill it with random unit vectors, which are easy
negatives for the first steps. Here only what has been enqueued counts: the first step has no negatives and a zero loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from musiclib.distributed import both_views, gather_batch, mean_over_processes
from musiclib.methods.base import Method, Output
from musiclib.methods.parts.momentum import follow, frozen_copy
from musiclib.methods.parts.numerics import check_pair, check_positive, check_views, check_widths, in_float32, wide
from musiclib.methods.parts.queue import RowQueue


@in_float32
def moco_loss(
    query: Float[Tensor, "n d"],
    key: Float[Tensor, "n d"],
    queue: Float[Tensor, "m d"],
    filled: Bool[Tensor, "m"] | None = None,
    temperature: float = 0.2,
) -> Float[Tensor, ""]:
    """Mean over the N >= 1 queries, in nats; rows of query and key are normalised here, rows of the queue are taken as
    they are. filled: which rows of the queue count (all by default). Gradient to `query` only.

    At collapse with m filled rows: log(1 + m). With no filled row: 0, and a zero gradient. Infimum 0 as tau -> 0.
    """
    check_pair(query, key, ("query", "key"), least=1)
    check_positive(temperature=temperature)
    if queue.dim() != 2 or queue.shape[1] != query.shape[1]:
        raise ValueError(f"queue: expected rows of width {query.shape[1]}, got shape {tuple(queue.shape)}")
    q, k = F.normalize(query, dim=1), F.normalize(key.detach(), dim=1)
    positive = (q * k).sum(dim=1, keepdim=True)
    negative = q @ queue.detach().to(q.dtype).T
    if filled is not None:
        negative = negative.masked_fill(~filled, float("-inf"))
    logits = torch.cat([positive, negative], dim=1) / temperature
    return (torch.logsumexp(logits, dim=1) - logits[:, 0]).mean()


@dataclass(frozen=True)
class MoCoOptions:
    """projector: the paper's 2048-128 (with batch normalisation in the hidden layer, which the paper's head lacks).
    temperature: 0.2, version 2. momentum: 0.99 suits runs of some thousand steps, the paper's 0.999 averages over
    more steps than such a run has epochs of. queue: 4096 rows for sets of some ten thousand images, the paper's
    65536 is for ImageNet; never longer than the training set. symmetric: see the module; the paper's is False."""

    projector: tuple[int, ...] = (2048, 128)
    temperature: float = 0.2
    momentum: float = 0.99
    queue: int = 4096
    symmetric: bool = True

    def __post_init__(self) -> None:
        check_widths("projector", self.projector)
        check_positive(temperature=self.temperature, queue=self.queue)
        if not 0.0 <= self.momentum <= 1.0:
            raise ValueError(f"momentum: expected a number in [0, 1], got {self.momentum}")


class MoCo(Method):
    """Encoder, projector, their slow copy (`teacher`) and a queue of its keys.

    Keys enter the queue in `after_step`, gathered over processes, so that the queue is the same on all of them and
    does not change while a backward pass still needs it.
    """

    def __init__(self, encoder: nn.Module, options: MoCoOptions, *, samples: int, steps: int) -> None:
        super().__init__(encoder, options, samples=samples, steps=steps)
        self.teacher = frozen_copy(nn.Sequential(self.encoder, self.projector))
        self.queue = RowQueue(min(options.queue, samples), options.projector[-1])
        self._new_keys: Tensor | None = None  # between forward and after_step only

    def forward(self, x1: Tensor, x2: Tensor, index: Tensor) -> Output:
        rows = check_views(x1, x2, index)
        z1, z2 = self.embed(x1, x2)
        with torch.no_grad():
            keys = both_views(x1, x2, self.teacher) if self.options.symmetric else (self.teacher(x2),)
            keys = [wide(key) for key in keys]
        known, filled, tau = self.queue.rows, self.queue.filled(), self.options.temperature
        loss = moco_loss(z1, keys[-1], known, filled, tau)
        if self.options.symmetric:
            loss = (loss + moco_loss(z2, keys[0], known, filled, tau)) / 2
        loss = mean_over_processes(loss, rows)
        self._new_keys = torch.cat([F.normalize(gather_batch(k, rows), dim=1) for k in keys])
        return Output(loss, {"contrast": loss.detach()}, z1.detach(), z2.detach())

    def after_step(self, step: int) -> None:
        follow(self.teacher, nn.Sequential(self.encoder, self.projector), self.options.momentum)
        if self._new_keys is not None:
            self.queue.push(self._new_keys)
            self._new_keys = None
