"""Is it alive? What the embeddings of one batch say about the health of a run.

For every method: effective rank, alignment, uniformity, spread. For MUSIC also how the units of its segments are
used, how often the two views' hard codes agree, how sharp the codes are, and how far the loss is from its bound and
from the loss of each way of collapsing.

The rule for `collapsed`, fixed before any run: relative spread below 0.05 (all samples have all but one embedding),
or effective rank below 2 where the embedding has more than 2 dimensions (all samples lie on a line). `code_regime`
says which of the trivial codes of the theory (C13) MUSIC's codes are near, if any.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from musiclib.coding import one_hot, segment_softmax
from musiclib.information import entropy, independent_information, mutual_information
from musiclib.methods.base import Method, Output
from musiclib.objective import lower_bound

LEAST_SPREAD = 0.05
LEAST_RANK = 2.0
LEAST_SHARE = 0.05
MOST_SHARED = 0.8
PAIRED_SEGMENTS = 16
"""Information between segments is taken over this many of them, evenly spaced: their joint grows with the square."""


def effective_rank(z: Float[Tensor, "n d"]) -> float:
    """exp of the entropy of the singular values of the centred rows, normalised to sum one; in [1, min(N - 1, D)].

    Roy and Vetterli, "The effective rank", EUSIPCO 2007. 0.0 for rows that are all equal. Computed in float64 from the
    smaller of the two Gram matrices.
    """
    _check(z, "z")
    x = z.double()
    x = x - x.mean(0)
    gram = x @ x.T if x.shape[0] < x.shape[1] else x.T @ x
    values = torch.linalg.eigvalsh(gram).clamp(min=0.0).sqrt()
    # Centring rows that are equal leaves rounding errors; they are no directions.
    if values[-1] <= 1e-6 * z.double().norm():
        return 0.0
    p = values / values.sum()
    return torch.special.entr(p).sum().exp().item()


def alignment(z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> float:
    """Mean squared distance of the two views of a sample on the unit sphere, in [0, 4]; 0 is perfect agreement.

    Wang and Isola, "Understanding contrastive representation learning through alignment and uniformity", ICML 2020.
    """
    _check(z1, "z1"), _check(z2, "z2")
    return (F.normalize(z1.float(), dim=1) - F.normalize(z2.float(), dim=1)).square().sum(1).mean().item()


def uniformity(z: Float[Tensor, "n d"]) -> float:
    """log of the mean over pairs of samples of exp(-2 |u - v|^2) on the unit sphere, in [-8, 0]; 0 if all are one
    point.

    Same source; about -4 for points spread uniformly over a sphere of many dimensions.
    """
    _check(z, "z")
    u = F.normalize(z.float(), dim=1)
    kernel = torch.exp(-2.0 * (2.0 - 2.0 * u @ u.T).clamp(min=0.0)).fill_diagonal_(0.0)
    return (kernel.sum() / (len(u) * (len(u) - 1))).log().item()


def spread(z: Float[Tensor, "n d"]) -> float:
    """Mean over dimensions of the standard deviation on the unit sphere, times sqrt(D): 1 if all directions occur
    alike, 0 if all samples are one point (Chen and He, "Exploring simple Siamese representation learning", CVPR
    2021)."""
    _check(z, "z")
    return (F.normalize(z.float(), dim=1).std(0, correction=0).mean() * math.sqrt(z.shape[1])).item()


def collapse_values(
    segments: int,
    units: int,
    *,
    diagonal_weight: float = 1.0,
    off_diagonal_weight: float = 1.0,
    invariance_weight: float = 1.0,
) -> dict[str, float]:
    """Loss of each global way of collapsing, in nats, beside the bound.

    constant: all samples on one unit, one-hot, 0. identical: every segment carries the same uniform one-hot code, -(a +
    b) log K. uniform: every code is 1/K everywhere, (-2 a / K - 2 b + c) log K. bound: what healthy codes approach,
    `lower_bound`. With S = 1 the off-diagonal weight b counts as zero.
    """
    a, b, c = diagonal_weight, off_diagonal_weight if segments > 1 else 0.0, invariance_weight
    log_k = math.log(units)
    return {
        "bound": lower_bound(
            units, segments=segments, diagonal_weight=a, off_diagonal_weight=b, invariance_weight=c
        ),
        "identical": -(a + b) * log_k,
        "uniform": (-2.0 * a / units - 2.0 * b + c) * log_k,
        "constant": 0.0,
    }  # fmt: skip


def code_health(q1: Float[Tensor, "n s k"], q2: Float[Tensor, "n s k"]) -> dict[str, Any]:
    """How the soft codes of two views use their units.

    usage: per segment, entropy of the mean code over log K, in [0, 1] (1: all units alike, 0: always the same one, or K
    = 1); usage_mean, usage_min over segments. agreement: share of (sample, segment) whose hard codes agree between
    the views; agreement_chance: what it would be if views were independent with the same usage of hard codes;
    agreement_mass: mean inner product of the two soft codes, the tau of the theory. peak: mean largest probability, in
    [1/K, 1]; undecided: share of codes whose largest probability is below 1/2. information: `pair_information` of the
    soft codes, which the off-diagonal term sees; information_hard of the hard ones, and information_chance what
    independent, uniform hard codes would show in a batch of this size.
    """
    k = q1.shape[2]
    mean = (q1.mean(0) + q2.mean(0)) / 2  # (S, K)
    entropy = torch.special.entr(mean).sum(1) / math.log(k) if k > 1 else mean.new_zeros(len(mean))
    hard1, hard2 = q1.argmax(2), q2.argmax(2)  # (N, S)
    used = [F.one_hot(h, k).float().mean(0) for h in (hard1, hard2)]  # (S, K)
    peak = torch.cat([q1, q2]).amax(2)  # (2 N, S)
    return {
        "usage": [round(v, 6) for v in entropy.clamp(0.0, 1.0).tolist()],
        "usage_mean": entropy.mean().item(),
        "usage_min": entropy.min().item(),
        "agreement": (hard1 == hard2).float().mean().item(),
        "agreement_chance": (used[0] * used[1]).sum(1).mean().item(),
        "agreement_mass": (q1 * q2).sum(2).mean().item(),
        "peak": peak.mean().item(),
        "undecided": (peak < 0.5).float().mean().item(),
        "information": pair_information(q1, q2),
        "information_hard": pair_information(one_hot(hard1, k), one_hot(hard2, k)),
        "information_chance": independent_information(len(q1), k, k) / math.log(k) if k > 1 else 0.0,
    }


def pair_information(q1: Float[Tensor, "n s k"], q2: Float[Tensor, "n s k"]) -> float:
    """How much of what a segment says another one holds: mutual information of pairs of different segments, one from
    each view, summed over the pairs and divided by the sum of the smaller of the two entropies; in [0, 1].

    Plug-in, from this batch alone. 1 where all segments determine each other, whatever their usage; 0 where there is
    nothing to share: S = 1, K = 1, constant segments. Over at most `PAIRED_SEGMENTS` segments, evenly spaced.
    """
    s, k = q1.shape[1:]
    if s < 2 or k < 2:
        return 0.0
    chosen = torch.linspace(0, s - 1, min(s, PAIRED_SEGMENTS)).round().long().to(q1.device)
    # Not `joint_distribution`: that talks to other processes, which a monitor must not.
    a, b = (q[:, chosen].double().flatten(1) for q in (q1, q2))
    P = (a.T @ b / len(a)).view(len(chosen), k, len(chosen), k).permute(0, 2, 1, 3)
    own = [entropy(q.double().mean(0)[chosen]) for q in (q1, q2)]  # (S,)
    most = torch.minimum(own[0][:, None], own[1][None]).fill_diagonal_(0.0).sum().item()
    shared = mutual_information(P).fill_diagonal_(0.0).sum().item()
    return min(max(shared / most, 0.0), 1.0) if most > 1e-12 else 0.0


def code_regime(found: Mapping[str, Any], units: int) -> str:
    """Which trivial code (theory C13) a batch with this `health` is near, by fixed rules; the first that applies.

    uniform: every code is nearly 1/K everywhere (mean peak less than 5 % of the way from 1/K to 1). constant: all
    samples have nearly one code (spread below `LEAST_SPREAD`). unrelated: the views' hard codes agree as often as by
    chance (less than 5 % of the way from chance to 1). redundant: a segment's hard code holds more than 80 % of what
    another's says, above what the batch size alone makes it seem (at first 50 %, which called every run on digits
    redundant). coding: none of these.
    """
    if found["peak"] - 1 / units < LEAST_SHARE * (1 - 1 / units):
        return "uniform"
    if not found["spread"] >= LEAST_SPREAD:
        return "constant"
    if found["agreement"] - found["agreement_chance"] < LEAST_SHARE * (1 - found["agreement_chance"]):
        return "unrelated"
    if found["information_hard"] - found["information_chance"] > MOST_SHARED * (1 - found["information_chance"]):
        return "redundant"
    return "coding"


@torch.no_grad()
def health(
    z1: Float[Tensor, "n d"],
    z2: Float[Tensor, "n d"],
    method: Method | None = None,
    terms: Mapping[str, Tensor] | None = None,
) -> dict[str, Any]:
    """Everything that this file knows about one batch of embeddings, as plain numbers.

    z1, z2: embeddings of the two views (N, D), N >= 2, raw, on any device, this process's share of the batch (no
    function here talks to other processes). method: if its options have `segments` (MUSIC), the general quantities are
    those of the soft codes, which is what its loss sees, and `code_health` is added. terms: the terms of the loss;
    with them and MUSIC also gap_bound, gap_identical, gap_uniform, gap_constant = loss minus that value of
    `collapse_values`. Always there: effective_rank, alignment, uniformity, spread, collapsed (bool),
    collapsed_because (text or None).
    """
    _check(z1, "z1"), _check(z2, "z2")
    if z1.shape != z2.shape:
        raise ValueError(f"z1 {tuple(z1.shape)}, z2 {tuple(z2.shape)}: the two views need one shape")
    extra: dict[str, Any] = {}
    o = getattr(method, "options", None)
    if getattr(o, "segments", None):
        q1, q2 = (segment_softmax(z, o.segments, o.temperature) for z in (z1, z2))
        extra = code_health(q1, q2)
        z1, z2 = q1.flatten(1), q2.flatten(1)
        if terms is not None:
            weights = {
                f"{name}_weight": getattr(o, f"{name}_weight") for name in ("diagonal", "off_diagonal", "invariance")
            }
            loss = sum(w * float(terms[n.removesuffix("_weight")]) for n, w in weights.items() if w)
            extra |= {f"gap_{n}": loss - v for n, v in collapse_values(o.segments, q1.shape[2], **weights).items()}
    both = torch.cat([z1, z2])
    found = {
        "effective_rank": effective_rank(both),
        "alignment": alignment(z1, z2),
        "uniformity": uniformity(z1),
        "spread": spread(both),
    }
    because = collapse_reason(found["effective_rank"], found["spread"], both.shape[1])
    return {**found, **extra, "collapsed": because is not None, "collapsed_because": because}


def collapse_reason(rank: float, relative_spread: float, dimensions: int) -> str | None:
    """The rule of this file: why embeddings with these values count as collapsed, or None. NaN counts as collapsed."""
    if not relative_spread >= LEAST_SPREAD:
        return f"spread {relative_spread:.3g} is below {LEAST_SPREAD}: all samples have nearly one embedding"
    if dimensions > 2 and not rank >= LEAST_RANK:
        return f"effective rank {rank:.3g} is below {LEAST_RANK:g}: all samples lie nearly on a line"
    return None


def watch(method: Method):
    """A function of a step's `Output` that returns its `health`; what the training loop calls at the end of an
    epoch."""

    def look(output: Output) -> dict[str, Any]:
        return health(output.z1, output.z2, method, output.terms)

    return look


def _check(z: Tensor, name: str) -> None:
    if z.dim() != 2 or len(z) < 2 or z.shape[1] < 1 or not z.is_floating_point():
        raise ValueError(f"{name}: expected floats (N, D) with N >= 2 samples, got {z.dtype} of shape {tuple(z.shape)}")
