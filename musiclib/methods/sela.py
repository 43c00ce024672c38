"""SeLa (version 2 style): label the whole set by optimal transport before each epoch, then learn the labels.

    before the epoch:  y = argmax_k of Sinkhorn over ALL stored scores <z_n, c_k>, each label used N / K times
    L = -(1/N) sum_n log softmax_k(<z_n, c_k> / tau)[y_n],      mean over heads and over both views

Asano, Rupprecht, Vedaldi 2020, arXiv 1911.05371: labels from a self-labelling step over the whole set under an equal
partition, alternating with training of network and classifier. What makes it "version 2 style" is what SwAV's authors
changed when they re-ran it as a peer (arXiv 2006.09882, appendix): a projection head onto the sphere, cosine
prototypes with a temperature, several heads, and no separate pass over the set for the labelling.

It differs from its neighbours in one thing each. DeepCluster: prototypes are learned by gradient and labels are
balanced, instead of k-means centroids. SwAV: hard labels shared by both views and balanced over the whole set,
instead of soft codes swapped between views and balanced over a batch.

Online part: scores come from embeddings stored while training, so a label is at most one epoch old. In epoch 0,
before anything is stored, labels come from Sinkhorn over the batch. Memory of the labelling: a few times
4 * samples * prototypes bytes (50,000 x 512: 100 MB each).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from musiclib.distributed import gather_batch
from musiclib.methods.base import Method, Output
from musiclib.methods.parts.memory import EmbeddingMemory
from musiclib.methods.parts.numerics import check_positive, check_views, check_widths, wide
from musiclib.methods.parts.prototypes import UNLABELLED, cosine_scores, heads_cross_entropy, random_prototypes
from musiclib.methods.parts.sinkhorn import sinkhorn


def sela_loss(
    z1: Float[Tensor, "n d"],
    z2: Float[Tensor, "n d"],
    prototypes: Float[Tensor, "h k d"],
    labels: Int[Tensor, "h n"],
    temperature: float = 0.1,
) -> Float[Tensor, ""]:
    """Cross-entropy of both views against one label a head and sample, in nats; gradient to prototypes too.

    With balanced labels, collapse costs at least log K: one prediction for all samples cannot do better than the
    uniform one. The infimum is 0 as tau -> 0. A sample with the label -100 does not count.
    """
    return heads_cross_entropy(z1, z2, prototypes, labels, temperature)


@dataclass(frozen=True)
class SeLaOptions:
    """projector: SwAV's 2048-128. heads: SeLa's best models use 10 labellings, 3 here as in DeepCluster (version 2).
    prototypes: 512 for small sets (3000 for ImageNet). temperature: SwAV's. epsilon, iterations: of Sinkhorn over
    the whole set; SwAV's 0.05, and enough iterations for columns to be balanced to a few per cent."""

    projector: tuple[int, ...] = (2048, 128)
    heads: int = 3
    prototypes: int = 512
    temperature: float = 0.1
    epsilon: float = 0.05
    iterations: int = 30

    def __post_init__(self) -> None:
        check_widths("projector", self.projector)
        check_positive(heads=self.heads, prototypes=self.prototypes, temperature=self.temperature)
        check_positive(iterations=self.iterations, epsilon=self.epsilon)


class SeLa(Method):
    """Encoder, projector, learned prototypes per head (a parameter), a memory of embeddings and labels (buffers)."""

    labels: Tensor
    labelled: Tensor

    def __init__(self, encoder: nn.Module, options: SeLaOptions, *, samples: int, steps: int) -> None:
        super().__init__(encoder, options, samples=samples, steps=steps)
        if options.prototypes > samples:
            raise ValueError(f"prototypes: {options.prototypes} for {samples} training samples; use at most {samples}")
        width = options.projector[-1]
        flat = random_prototypes(options.heads * options.prototypes, width)
        self.prototypes = nn.Parameter(flat.view(options.heads, options.prototypes, width))
        self.memory = EmbeddingMemory(samples, width)
        self.register_buffer("labels", torch.full((options.heads, samples), UNLABELLED))
        self.register_buffer("labelled", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def before_epoch(self, epoch: int) -> None:
        """Label every sample that was seen since the last labelling; nothing while none has been."""
        if not bool(self.memory.seen.any()):
            return
        for head, c in enumerate(self.prototypes):
            labels = self._balanced_labels(self.memory.read(head % 2), c)
            self.labels[head] = UNLABELLED
            # Sums on a GPU are not bitwise repeatable, so process 0 decides.
            self.labels[head, self.memory.seen] = gather_batch(labels)[: len(labels)]
        self.memory.seen.fill_(False)
        self.labelled.fill_(True)

    def forward(self, x1: Tensor, x2: Tensor, index: Tensor) -> Output:
        rows = check_views(x1, x2, index)
        z1, z2 = self.embed(x1, x2)
        all1, all2 = gather_batch(wide(z1), rows), gather_batch(wide(z2), rows)
        of_batch = torch.stack(
            [self._balanced_labels((all1, all2)[head % 2], c) for head, c in enumerate(self.prototypes)]
        )  # (H, N), for epoch 0
        labels = torch.where(self.labelled, self.labels[:, gather_batch(index, rows)], of_batch)
        loss = sela_loss(all1, all2, self.prototypes, labels, self.options.temperature)
        self.memory.write(index, z1, z2, rows)
        return Output(loss, {"label": loss.detach()}, z1.detach(), z2.detach())

    @torch.no_grad()
    def _balanced_labels(self, z: Tensor, prototypes: Tensor) -> Tensor:
        return sinkhorn(cosine_scores(z, prototypes), self.options.epsilon, self.options.iterations).argmax(dim=1)

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        self.prototypes.copy_(F.normalize(self.prototypes, dim=2))
