"""Dependence among several segments at once, beside the pairwise information of `musiclib.evaluate.attributes`.

Pairwise independence does not make segments independent: of c1, c2 and c1 + c2 mod K any two are independent, and the
third is a function of the others (theory C21). Every number here is read against a null, the same code with every
segment's samples shuffled for itself, because plug-in values of many cells are far from zero in any sample.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Int
from torch import Tensor


def dhsic(codes: Int[Tensor, "n s"], other: float = 0.0) -> float:
    """The d-variable Hilbert-Schmidt independence criterion of S labellings (Pfister et al. 2018, arXiv 1603.00285).

    The kernel of each segment is 1 for equal labels and `other`, in [0, 1), for different ones. V-statistic, >= 0; at
    other = 0 it is the sum of squares of the joint law minus the product of its margins, over all cells. A small
    `other` of many segments sees equal rows only: exp(-2 / S) keeps the product of S kernels from vanishing.
    """
    if codes.dim() != 2 or codes.is_floating_point() or 0 in codes.shape:
        raise ValueError(f"codes: expected integer labels (N, S), got {codes.dtype} of {tuple(codes.shape)}")
    if not 0.0 <= other < 1.0:
        raise ValueError(f"other={other!r}: a kernel value of different labels lies in [0, 1)")
    n = len(codes)
    together, means = torch.ones(n, n, dtype=torch.float64), torch.ones(n, dtype=torch.float64)
    product = 1.0
    for column in codes.T:
        kernel = torch.where(column[:, None] == column[None, :], 1.0, other).double()
        together *= kernel
        means *= kernel.mean(1)
        product *= float(kernel.mean())
    return float(together.mean() + product - 2 * means.mean())


def shuffled(codes: Int[Tensor, "n s"], generator: torch.Generator) -> Int[Tensor, "n s"]:
    """The code with every segment's samples shuffled for itself: the same usage, no dependence but chance."""
    columns = [column[torch.randperm(len(codes), generator=generator)] for column in codes.T]
    return torch.stack(columns, dim=1)


def beyond_pairs(
    codes: Int[Tensor, "n s"], generator: torch.Generator, *, draws: int = 24, samples: int = 1000
) -> dict[str, float]:
    """What triples of segments, and all of them, share; each a difference to its null (`shuffled`), in nats.

    pairwise           mean mutual information of a pair
    total_correlation  mean total correlation of a triple, sum of entropies minus the joint one
    told_by_two        share of a segment's entropy that two others tell together: 1 for the modular triple, whose
                       pairwise is 0, and for identical segments; 0 where it has none
    synergy            told_by_two minus the larger of the shares that either of the two tells alone
    dhsic              `dhsic` of all segments at other = exp(-2 / S), times 1000; of `samples` samples at most

    codes: labels >= 0. Triples: all of them, or `draws` at random where there are more. S >= 3.
    """
    n, s = codes.shape
    if s < 3:
        raise ValueError(f"codes: {s} segments, a triple needs 3")
    triples = torch.combinations(torch.arange(s), 3)
    if len(triples) > draws:
        triples = triples[torch.randperm(len(triples), generator=generator)[:draws]]
    null = shuffled(codes, generator)
    found: dict[str, list[float]] = {name: [] for name in ("pairwise", "total_correlation", "told_by_two", "synergy")}
    for members in triples.tolist():
        true, chance = _triple(codes[:, members]), _triple(null[:, members])
        corrected = {name: value - chance[name] for name, value in true.items()}
        pairs = [corrected[name] for name in ("st", "su", "tu")]
        # the last of the triple is the one that the two others tell
        entropy = _entropy(codes[:, members[2]])
        told = corrected["all"] - corrected["st"]
        found["pairwise"].append(sum(pairs) / 3)
        found["total_correlation"].append(corrected["all"])
        found["told_by_two"].append(told / entropy if entropy > 1e-9 else 0.0)
        found["synergy"].append((told - max(pairs[1:])) / entropy if entropy > 1e-9 else 0.0)
    few, other = torch.randperm(n, generator=generator)[:samples], math.exp(-2 / s)
    means = {name: sum(values) / len(values) for name, values in found.items()}
    return {**means, "dhsic": 1000 * (dhsic(codes[few], other) - dhsic(null[few], other))}


def _triple(codes: Tensor) -> dict[str, float]:
    """Plug-in total correlation of three labellings, and of every pair of them, by counting."""
    k = int(codes.max()) + 1
    alone = [_entropy(column) for column in codes.T]
    found = {"all": sum(alone) - _entropy((codes[:, 0] * k + codes[:, 1]) * k + codes[:, 2])}
    for name, (a, b) in {"st": (0, 1), "su": (0, 2), "tu": (1, 2)}.items():
        found[name] = alone[a] + alone[b] - _entropy(codes[:, a] * k + codes[:, b])
    return found


def _entropy(labels: Tensor) -> float:
    p = torch.bincount(labels).double() / len(labels)
    return float(torch.special.entr(p).sum())
