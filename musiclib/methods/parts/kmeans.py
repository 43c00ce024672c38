"""Spherical k-means: clusters by cosine, centroids on the unit sphere, no cluster left empty."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

CHUNK = 65536  # rows whose similarities to all centroids are held at a time


def _nearest(rows: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    best = [(part @ centroids.T).max(dim=1) for part in rows.split(CHUNK)]
    return torch.cat([b.values for b in best]), torch.cat([b.indices for b in best])


def _fill_empty(labels: Tensor, cosine: Tensor, clusters: int) -> Tensor:
    """Give every empty cluster the least typical member of what is then the largest one."""
    sizes = torch.bincount(labels, minlength=clusters)
    labels = labels.clone()
    for empty in (sizes == 0).nonzero().flatten().tolist():
        largest = int(sizes.argmax())
        member = int(torch.where(labels == largest, cosine, torch.inf).argmin())
        labels[member] = empty
        sizes[largest] -= 1
        sizes[empty] = 1
    return labels


@torch.no_grad()
def spherical_kmeans(
    rows: Float[Tensor, "n d"], clusters: int, generator: torch.Generator, iterations: int = 10
) -> tuple[Float[Tensor, "k d"], Int[Tensor, "n"]]:
    """Centroids (K, D) of norm one and the label of every row; labels are those the centroids were computed from.

    rows: unit vectors, N >= K. generator: on the CPU, draws the K distinct rows that start the iteration, whatever the
    device of the rows. Every cluster has a member: an empty one takes the least typical member of the largest
    cluster. Identical rows (a collapsed network) still give K non-empty clusters, with equal centroids. A centroid
    whose members cancel exactly is the zero vector.
    """
    if rows.dim() != 2 or not 1 <= clusters <= len(rows):
        raise ValueError(
            f"clusters: expected 1 <= clusters <= rows, got {clusters} clusters for rows of shape {tuple(rows.shape)}; "
            "use fewer prototypes or more training samples"
        )
    if iterations < 1:
        raise ValueError(f"iterations: expected an integer >= 1, got {iterations}")
    start = torch.randperm(len(rows), generator=generator)[:clusters]
    centroids = rows[start.to(rows.device)]
    for _ in range(iterations):
        cosine, labels = _nearest(rows, centroids)
        labels = _fill_empty(labels, cosine, clusters)
        sums = torch.zeros_like(centroids).index_add_(0, labels, rows)
        centroids = F.normalize(sums, dim=1)
    return centroids, labels
