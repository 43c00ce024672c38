"""The ten peers' losses a second time, as slow loops over Python floats, from the papers' equations and from nothing in
musiclib; and the slope of any function by central differences."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Matrix = list[list[float]]


def dot(a, b) -> float:
    return math.fsum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def cosine(a, b) -> float:
    return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))


def mean(values) -> float:
    values = list(values)
    return math.fsum(values) / len(values)


def log_softmax(row) -> list[float]:
    total = math.fsum(math.exp(x) for x in row)
    return [x - math.log(total) for x in row]


def simclr(z1, z2, tau: float) -> float:
    """NT-Xent: the 2N views in turn, each against its partner among the 2N - 1 others."""
    z = [*z1, *z2]
    n = len(z1)
    losses = []
    for i in range(2 * n):
        partner = i + n if i < n else i - n
        others = [math.exp(cosine(z[i], z[k]) / tau) for k in range(2 * n) if k != i]
        losses.append(-math.log(math.exp(cosine(z[i], z[partner]) / tau) / math.fsum(others)))
    return mean(losses)


def moco(query, key, queue, tau: float) -> float:
    """queue: the rows that count, already of norm one."""
    losses = []
    for q, k in zip(query, key, strict=True):
        positive = math.exp(cosine(q, k) / tau)
        negative = math.fsum(math.exp(cosine(q, row) / tau) for row in queue)
        losses.append(-math.log(positive / (positive + negative)))
    return mean(losses)


def byol(prediction, target) -> float:
    """Mean squared distance of the two normalised vectors, as the paper writes it, not as two minus two cosines."""
    losses = []
    for p, z in zip(prediction, target, strict=True):
        p_norm, z_norm = math.sqrt(dot(p, p)), math.sqrt(dot(z, z))
        losses.append(math.fsum((float(a) / p_norm - float(b) / z_norm) ** 2 for a, b in zip(p, z, strict=True)))
    return mean(losses)


def simsiam(p1, p2, z1, z2) -> float:
    forth = mean(-cosine(p, z) for p, z in zip(p1, z2, strict=True))
    back = mean(-cosine(p, z) for p, z in zip(p2, z1, strict=True))
    return forth / 2 + back / 2


def swav(scores1, scores2, codes1, codes2, tau: float) -> float:
    def cross(codes, scores):
        logs = [log_softmax([float(x) / tau for x in row]) for row in scores]
        return mean(-dot(q, row) for q, row in zip(codes, logs, strict=True))

    return (cross(codes2, scores1) + cross(codes1, scores2)) / 2


def clusters(z1, z2, prototypes, labels, tau: float) -> float:
    """Cross-entropy of both views against the labels of every head, over the samples that have one (>= 0)."""
    losses = []
    for c, y in zip(prototypes, labels, strict=True):
        for z in (z1, z2):
            rows = [(row, int(k)) for row, k in zip(z, y, strict=True) if k >= 0]
            losses.append(mean(-log_softmax([cosine(row, p) / tau for p in c])[k] for row, k in rows) if rows else 0.0)
    return mean(losses)


def columns(z) -> Matrix:
    return [[float(row[d]) for row in z] for d in range(len(z[0]))]


def covariance(a: list[float], b: list[float], ddof: int) -> float:
    return dot([x - mean(a) for x in a], [x - mean(b) for x in b]) / (len(a) - ddof)


def barlow_twins(z1, z2, weight: float, eps: float = 1e-5) -> float:
    c1, c2 = columns(z1), columns(z2)
    total = 0.0
    for i, a in enumerate(c1):
        for j, b in enumerate(c2):
            scale = math.sqrt((covariance(a, a, 0) + eps) * (covariance(b, b, 0) + eps))
            c = covariance(a, b, 0) / scale
            total += (1 - c) ** 2 if i == j else weight * c**2
    return total


def vicreg(z1, z2, weights: tuple[float, float, float], variance_factor: float, eps: float = 1e-4) -> float:
    n, d = len(z1), len(z1[0])
    invariance = mean((float(z1[i][k]) - float(z2[i][k])) ** 2 for i in range(n) for k in range(d))
    variance = covariances = 0.0
    for z in (z1, z2):
        c = columns(z)
        variance += mean(max(0.0, 1 - math.sqrt(covariance(a, a, 1) + eps)) for a in c)
        covariances += math.fsum(covariance(c[i], c[j], 1) ** 2 for i in range(d) for j in range(d) if i != j) / d
    return weights[0] * invariance + weights[1] * variance_factor * variance + weights[2] * covariances


def cholesky(a: Matrix) -> Matrix:
    low = [[0.0] * len(a) for _ in a]
    for i in range(len(a)):
        for j in range(i + 1):
            rest = a[i][j] - dot(low[i][:j], low[j][:j])
            low[i][j] = math.sqrt(rest) if i == j else rest / low[j][j]
    return low


def whitened(v, shrinkage: float) -> Matrix:
    """Rows of v, centred and multiplied by the inverse Cholesky factor of the shrunk covariance."""
    c = columns(v)
    d = len(c)
    cov = [[covariance(c[i], c[j], 1) for j in range(d)] for i in range(d)]
    level = mean(cov[i][i] for i in range(d))
    mixed = [[(1 - shrinkage) * cov[i][j] + shrinkage * level * (i == j) for j in range(d)] for i in range(d)]
    low, out = cholesky(mixed), []
    for row in v:
        solved: list[float] = []
        for i in range(d):  # forward substitution
            solved.append((float(row[i]) - mean(c[i]) - dot(low[i][:i], solved)) / low[i][i])
        out.append(solved)
    return out


def wmse(z1, z2, cuts: list[tuple[int, int]], shrinkage: float) -> float:
    """cuts: first and last-plus-one sample of every sub-batch."""
    a = [row for start, end in cuts for row in whitened(z1[start:end], shrinkage)]
    b = [row for start, end in cuts for row in whitened(z2[start:end], shrinkage)]
    return byol(a, b)


def slope(function: Callable[[np.ndarray], float], at: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """Gradient of a scalar function by central differences, error of order step^2."""
    out = np.zeros_like(at)
    for place in np.ndindex(*at.shape):
        up, down = at.copy(), at.copy()
        up[place] += step
        down[place] -= step
        out[place] = (function(up) - function(down)) / (2 * step)
    return out
