"""Weighted nearest neighbours on the sphere: the second probe, without anything to train or to choose.

Wu et al., "Unsupervised feature learning via non-parametric instance discrimination", CVPR 2018: the k training
samples of the largest cosine similarity vote for their label with weight exp(cosine / temperature).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from musiclib.evaluate.linear import check_labelled

NEIGHBOURS, TEMPERATURE = 20, 0.07  # fixed for every method; the values of the follow-up's evaluation


@torch.no_grad()
def knn_predict(
    train: Float[Tensor, "n f"],
    train_y: Int[Tensor, "n"],
    test: Float[Tensor, "m f"],
    *,
    k: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
    chunk: int = 500,
) -> Int[Tensor, "m"]:
    """Predicted label of every test sample; labels may be any integers, a tie goes to the smaller label.

    Features are brought to unit length here; a zero vector has similarity 0 with everything. k is cut to the number of
    training samples. chunk test samples are compared at once: memory is chunk * N numbers, the result does not depend
    on it.
    """
    check_labelled(train, train_y, ("train", "train_y"))
    check_labelled(test, torch.zeros(len(test), dtype=torch.int64), ("test", "-"))
    if k < 1 or not temperature > 0 or chunk < 1:
        raise ValueError(f"k={k}, temperature={temperature}, chunk={chunk}: all must be positive")
    classes, y = torch.unique(train_y.to(train.device), return_inverse=True)
    bank = F.normalize(train, dim=1).T.contiguous()  # (f, n)
    similarity = bank.new_empty(min(chunk, len(test)), len(train))  # one buffer for all chunks
    out = []
    for start in range(0, len(test), chunk):
        queries = F.normalize(test[start : start + chunk], dim=1)
        cosine, where = torch.mm(queries, bank, out=similarity[: len(queries)]).topk(min(k, len(train)), dim=1)
        weight = torch.exp((cosine - 1.0) / temperature)  # a common factor, so that a small temperature cannot overflow
        votes = weight.new_zeros(len(queries), len(classes)).scatter_add_(1, y[where], weight)
        out.append(classes[votes.argmax(1)])
    return torch.cat(out)


def knn_top1(
    train: Float[Tensor, "n f"],
    train_y: Int[Tensor, "n"],
    test: Float[Tensor, "m f"],
    test_y: Int[Tensor, "m"],
    *,
    k: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
) -> float:
    """Share of test samples, in [0, 1], whose label `knn_predict` gives."""
    check_labelled(test, test_y, ("test", "test_y"))
    predicted = knn_predict(train, train_y, test, k=k, temperature=temperature)
    return (predicted == test_y.to(predicted.device)).double().mean().item()
