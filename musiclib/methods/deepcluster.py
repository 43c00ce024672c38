"""DeepCluster (version 2): cluster the stored embeddings before each epoch, then predict each sample's cluster.

    before the epoch:  c_1..c_K, y = spherical k-means of the stored embeddings, once a head
    L = -(1/N) sum_n log softmax_k(<z_n, c_k> / tau)[y_n],      mean over heads and over both views

Caron, Bojanowski, Joulin, Douze 2018, arXiv 1807.05520; version 2 (embeddings on the sphere, centroids as the
classifier's frozen weights, embeddings stored during the epoch instead of a second pass): the appendix of SwAV,
arXiv 2006.09882. Odd heads cluster the embeddings of view 2, even heads those of view 1.

The first epoch. The memory is empty then; the authors' code fills it by a pass over the set with the initial network.
The training loop here gives no such pass, so in epoch 0 the prototypes are random unit vectors and the label of a
sample is the largest entry of a Sinkhorn code over the batch: balanced, so that the first epoch cannot collapse. From
epoch 1 on the labels are k-means alone. A sample that was not seen in the previous epoch has no label and does not
count.

Public implementations disagree on who clusters: each process its own shard and a reduction, or (here) the gathered
memory on every process with one seed, process 0's result shared.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from musiclib.distributed import gather_batch
from musiclib.methods.base import Method, Output
from musiclib.methods.parts.kmeans import spherical_kmeans
from musiclib.methods.parts.memory import EmbeddingMemory
from musiclib.methods.parts.numerics import check_positive, check_views, check_widths, wide
from musiclib.methods.parts.prototypes import UNLABELLED, cosine_scores, heads_cross_entropy, random_prototypes
from musiclib.methods.parts.sinkhorn import sinkhorn


def deepcluster_loss(
    z1: Float[Tensor, "n d"],
    z2: Float[Tensor, "n d"],
    prototypes: Float[Tensor, "h k d"],
    labels: Int[Tensor, "h n"],
    temperature: float = 0.1,
) -> Float[Tensor, ""]:
    """Cross-entropy of both views against one label a head and sample, in nats; mean over heads H and views.
    Gradient to the embeddings only.

    At collapse onto a point equally far from all prototypes: log K. The infimum is 0 as tau -> 0. A sample with the
    label -100 does not count.
    """
    return heads_cross_entropy(z1, z2, prototypes.detach(), labels, temperature)


@dataclass(frozen=True)
class DeepClusterOptions:
    """projector: the paper's 2048-128. heads, prototypes: three clusterings as in the paper, of 512 clusters for small
    sets (3000 for ImageNet). temperature, iterations (of k-means): the paper's. epsilon: Sinkhorn in epoch 0."""

    projector: tuple[int, ...] = (2048, 128)
    heads: int = 3
    prototypes: int = 512
    temperature: float = 0.1
    iterations: int = 10
    epsilon: float = 0.05

    def __post_init__(self) -> None:
        check_widths("projector", self.projector)
        check_positive(heads=self.heads, prototypes=self.prototypes, temperature=self.temperature)
        check_positive(iterations=self.iterations, epsilon=self.epsilon)


class DeepCluster(Method):
    """Encoder, projector, a memory of embeddings, and per head frozen prototypes and labels (buffers)."""

    prototypes: Tensor
    labels: Tensor
    clustered: Tensor
    seed: Tensor

    def __init__(self, encoder: nn.Module, options: DeepClusterOptions, *, samples: int, steps: int) -> None:
        super().__init__(encoder, options, samples=samples, steps=steps)
        if options.prototypes > samples:
            raise ValueError(f"prototypes: {options.prototypes} for {samples} training samples; use at most {samples}")
        width = options.projector[-1]
        self.memory = EmbeddingMemory(samples, width)
        shape = (options.heads, options.prototypes, width)
        self.register_buffer("prototypes", random_prototypes(shape[0] * shape[1], width).view(shape))
        self.register_buffer("labels", torch.full((options.heads, samples), UNLABELLED))
        self.register_buffer("clustered", torch.zeros((), dtype=torch.bool))
        self.register_buffer("seed", torch.randint(2**31, ()))  # of k-means; drawn with the initial weights

    @torch.no_grad()
    def before_epoch(self, epoch: int) -> None:
        """Cluster the embeddings stored so far; keep the random prototypes while fewer samples than clusters were
        seen."""
        if int(self.memory.seen.sum()) < self.options.prototypes:
            return
        for head in range(self.options.heads):
            generator = torch.Generator().manual_seed(int(self.seed) + epoch * self.options.heads + head)
            rows = self.memory.read(head % 2)
            centroids, labels = spherical_kmeans(rows, self.options.prototypes, generator, self.options.iterations)
            # Sums on a GPU are not bitwise repeatable, so process 0 decides.
            self.prototypes[head] = gather_batch(centroids)[: len(centroids)]
            self.labels[head] = UNLABELLED
            self.labels[head, self.memory.seen] = gather_batch(labels)[: len(labels)]
        self.memory.seen.fill_(False)
        self.clustered.fill_(True)

    def forward(self, x1: Tensor, x2: Tensor, index: Tensor) -> Output:
        rows = check_views(x1, x2, index)
        z1, z2 = self.embed(x1, x2)
        all1, all2 = gather_batch(wide(z1), rows), gather_batch(wide(z2), rows)
        known = self.labels[:, gather_batch(index, rows)]
        labels = torch.where(self.clustered, known, self._balanced_labels(all1, all2))
        loss = deepcluster_loss(all1, all2, self.prototypes, labels, self.options.temperature)
        self.memory.write(index, z1, z2, rows)
        return Output(loss, {"cluster": loss.detach()}, z1.detach(), z2.detach())

    @torch.no_grad()
    def _balanced_labels(self, z1: Tensor, z2: Tensor) -> Tensor:
        views = (z1, z2)
        scores = [cosine_scores(views[head % 2], c) for head, c in enumerate(self.prototypes)]
        return torch.stack([sinkhorn(s, self.options.epsilon).argmax(dim=1) for s in scores])  # (H, N)
