"""Exact hard codes: orthogonal arrays, their fragments, and what counting alone says about them.

A hard code is a table of labels, int64, shape (N, S): entry (n, s) names the unit in 0..K-1 that sample n switches on
in segment s. `one_hot` turns a table into codes of shape (N, S, K). Every constructor proves its own output before it
returns it, by counting in integers (`verify_strength_two`, `verify_share_at_most_one`), so a check that starts from
one of these tables starts from a fact, not from a float. Soft constructions are in `designs_soft.py`.

Why arrays: the value -3 log K of the loss is reached exactly by labels in which every two different segments show
each of the K^2 pairs of units equally often (claim C7). Statisticians call such a table an orthogonal array of
strength two, OA(N, S, K, 2); the constructions are theirs (Bush 1952; Plackett and Burman 1946; Rao 1947 for the
necessary condition).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import log

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from proofs_checks.numbers.exact import factorise


class DesignError(ValueError):
    """A table is not the design that it claims to be, or no such design can exist."""


# ---------------------------------------------------------------------------------------------------------------------
# Tables and counts


def one_hot(labels: Int[np.ndarray, "n s"], units: int) -> Float[Tensor, "n s k"]:
    """Hard codes of a table of labels in 0..K-1: a float64 tensor (N, S, K) with a single 1 in each row."""
    table = np.asarray(labels)
    if table.ndim != 2:
        raise DesignError(f"labels must have shape (N, S), got {table.shape}")
    if table.size and (table.min() < 0 or table.max() >= units):
        raise DesignError(f"labels must lie in 0..{units - 1}, got {table.min()}..{table.max()}")
    return torch.from_numpy(np.eye(units)[table])


def pair_counts(first: Int[np.ndarray, "n"], second: Int[np.ndarray, "n"], units: int) -> Int[np.ndarray, "k k"]:
    """How often each pair of units occurs together: integers (K, K) that sum to N. A histogram, no products."""
    return np.bincount(first * units + second, minlength=units * units).reshape(units, units)


def verify_strength_two(labels: Int[np.ndarray, "n s"], units: int) -> int:
    """Prove by counting that labels are an orthogonal array of strength two; returns its index N / K^2.

    DesignError names the first pair of columns that does not show every pair of units equally often. One column (S = 1)
    has no pairs and is asked to be balanced instead; its index is N / K.
    """
    samples, segments = labels.shape
    if segments == 1:
        counts = np.bincount(labels[:, 0], minlength=units)
        if len(counts) != units or (counts != samples // units).any() or samples % units:
            raise DesignError(f"the only segment is not balanced: counts {counts.tolist()}")
        return samples // units
    if samples % units**2:
        raise DesignError(
            f"N={samples} is no multiple of K^2={units**2}: no orthogonal array of strength two has this size"
        )
    index = samples // units**2
    for s, t in combinations(range(segments), 2):
        counts = pair_counts(labels[:, s], labels[:, t], units)
        if (counts != index).any():
            raise DesignError(
                f"segments {s} and {t} show pairs {counts.min()} to {counts.max()} times, not {index} times each"
            )
    return index


def is_strength_two(labels: Int[np.ndarray, "n s"], units: int) -> bool:
    """Whether labels are an orthogonal array of strength two."""
    try:
        verify_strength_two(labels, units)
    except DesignError:
        return False
    return True


def verify_share_at_most_one(labels: Int[np.ndarray, "n s"], units: int) -> None:
    """Prove by counting that every segment is balanced and that no two samples agree in more than one (equality in C9).

    DesignError names the first segment, or pair of segments, where that fails.
    """
    samples, segments = labels.shape
    for s in range(segments):
        counts = np.bincount(labels[:, s], minlength=units)
        if (counts * units != samples).any():
            raise DesignError(
                f"segment {s} is not balanced: counts {counts.min()} to {counts.max()} for N={samples}, K={units}"
            )
    for s, t in combinations(range(segments), 2):
        most = pair_counts(labels[:, s], labels[:, t], units).max()
        if most > 1:
            raise DesignError(f"{most} samples share their units in segments {s} and {t}")


def largest_class(labels: Int[np.ndarray, "n s"]) -> int:
    """Number of samples that share the most frequent codeword (a whole row of labels)."""
    return int(np.unique(labels, axis=0, return_counts=True)[1].max())


def code_entropy(labels: Int[np.ndarray, "n s"]) -> float:
    """Entropy in nats of the empirical law of whole codewords: log N minus the mean log multiplicity."""
    counts = np.unique(labels, axis=0, return_counts=True)[1]
    samples = counts.sum()
    return float(log(samples) - (counts * np.log(counts)).sum() / samples)


# ---------------------------------------------------------------------------------------------------------------------
# Finite fields


def prime_power(units: int) -> tuple[int, int] | None:
    """Write a number as a power of a prime: (p, e) with units = p^e, or None."""
    factors = factorise(units)
    return factors[0] if len(factors) == 1 else None


@lru_cache(maxsize=32)
def field_tables(units: int) -> tuple[np.ndarray, np.ndarray]:
    """Addition and multiplication tables (K, K) of the field with K elements, elements numbered 0..K-1.

    Plain arithmetic modulo K when K is prime; `galois` otherwise (imported here: it takes two seconds). K must be a
    prime power.
    """
    power = prime_power(units)
    if power is None:
        raise DesignError(f"no field has K={units} elements: K must be a prime power")
    numbers = np.arange(units)
    if power[1] == 1:
        return (numbers[:, None] + numbers) % units, (numbers[:, None] * numbers) % units
    threads = torch.get_num_threads()
    import galois

    elements = galois.GF(units).elements
    add = np.asarray(elements[:, None] + elements[None, :]).astype(np.int64)
    multiply = np.asarray(elements[:, None] * elements[None, :]).astype(np.int64)
    # numba, underneath galois, resets OpenMP's threads: a process that was given one core would use all of them
    torch.set_num_threads(threads)
    return add, multiply


# ---------------------------------------------------------------------------------------------------------------------
# Orthogonal arrays


def bush(units: int, segments: int | None = None) -> Int[np.ndarray, "n s"]:
    """The Bush array OA(K^2, S, K, 2) for a prime power K and S <= K+1: all polynomials a + b x read at S points.

    Row (b, a) holds a + b x for x running through the field, then b itself (the value at infinity). Two different
    points fix a and b, so two columns show every pair once: that is the proof, and the counting below repeats it.
    """
    segments = units + 1 if segments is None else segments
    if not 1 <= segments <= units + 1:
        raise DesignError(f"a Bush array over K={units} has 1 to K+1={units + 1} segments, asked for {segments}")
    table = _lines(units, slopes=units)
    with_infinity = np.concatenate([table, np.repeat(np.arange(units), units)[:, None]], axis=1)
    labels = with_infinity[:, :segments]
    verify_strength_two(labels, units)
    return labels


def partial_bush(units: int, slopes: int, segments: int | None = None) -> Int[np.ndarray, "n s"]:
    """Part of a Bush array: the lines a + b x with only m of the K slopes b; N = m K < K^2 samples, S <= K segments.

    Balanced, and two samples agree in at most one segment (two lines meet once), so it reaches the floor of C9.
    """
    segments = units if segments is None else segments
    if not 1 <= slopes < units:
        raise DesignError(f"slopes must lie in 1..K-1={units - 1}, got {slopes}; with all K slopes use bush()")
    if not 1 <= segments <= units:
        raise DesignError(f"a partial Bush array over K={units} has 1 to K segments, asked for {segments}")
    labels = _lines(units, slopes)[:, :segments]
    verify_share_at_most_one(labels, units)
    return labels


def _lines(units: int, slopes: int) -> np.ndarray:
    """Values a + b x, rows ordered by slope b < slopes, then by intercept a; columns are the K points x."""
    add, multiply = field_tables(units)
    # (m, K): b x
    products = multiply[np.arange(slopes)[:, None], np.arange(units)]
    return add[np.arange(units)[None, :, None], products[:, None, :]].reshape(slopes * units, units)


def product(
    first: Int[np.ndarray, "n1 s"], units_first: int, second: Int[np.ndarray, "n2 s"], units_second: int
) -> Int[np.ndarray, "n s"]:
    """The product of two arrays with the same S, every row paired with every row: OA(N1 N2, S, K1 K2, 2)."""
    if first.shape[1] != second.shape[1]:
        raise DesignError(f"both arrays need the same number of segments, got {first.shape[1]} and {second.shape[1]}")
    labels = (first[:, None, :] * units_second + second[None, :, :]).reshape(-1, first.shape[1])
    verify_strength_two(labels, units_first * units_second)
    return labels


def paper_units_array() -> Int[np.ndarray, "n s"]:
    """An array at the paper's K = 80, which is attainable at N = 6400, S = 6: OA(6400, 6, 80, 2) = GF(16) x GF(5)."""
    return product(bush(16, 6), 16, bush(5, 6), 5)


def triple(units: int) -> Int[np.ndarray, "n s"]:
    """Three segments (a, b, a + b mod K), the third a function of the others: OA(K^2, 3, K, 2), any K >= 2.

    At K = 2 the third is the exclusive or of the others.
    """
    a, b = (grid.ravel() for grid in np.mgrid[:units, :units])
    labels = np.stack([a, b, (a + b) % units], axis=1).astype(np.int64)
    verify_strength_two(labels, units)
    return labels


def plackett_burman() -> Int[np.ndarray, "n s"]:
    """An array that is no Bush array, OA(12, 11, 2, 2): quadratic residues modulo 11, shifted, and a row of zeros."""
    residues = {x * x % 11 for x in range(1, 11)}
    row = np.array([int(x in residues or x == 0) for x in range(11)])
    labels = np.stack([np.roll(row, shift) for shift in range(11)] + [np.zeros(11, int)]).astype(np.int64)
    verify_strength_two(labels, 2)
    return labels


def full_factorial(units: int, segments: int) -> Int[np.ndarray, "n s"]:
    """All K^S rows once: independent segments, an array of every strength."""
    labels = np.stack([g.ravel() for g in np.meshgrid(*[np.arange(units)] * segments, indexing="ij")], axis=1)
    verify_strength_two(labels, units)
    return labels.astype(np.int64)


# ---------------------------------------------------------------------------------------------------------------------
# What counting alone says: necessary sizes, floors, collapse values


def rao_samples(segments: int, units: int) -> int:
    """The smallest N that Rao's bound and divisibility allow an array: a multiple of K^2 with N >= 1 + S(K-1).

    Necessary, not sufficient.
    """
    least = 1 + segments * (units - 1)
    return -(-least // units**2) * units**2


def codeword_share(segments: int, units: int) -> int:
    """The number 1 + S(K-1): at an optimum no codeword holds more than N / (1 + S(K-1)) samples (C22)."""
    return 1 + segments * (units - 1)


def hard_floor(samples: int, units: int) -> float:
    """The floor of hard codes: for K >= 3 none of N samples has a loss below -log K - log min(N, K^2) (C9)."""
    return -log(units) - log(min(samples, units**2))


def most_segments_at_hard_floor(samples: int, units: int) -> int:
    """The largest S for which counting allows the floor of C9 at K < N < K^2: S <= K (N-1) / (N-K).

    Each segment has at least N (N/K - 1)/2 agreeing pairs of samples (convexity: fewest when balanced); no pair may
    agree twice; there are N(N-1)/2 pairs. If K does not divide N the diagonal term misses log K anyway, whatever S.
    """
    if not units < samples < units**2:
        raise DesignError(f"needs K < N < K^2, got N={samples}, K={units}")
    return units * (samples - 1) // (samples - units)


def uniform_loss(units: int, invariance_weight: float = 0.0) -> float:
    """The loss of the uniform collapse, q = 1/K everywhere: -(2 + 2/K) log K + lambda log K (C13)."""
    return (-(2 + 2 / units) + invariance_weight) * log(units)
