"""Unit vectors that stand for clusters, and the two cross-entropies that read them: against soft codes (SwAV) and
against one label a sample (DeepCluster, SeLa)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from musiclib.methods.parts.numerics import check_pair, check_positive, in_float32

UNLABELLED = -100


def random_prototypes(count: int, width: int) -> Float[Tensor, "count width"]:
    """Rows uniform on the unit sphere, drawn like any other initial weight from torch's global generator."""
    return F.normalize(torch.randn(count, width), dim=1)


@in_float32
def cosine_scores(z: Float[Tensor, "n d"], prototypes: Float[Tensor, "k d"]) -> Float[Tensor, "n k"]:
    """Cosine of embedding n and prototype k, in [-1, 1]; differentiable in both, both normalised here."""
    return F.normalize(z, dim=1) @ F.normalize(prototypes, dim=1).T


@in_float32
def code_cross_entropy(
    scores: Float[Tensor, "n k"], codes: Float[Tensor, "n k"], temperature: float
) -> Float[Tensor, ""]:
    """-(1/N) sum_nk codes_nk log softmax(scores / tau)_nk in nats; no gradient to the codes. N = 0 is an error."""
    check_pair(scores, codes, ("scores", "codes"), least=1)
    check_positive(temperature=temperature)
    return -(codes.detach() * torch.log_softmax(scores / temperature, dim=1)).sum(dim=1).mean()


@in_float32
def label_cross_entropy(
    scores: Float[Tensor, "n k"], labels: Int[Tensor, "n"], temperature: float
) -> Float[Tensor, ""]:
    """Mean over the labelled samples of -log softmax(scores / tau)[label], in nats.

    Samples with the label UNLABELLED (-100) do not count; if none has a label the loss is 0, with a zero gradient.
    """
    if scores.dim() != 2 or 0 in scores.shape or labels.shape != scores.shape[:1]:
        raise ValueError(
            f"scores and labels: expected (N, K) and (N,) with N, K >= 1, got {tuple(scores.shape)} and "
            f"{tuple(labels.shape)}"
        )
    check_positive(temperature=temperature)
    total = F.cross_entropy(scores / temperature, labels, ignore_index=UNLABELLED, reduction="sum")
    return total / (labels != UNLABELLED).sum().clamp_min(1)


def heads_cross_entropy(
    z1: Float[Tensor, "n d"],
    z2: Float[Tensor, "n d"],
    prototypes: Float[Tensor, "h k d"],
    labels: Int[Tensor, "h n"],
    temperature: float,
) -> Float[Tensor, ""]:
    """`label_cross_entropy` of cosine scores, mean over heads H and over the two views of the same samples."""
    check_pair(z1, z2, least=1)
    if prototypes.dim() != 3 or prototypes.shape[2] != z1.shape[1] or len(prototypes) != len(labels):
        raise ValueError(
            f"prototypes and labels: expected (H, K, {z1.shape[1]}) and (H, N), got {tuple(prototypes.shape)} and "
            f"{tuple(labels.shape)}"
        )
    losses = [
        label_cross_entropy(cosine_scores(z, c), y, temperature)
        for c, y in zip(prototypes, labels, strict=True)
        for z in (z1, z2)
    ]
    return torch.stack(losses).mean()
