"""Clustering scores against labels: of the hard codes of MUSIC, segment by segment, and of k-means on features."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from torch import Tensor


def hungarian_accuracy(clusters: Int[Tensor, "n"], labels: Int[Tensor, "n"]) -> float:
    """Accuracy of the best one-to-one map from clusters to labels, in [0, 1].

    With more clusters than labels (or fewer), the members of the unmatched ones count as errors: K units cannot be
    better than the K labels that they can name. Both may be any integers.
    """
    _, a = np.unique(np.asarray(clusters), return_inverse=True)
    _, b = np.unique(np.asarray(labels), return_inverse=True)
    if a.shape != b.shape or a.size == 0:
        raise ValueError(f"clusters {a.shape} and labels {b.shape}: one of each a sample, at least one sample")
    table = np.zeros((a.max() + 1, b.max() + 1), dtype=np.int64)
    np.add.at(table, (a, b), 1)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / a.size)


def cluster_scores(clusters: Int[Tensor, "n"], labels: Int[Tensor, "n"]) -> dict[str, float]:
    """nmi (mutual information over the mean of the entropies, in [0, 1]), ari (adjusted Rand index, 0 in
    expectation for random clusters of the same sizes, at most 1) and accuracy (`hungarian_accuracy`)."""
    a, b = np.asarray(clusters), np.asarray(labels)
    return {
        "nmi": float(normalized_mutual_info_score(b, a)),
        "ari": float(adjusted_rand_score(b, a)),
        "accuracy": hungarian_accuracy(clusters, labels),
    }


def segment_scores(codes: Int[Tensor, "n s"], labels: Int[Tensor, "n"]) -> dict[str, list[float]]:
    """`cluster_scores` of every segment's hard code: name -> S values. Picking the best segment uses the labels:
    say so, and pick it on other samples than those that are reported."""
    if codes.dim() != 2 or len(codes) != len(labels):
        raise ValueError(f"codes {tuple(codes.shape)}, labels {tuple(labels.shape)}: expected (N, S) and (N,)")
    rows = [cluster_scores(codes[:, s], labels) for s in range(codes.shape[1])]
    return {name: [row[name] for row in rows] for name in rows[0]}


def kmeans(
    train: Float[Tensor, "n f"], test: Float[Tensor, "m f"], clusters: int, *, seed: int = 0, starts: int = 3
) -> Int[Tensor, "m"]:
    """Clusters of `test` under k-means fitted on `train`, both at unit length (so that it is the cosine that counts);
    the best of `starts` k-means++ starts."""
    if not 1 <= clusters <= len(train):
        raise ValueError(f"clusters={clusters}: between 1 and the {len(train)} training samples")
    model = KMeans(clusters, n_init=starts, random_state=seed).fit(F.normalize(train, dim=1).numpy())
    return torch.from_numpy(model.predict(F.normalize(test, dim=1).numpy())).long()


def evaluate_clusters(
    train: Float[Tensor, "n f"],
    test: Float[Tensor, "m f"],
    test_y: Int[Tensor, "m"],
    *,
    train_y: Int[Tensor, "n"] | None = None,
    train_codes: Int[Tensor, "n s"] | None = None,
    test_codes: Int[Tensor, "m s"] | None = None,
    split: str = "test",
    seed: int = 0,
) -> dict[str, float]:
    """All clustering metrics of a run, as fractions: 'kmeans/<split>/nmi', .../ari, .../accuracy with as many
    clusters as there are labels; with test_codes the mean over segments as 'segments/<split>/...'; with train_codes
    and train_y also 'best_segment/<split>/...' of the segment of the highest NMI on the training samples."""
    found = cluster_scores(kmeans(train, test, len(torch.unique(test_y)), seed=seed), test_y)
    metrics = {f"kmeans/{split}/{name}": value for name, value in found.items()}
    if test_codes is None:
        return metrics
    by_segment = segment_scores(test_codes, test_y)
    metrics |= {f"segments/{split}/{name}": float(np.mean(values)) for name, values in by_segment.items()}
    if train_codes is not None and train_y is not None:
        best = int(np.argmax([normalized_mutual_info_score(train_y, c) for c in train_codes.T.numpy()]))
        metrics |= {f"best_segment/{split}/{name}": values[best] for name, values in by_segment.items()}
    return metrics
