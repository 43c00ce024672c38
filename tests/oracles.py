"""The objective a second time, as slow loops over Python floats, from the equations and from nothing in musiclib."""

from __future__ import annotations

import math


def softmax(row: list[float], temperature: float = 1.0) -> list[float]:
    top = max(row)
    weights = [math.exp((x - top) / temperature) for x in row]
    return [w / math.fsum(weights) for w in weights]


def codes(z, segments: int, temperature: float = 1.0) -> list[list[list[float]]]:
    """q[n][s][i] of logits z (N, D)."""
    units = len(z[0]) // segments
    return [
        [softmax([float(x) for x in row[s * units : (s + 1) * units]], temperature) for s in range(segments)]
        for row in z
    ]


def joint(q1, q2, s: int, t: int) -> list[list[float]]:
    """P[s, t][i][j], a mean over samples."""
    n, k = len(q1), len(q1[0][0])
    return [
        [math.fsum(float(q1[m][s][i]) * float(q2[m][t][j]) for m in range(n)) / n for j in range(k)] for i in range(k)
    ]


def plogp(p: float) -> float:
    return p * math.log(p) if p > 0 else 0.0


def terms(q1, q2) -> tuple[float, float, float]:
    """(diagonal, off_diagonal, invariance) of codes (N, S, K)."""
    n, segments, k = len(q1), len(q1[0]), len(q1[0][0])
    diagonal = math.fsum(plogp(joint(q1, q2, s, s)[i][i]) for s in range(segments) for i in range(k)) / segments
    pairs = [(s, t) for s in range(segments) for t in range(segments) if s != t]
    off = math.fsum(plogp(p) for s, t in pairs for row in joint(q1, q2, s, t) for p in row) / max(len(pairs), 1)
    agree = [
        math.fsum(float(a) * float(b) for a, b in zip(q1[m][s], q2[m][s], strict=True))
        for m in range(n)
        for s in range(segments)
    ]
    invariance = math.inf if min(agree) == 0 else -math.fsum(map(math.log, agree)) / (n * segments)
    return diagonal, off, invariance
