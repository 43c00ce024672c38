"""Formulas by a second route, for several checks: the joint sample by sample, agreements, whitening coordinates."""

import numpy as np
import torch

from proofs_checks.objective import Codes


def blocks(codes: Codes) -> np.ndarray:
    """The joint (S, S, K, K) as a numpy mean of outer products, sample by sample."""
    total = np.zeros((codes.s, codes.s, codes.k, codes.k))
    for a, b in zip(codes.q1.numpy(), codes.q2.numpy(), strict=True):
        total += np.multiply.outer(a, b).transpose(0, 2, 1, 3)
    return total / codes.n


def off_pairs(segments: int) -> list[tuple[int, int]]:
    """All ordered pairs of different segments."""
    return [(s, t) for s in range(segments) for t in range(segments) if s != t]


def agreements(q: torch.Tensor) -> np.ndarray:
    """The agreements k_s(n, m) = <q_n(s), q_m(s)>, (S, N, N); of hard codes: do samples n and m share their unit?"""
    x = q.numpy()
    return np.stack([x[:, s] @ x[:, s].T for s in range(x.shape[1])])


def contrast_basis(k: int) -> np.ndarray:
    """Helmert's contrasts U (K, K-1), in closed form: orthonormal columns, each summing to zero."""
    basis = np.zeros((k, k - 1))
    for j in range(1, k):
        basis[:j, j - 1], basis[j, j - 1] = 1 / np.sqrt(j * (j + 1)), -j / np.sqrt(j * (j + 1))
    return basis


def contrasts(q: torch.Tensor) -> np.ndarray:
    """The code in whitening coordinates (C25): f_n = (sqrt K U^T q_n(s))_s, shape (N, S (K-1))."""
    k = q.shape[2]
    return (np.sqrt(k) * q.numpy() @ contrast_basis(k)).reshape(len(q), -1)


def relative_entropy(p: np.ndarray, q: np.ndarray) -> float:
    """The relative entropy, sum of p log(p / q), in nats.

    Entries of p below 1e-290 count as zero: they add less than 1e-287, and where a code holds numbers that small, q is
    a product or a mean of them that float64 rounds to zero.
    """
    q = np.broadcast_to(q, p.shape)
    seen = p > 1e-290
    return float(np.sum(p[seen] * np.log(p[seen] / q[seen])))
