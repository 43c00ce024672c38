"""Hard codes as hash codes, and how to make codes of the same size from features that know no segments.

A code of S segments of K units is a hash of S log2 K bits; two images are as similar as the number of segments in
which they agree. To put a method without segments on the same scale its features are product-quantised (Jegou, Douze
and Schmid, "Product quantization for nearest neighbor search", PAMI 2011): S groups of features, K centroids in each.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Int64
from sklearn.cluster import KMeans
from torch import Tensor


def quantised_codes(
    train: Float[Tensor, "n d"], others: Float[Tensor, "m d"], segments: int, units: int, *, seed: int = 0
) -> Int64[Tensor, "m s"]:
    """Codes (M, S) in 0..K-1 of `others`: product quantisation fitted on `train`, which no label enters.

    Features are standardised and rotated to principal components; component j goes to segment j mod S (so that every
    segment has one of the S strongest), at most 8 to each, and K centroids are fitted to each group. Components are not
    rescaled. Needs at least S features of rank and K training samples.
    """
    if not 1 <= segments <= min(train.shape) or not 2 <= units <= len(train):
        raise ValueError(
            f"segments={segments}, units={units}: expected 1 <= S <= {min(train.shape)} (features and samples) and "
            f"2 <= K <= {len(train)} training samples"
        )
    mean, scale = train.mean(0), train.std(0, correction=0)
    scale = torch.where(scale > 1e-6 * mean.abs() + 1e-12, scale, torch.ones_like(scale))
    a, b = ((x - mean) / scale for x in (train, others))
    covariance = a.double().T @ a.double() / len(a)
    axes = torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, : 8 * segments].to(a.dtype)  # strongest first
    a, b = a @ axes, b @ axes
    columns = []
    for s in range(segments):
        model = KMeans(units, n_init=1, random_state=seed).fit(a[:, s::segments].numpy())
        columns.append(torch.from_numpy(model.predict(b[:, s::segments].contiguous().numpy())).long())
    return torch.stack(columns, dim=1)


def agreements(queries: Int[Tensor, "n s"], gallery: Int[Tensor, "m s"]) -> Float[Tensor, "n m"]:
    """In how many segments each query agrees with each image of the gallery: S minus the Hamming distance of units."""
    if queries.shape[1:] != gallery.shape[1:]:
        raise ValueError(
            f"queries {tuple(queries.shape)}, gallery {tuple(gallery.shape)}: different numbers of segments"
        )
    units = int(max(queries.max(), gallery.max())) + 1
    a, b = (F.one_hot(c.long(), units).flatten(1).float() for c in (queries, gallery))
    return a @ b.T


def precision_at(
    similarity: Float[Tensor, "n m"], query_y: Int[Tensor, "n *f"], gallery_y: Int[Tensor, "m *f"], k: int
) -> float:
    """Share of the k most similar images of the gallery that have the query's label; mean over queries, in [0, 1].

    Codes give many ties: the expectation over a random order among equals is returned, so that nothing is drawn and the
    order of the gallery does not matter. Labels (N, F): mean over the F labels of the share that agrees.
    """
    if not 1 <= k <= similarity.shape[1]:
        raise ValueError(f"k={k}: between 1 and the {similarity.shape[1]} images of the gallery")
    query_y, gallery_y = (y.unsqueeze(1) if y.dim() == 1 else y for y in (query_y, gallery_y))
    threshold = similarity.topk(k, dim=1).values[:, -1:]
    relevant = (query_y[:, None, :] == gallery_y[None, :, :]).float().mean(-1)
    above, equal = (similarity > threshold).float(), (similarity == threshold).float()
    sure, tied = (above * relevant).sum(1), (equal * relevant).sum(1) / equal.sum(1)
    return float(((sure + (k - above.sum(1)) * tied) / k).mean())
