"""Exact values of the loss: rational combinations of logarithms of primes.

Every entry of the joint distribution of a hard code is a fraction, so each entropy is a sum of fractions times
logarithms of integers, that is q_2 log 2 + q_3 log 3 + q_5 log 5 + ... with rational q. Logarithms of different
primes are linearly independent over the rationals (unique factorisation), so two such values are equal if and only if
all coefficients are: a tie between two losses (claims C6, C11, C13) can be *decided*, which no float can do.
Inequalities are decided by interval arithmetic, see `constants.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import fsum, log

import numpy as np

RationalCodes = Sequence[Sequence[Sequence[Fraction]]]
"""Indexed [n][s][i]; rows sum to one."""


@lru_cache(maxsize=4096)
def factorise(number: int) -> tuple[tuple[int, int], ...]:
    """Prime factors of a positive integer with their exponents, by trial division."""
    if number < 1:
        raise ValueError(f"only positive integers have a logarithm, got {number}")
    factors, p = [], 2
    while p * p <= number:
        exponent = 0
        while number % p == 0:
            number, exponent = number // p, exponent + 1
        if exponent:
            factors.append((p, exponent))
        p += 1
    return (*factors, (number, 1)) if number > 1 else tuple(factors)


@dataclass(frozen=True)
class LogSum:
    """A sum of c_p log p over primes p, rational c_p. Equality is exact; float() rounds term by term."""

    coefficients: tuple[tuple[int, Fraction], ...] = ()

    @classmethod
    def of(cls, coefficients: Mapping[int, Fraction]) -> LogSum:
        """Build from prime -> coefficient; zeros are dropped, so that equal values have equal representations."""
        return cls(tuple(sorted((p, Fraction(c)) for p, c in coefficients.items() if c)))

    def __add__(self, other: LogSum) -> LogSum:
        total = dict(self.coefficients)
        for p, c in other.coefficients:
            total[p] = total.get(p, Fraction(0)) + c
        return LogSum.of(total)

    def __mul__(self, factor: int | Fraction) -> LogSum:
        return LogSum.of({p: c * factor for p, c in self.coefficients})

    __rmul__ = __mul__

    def __neg__(self) -> LogSum:
        return self * -1

    def __sub__(self, other: LogSum) -> LogSum:
        return self + -other

    def __float__(self) -> float:
        return fsum(float(c) * log(p) for p, c in self.coefficients)


def log_of(value: int | Fraction) -> LogSum:
    """Logarithm of a positive rational."""
    value = Fraction(value)
    top = LogSum.of({p: Fraction(k) for p, k in factorise(value.numerator)})
    return top - LogSum.of({p: Fraction(k) for p, k in factorise(value.denominator)})


def phi(p: Fraction) -> LogSum:
    """The function p log p of a rational p >= 0, exactly; zero at zero."""
    return p * log_of(p) if p else LogSum()


def phi_sum(values: Iterable[Fraction]) -> LogSum:
    """The sum of p log p. Equal values are collected first, so a large table of few different counts is cheap."""
    total = LogSum()
    for value, times in Counter(values).items():
        total = total + times * phi(Fraction(value))
    return total


@dataclass(frozen=True)
class ExactTerms:
    """The two entropy terms of the loss, exact; `agreements` lists <q', q''> over (n, s) for the invariance term."""

    diagonal: LogSum
    off_diagonal: LogSum
    agreements: tuple[Fraction, ...]

    @property
    def entropy_loss(self) -> LogSum:
        """The loss at lambda = 0: diagonal + off_diagonal."""
        return self.diagonal + self.off_diagonal


def hard_terms(first: np.ndarray, second: np.ndarray, units: int) -> ExactTerms:
    """Exact terms of two label tables (N, S), by counting how often each pair of units occurs; S >= 2."""
    samples, segments = first.shape
    diagonal, off = LogSum(), LogSum()
    for s in range(segments):
        for t in range(segments):
            cells = Counter(zip(first[:, s].tolist(), second[:, t].tolist(), strict=True))
            counts = [c for (i, j), c in cells.items() if s != t or i == j]
            value = phi_sum(Fraction(c, samples) for c in counts)
            if s == t:
                diagonal = diagonal + value
            else:
                off = off + value
    if first.min() < 0 or max(first.max(), second.max()) >= units:
        raise ValueError(f"labels must lie in 0..{units - 1}")
    agreements = tuple(Fraction(int(a == b)) for a, b in zip(first.ravel(), second.ravel(), strict=True))
    return ExactTerms(diagonal * Fraction(1, segments), off * Fraction(1, segments * (segments - 1)), agreements)


def rational_terms(first: RationalCodes, second: RationalCodes) -> ExactTerms:
    """Exact terms of soft codes with rational entries, entry by entry from the definition; S >= 2, small N."""
    samples, segments, units = len(first), len(first[0]), len(first[0][0])
    share = Fraction(1, samples)

    def cell(s: int, t: int, i: int, j: int) -> Fraction:
        return share * sum(first[n][s][i] * second[n][t][j] for n in range(samples))

    pairs = [(s, t) for s in range(segments) for t in range(segments)]
    diagonal = phi_sum(cell(s, t, i, i) for s, t in pairs if s == t for i in range(units))
    off = phi_sum(cell(s, t, i, j) for s, t in pairs if s != t for i in range(units) for j in range(units))
    agreements = tuple(
        sum((a * b for a, b in zip(p, q, strict=True)), Fraction(0))
        for x, y in zip(first, second, strict=True)
        for p, q in zip(x, y, strict=True)
    )
    return ExactTerms(diagonal * Fraction(1, segments), off * Fraction(1, segments * (segments - 1)), agreements)


def as_rational(labels: np.ndarray, units: int) -> list[list[list[Fraction]]]:
    """A label table as one-hot codes with Fraction entries, mutable, for constructions that soften some of them."""
    return [[[Fraction(int(i == c)) for i in range(units)] for c in row] for row in labels.tolist()]
