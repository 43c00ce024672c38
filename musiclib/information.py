"""Entropies and mutual informations of codes, and what a finite batch can show of them. All in nats.

Three kinds of number, not to be confused:

plug-in       the entropy of the empirical distribution itself; biased low by about (cells - 1) / (2 N), and never
              above log N for hard codes;
Miller-Madow  plug-in plus (occupied cells - 1) / (2 N): the first-order correction (Miller 1955), valid when N is
              well above the number of cells;
exact         the expectation of the plug-in entropy of N independent uniform draws, a closed sum valid for every N.

At the published sizes (N = 2048, K = 80, so 6400 cells a block) only the last is of use: Miller-Madow there
corrects by more than the bias.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

MAX_SOFT_CELLS = 2**22


def entropy(p: Float[Tensor, "*batch k"]) -> Float[Tensor, "*batch"]:
    """Shannon entropy of the distributions along the last axis, in [0, log K]; 0 log 0 = 0.

    p >= 0 is used as it is, not normalised. Computed in float64; not meant for training (use `musiclib.objective.phi`).
    """
    p = p.double()
    return torch.special.entr(p).sum(dim=-1)


def joint_entropy(P: Float[Tensor, "*batch k l"]) -> Float[Tensor, "*batch"]:
    """Entropy of two-dimensional distributions P[..., i, j], in [0, log(K L)]."""
    return entropy(P.flatten(start_dim=-2))


def mutual_information(P: Float[Tensor, "*batch k l"]) -> Float[Tensor, "*batch"]:
    """I(i; j) = H(row marginal) + H(column marginal) - H(P) >= 0, for every distribution P[..., i, j] summing to one.

    With P = joint_distribution(q1, q2) it is that of every pair of segments: P[s, t] -> (S, S). Plug-in:
    independent segments show about (K - 1)^2 / (2 N) at N >> K^2, and see `independent_information` for smaller N.
    Rounding may leave it at -1e-16.
    """
    return entropy(P.sum(dim=-1)) + entropy(P.sum(dim=-2)) - joint_entropy(P)


def total_correlation(codes: Tensor) -> float:
    """Total correlation of all S segments, sum_s H(segment s) - H(all segments together) >= 0.

    codes: labels (N, S) of any integers (the joint is a count of distinct rows, any S), or soft codes (N, S, K),
    whose joint law, sampling the segments independently given the sample, has K^S cells: an error above 4 million
    of them; take `hard_codes` there. Zero iff the segments are jointly independent, which is more than pairwise: c3
    = c1 + c2 mod K has log K (theory C21). Plug-in: at most log N of joint entropy can be seen in N hard codes.
    """
    if codes.dim() == 2 and not codes.is_floating_point():
        _, counts = torch.unique(codes, dim=0, return_counts=True)
        separate = sum(
            float(entropy(torch.unique(column, return_counts=True)[1].double() / len(codes))) for column in codes.T
        )
        return separate - float(entropy(counts.double() / len(codes)))
    if codes.dim() != 3:
        raise ValueError(f"codes: expected integer labels (N, S) or soft codes (N, S, K), got {tuple(codes.shape)}")
    n, s, k = codes.shape
    if k**s > MAX_SOFT_CELLS:
        raise ValueError(f"codes: K^S = {k}^{s} cells are too many for a soft joint; use hard_codes(codes) instead")
    q = codes.double()
    together = q.new_zeros(k**s)
    for rows in q.split(max(1, MAX_SOFT_CELLS // k**s)):
        law = rows[:, 0]
        for t in range(1, s):
            law = (law.unsqueeze(-1) * rows[:, t].unsqueeze(1)).flatten(start_dim=1)  # (n, K^t, 1) * (n, 1, K)
        together += law.sum(dim=0) / n
    return float(entropy(q.mean(dim=0)).sum() - entropy(together))


def contingency(a: Int64[Tensor, "n"], b: Int64[Tensor, "n"]) -> Float[Tensor, "k l"]:
    """Empirical joint distribution of two labellings of the same N samples, rows and columns in the order of the
    sorted labels."""
    if a.shape != b.shape or a.dim() != 1 or a.numel() == 0:
        raise ValueError(
            f"a and b: expected two label vectors of one length N >= 1, got {tuple(a.shape)}, {tuple(b.shape)}"
        )
    rows, i = torch.unique(a, return_inverse=True)
    columns, j = torch.unique(b, return_inverse=True)
    flat = torch.bincount(i * len(columns) + j, minlength=len(rows) * len(columns))
    return flat.view(len(rows), len(columns)).double() / len(a)


def miller_madow(counts: Tensor) -> float:
    """Miller-Madow estimate of the entropy behind a vector of counts: plug-in + (occupied cells - 1) / (2 N).

    Good to first order in 1 / N, that is for N several times the number of cells of the true distribution; below
    that it leaves much of the bias (unseen cells are not counted) or, given the true number of cells,
    over-corrects. Counts of N = 0 samples are an error.
    """
    counts = counts.double().flatten()
    n = float(counts.sum())
    if n <= 0:
        raise ValueError("counts: no sample at all")
    return float(entropy(counts / n)) + (int((counts > 0).sum()) - 1) / (2 * n)


def expected_uniform_entropy(samples: int, cells: int) -> float:
    """E H^ of N independent uniform draws over m cells, exactly: log N - (m / N) sum_k Binomial(N, 1/m)(k) k log k.

    samples: N >= 1. cells: m >= 1. Valid for every N and m, computed in float64 in O(N). At N = 1 it is 0; as N
    grows it tends to log m - (m - 1) / (2 N). This is what the off-diagonal entropy of ideal one-hot codes reads in
    a batch, with m = K^2 (theory C28).
    """
    if samples < 1 or cells < 1:
        raise ValueError(f"samples and cells: expected integers >= 1, got {samples!r} and {cells!r}")
    if cells == 1:
        return 0.0
    from scipy.special import gammaln, xlogy

    k = np.arange(samples + 1)
    log_binomial = gammaln(samples + 1) - gammaln(k + 1) - gammaln(samples - k + 1)
    law = np.exp(log_binomial - k * math.log(cells) + (samples - k) * math.log1p(-1.0 / cells))
    return math.log(samples) - cells / samples * float(np.sum(law * xlogy(k, k)))


def expected_batch_loss(samples: int, units: int) -> float:
    """What ideal codes (one-hot, invariant, uniform, pairwise independent, drawn at random) read as loss in a batch
    of N, unit weights.

    - E H^(K cells) - 2-segment E H^(K^2 cells) + 0: above -3 log K by the batch's own blindness, 1.37 nats at N =
    2048, K = 80. It is an expectation over random batches, not a bound: a batch arranged as an orthogonal array
    reads -3 log K.
    """
    return -expected_uniform_entropy(samples, units) - expected_uniform_entropy(samples, units**2)


def independent_information(samples: int, units_a: int, units_b: int) -> float:
    """Plug-in mutual information that two independent, uniform labellings show in N samples, in expectation and
    exactly.

    The null value to read a measured `mutual_information` against: 1.308 nats at N = 2048, K = 80.
    """
    return (
        expected_uniform_entropy(samples, units_a)
        + expected_uniform_entropy(samples, units_b)
        - expected_uniform_entropy(samples, units_a * units_b)
    )
