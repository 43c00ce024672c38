"""SwAV: predict the cluster code of one view from the other view, codes balanced by Sinkhorn over the batch.

    p_nk = softmax_k(<z_n, c_k> / tau);    Q = Sinkhorn of the scores of one view, epsilon = 0.05, 3 iterations
    L = ( -(1/N) sum_nk Q2_nk log p1_nk  -  (1/N) sum_nk Q1_nk log p2_nk ) / 2         (equations 2 to 5)

z and the learned prototypes c on the unit sphere. Caron, Misra, Mairal, Goyal, Bojanowski, Joulin 2020, arXiv
2006.09882. Two views, no multi-crop: the loop gives every method the same two views.

Public implementations disagree on the scale (the authors' code averages the two directions, the paper's equation 1
adds them; averaged here), and on several processes: Sinkhorn here runs on the scores of the global batch. The queue
of older embeddings, which the paper needs where the batch is smaller than the number of prototypes, starts empty,
begins to fill at epoch `queue_start`, and takes part in the balance with as many rows as it has (the authors' code
waits until it is full). It is an epoch and no share of the run: embeddings of a network that still moves fast spoil the
balance, and a run that ends before that epoch is better off without them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from musiclib.distributed import gather_batch
from musiclib.methods.base import Method, Output
from musiclib.methods.parts.numerics import check_positive, check_views, check_widths, wide
from musiclib.methods.parts.prototypes import code_cross_entropy, cosine_scores, random_prototypes
from musiclib.methods.parts.queue import RowQueue
from musiclib.methods.parts.sinkhorn import sinkhorn


def swav_loss(
    scores1: Float[Tensor, "n k"],
    scores2: Float[Tensor, "n k"],
    codes1: Float[Tensor, "n k"],
    codes2: Float[Tensor, "n k"],
    temperature: float = 0.1,
) -> Float[Tensor, ""]:
    """Swapped prediction, in nats; gradient to the scores only. scores: cosines; codes: rows that sum to one.

    Never below the mean entropy of the codes, which is reached where both predictions equal the swapped codes. At
    collapse (all samples alike) Sinkhorn's codes are uniform and the loss is at least log K.
    """
    forth = code_cross_entropy(scores1, codes2, temperature)
    back = code_cross_entropy(scores2, codes1, temperature)
    return (forth + back) / 2


@dataclass(frozen=True)
class SwAVOptions:
    """projector: the paper's 2048-128. prototypes: 512 for small sets, the paper's 3000 is for ImageNet. temperature,
    epsilon, iterations: the paper's. queue: rows per view, the paper's 3840 for batches of 256; 0 for none;
    queue_start: epochs without it, the paper's 15. frozen_epochs: the prototypes do not learn in the first epoch, as in
    the paper."""

    projector: tuple[int, ...] = (2048, 128)
    prototypes: int = 512
    temperature: float = 0.1
    epsilon: float = 0.05
    iterations: int = 3
    queue: int = 3840
    queue_start: int = 15
    frozen_epochs: int = 1

    def __post_init__(self) -> None:
        check_widths("projector", self.projector)
        check_positive(prototypes=self.prototypes, temperature=self.temperature, epsilon=self.epsilon)
        check_positive(iterations=self.iterations)
        if self.queue < 0 or self.queue_start < 0 or self.frozen_epochs < 0:
            raise ValueError(
                "queue, queue_start, frozen_epochs: expected numbers >= 0, got "
                f"{self.queue}, {self.queue_start}, {self.frozen_epochs}"
            )


class SwAV(Method):
    """Encoder, projector, learned prototypes (a parameter) and, where asked for, one queue of embeddings a view."""

    epoch: Tensor

    def __init__(self, encoder: nn.Module, options: SwAVOptions, *, samples: int, steps: int) -> None:
        super().__init__(encoder, options, samples=samples, steps=steps)
        width = options.projector[-1]
        self.prototypes = nn.Parameter(random_prototypes(options.prototypes, width))
        length = min(options.queue, samples)
        self.queues = nn.ModuleList([RowQueue(length, width) for _ in range(2)] if length else [])
        self.register_buffer("epoch", torch.zeros((), dtype=torch.long))
        self.register_load_state_dict_post_hook(lambda method, _: method.before_epoch(int(method.epoch)))
        self.before_epoch(0)
        self._new_rows: list[Tensor] = []  # between forward and after_step only

    def before_epoch(self, epoch: int) -> None:
        self.epoch.fill_(epoch)
        self._queueing = bool(self.queues) and epoch >= self.options.queue_start  # beside the buffer: no wait for it

    def forward(self, x1: Tensor, x2: Tensor, index: Tensor) -> Output:
        rows = check_views(x1, x2, index)
        z1, z2 = self.embed(x1, x2)
        # A gate on the gradient rather than a branch: no wait for the device, and a gradient on every process.
        gate = (self.epoch >= self.options.frozen_epochs).to(self.prototypes.dtype)
        c = self.prototypes.detach() + gate * (self.prototypes - self.prototypes.detach())
        all1, all2 = gather_batch(wide(z1), rows), gather_batch(wide(z2), rows)
        scores1, scores2 = cosine_scores(all1, c), cosine_scores(all2, c)
        codes1, codes2 = self._codes(scores1, 0), self._codes(scores2, 1)
        loss = swav_loss(scores1, scores2, codes1, codes2, self.options.temperature)
        self._new_rows = [F.normalize(z.detach(), dim=1) for z in (all1, all2)]
        return Output(loss, {"swapped": loss.detach()}, z1.detach(), z2.detach())

    @torch.no_grad()
    def _codes(self, scores: Tensor, view: int) -> Tensor:
        batch = len(scores)
        rows = torch.ones(batch, dtype=torch.bool, device=scores.device)
        if self._queueing:
            queue = self.queues[view]
            scores = torch.cat([scores, cosine_scores(queue.rows, self.prototypes)])
            rows = torch.cat([rows, queue.filled()])
        codes = sinkhorn(scores, self.options.epsilon, self.options.iterations, rows)
        return codes[:batch]

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        self.prototypes.copy_(F.normalize(self.prototypes, dim=1))
        if self._new_rows and self._queueing:
            for queue, rows in zip(self.queues, self._new_rows, strict=True):
                queue.push(rows)
        self._new_rows = []
