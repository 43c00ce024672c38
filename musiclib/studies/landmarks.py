"""Codes whose place on the map is known: perfect attributes, a perfect arbitrary code, and codes that collapsed.

On images whose factors take all combinations equally often a code is a function of the factors, so that its loss and
its redundancy and purity are exact, without a network. *Attributes* gives every factor a segment of its own; the
*arbitrary* code mixes the digits of the factors by linear forms over a finite field, an orthogonal array of strength
two. Where there are at least as many factors as segments both reach the bound of the loss (theory C7), and no loss of
joint distributions can tell them apart (C14, C32): what decides between them is the encoder and its training.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Int, Int64
from torch import Tensor

from musiclib.coding import one_hot
from musiclib.evaluate.attributes import summary
from musiclib.objective import code_terms, lower_bound

#: Irreducible polynomials over two elements, by degree, as bits: x^2 + x + 1 is 0b111.
_POLYNOMIALS = {1: 0b11, 2: 0b111, 3: 0b1011, 4: 0b10011, 5: 0b100101, 6: 0b1000011}


def every_combination(sizes: Mapping[str, int]) -> dict[str, Int64[Tensor, "n"]]:
    """All combinations of the factors once: name -> values, N the product of the numbers of values."""
    if not sizes or min(sizes.values()) < 1:
        raise ValueError(f"sizes={dict(sizes)}: needs factors of at least one value each")
    grids = torch.meshgrid(*(torch.arange(v) for v in sizes.values()), indexing="ij")
    return {name: grid.flatten() for name, grid in zip(sizes, grids, strict=True)}


def attribute_code(
    factors: Mapping[str, Int[Tensor, "n"]], sizes: Mapping[str, int], units: int, segments: int
) -> Int64[Tensor, "n s"]:
    """Labels of the perfect attribute code: segment s says the value of factor s mod F.

    With fewer units than values neighbours are merged. With more, a value is split by two other factors together, so
    that units stay balanced and, on three factors or more, segments of different factors independent; that costs
    purity, log V of log K being left. With more segments than factors the first factors have several.
    """
    names = list(sizes)
    if len(names) < 3:
        raise ValueError(f"sizes names {len(names)} factors; a split needs at least 3")
    columns = []
    for s in range(segments):
        own, one, two = (names[(s + step) % len(names)] for step in range(3))
        cells = sizes[one] * sizes[two]
        split = (factors[one] * sizes[two] + factors[two] * sizes[one]) % cells
        columns.append(units * (factors[own] * cells + split) // (sizes[own] * cells))
    return torch.stack(columns, dim=1).long()


def arbitrary_code(
    factors: Mapping[str, Int[Tensor, "n"]], sizes: Mapping[str, int], units: int, segments: int
) -> Int64[Tensor, "n s"]:
    """Labels of an orthogonal array over the factors' combinations, of which no segment follows a factor it need not.

    The combinations, numbered, are written with m digits of K; every segment is a linear form of the digits over the
    field of K elements (K prime, or a power of two up to 64), no two proportional, those of most digits first. Uniform
    and pairwise independent where all combinations are equally frequent and K^m divides their number; nearly so
    elsewhere. At most (K^m - 1) / (K - 1) segments.
    """
    number = torch.zeros_like(next(iter(factors.values()))).long()
    for name, size in sizes.items():
        number = number * size + factors[name]
    m = int(math.log(math.prod(sizes.values())) / math.log(units) + 1e-9)
    digits = [number // units**place % units for place in range(m)]
    times, plus = _field(units)
    forms = [f for f in itertools.product(range(units), repeat=m) if next((a for a in f if a), 0) == 1]
    forms.sort(key=lambda form: -sum(a != 0 for a in form))
    if segments > len(forms):
        raise ValueError(f"segments={segments}: {m} digits of K={units} carry at most {len(forms)}")
    columns = []
    for form in forms[:segments]:
        total = torch.zeros_like(number)
        for a, digit in zip(form, digits, strict=True):
            total = plus[total, times[a][digit]]
        columns.append(total)
    return torch.stack(columns, dim=1)


def _field(units: int) -> tuple[Int64[Tensor, "k k"], Int64[Tensor, "k k"]]:
    """Multiplication and addition tables of the field of K elements."""
    a = torch.arange(units)
    degree = units.bit_length() - 1
    if units == 2**degree and degree in _POLYNOMIALS:
        times = torch.tensor([[_carryless(i, j, degree) for j in range(units)] for i in range(units)])
        return times, a[:, None] ^ a[None, :]
    if units < 2 or any(units % d == 0 for d in range(2, math.isqrt(units) + 1)):
        raise ValueError(f"units={units}: expected a prime, or a power of two up to 64")
    return a[:, None] * a[None, :] % units, (a[:, None] + a[None, :]) % units


def _carryless(i: int, j: int, degree: int) -> int:
    """Product of two polynomials over two elements, modulo the irreducible one of that degree."""
    product = 0
    while j:
        product ^= i if j & 1 else 0
        i, j = i << 1, j >> 1
        i ^= _POLYNOMIALS[degree] if i >> degree else 0
    return product


@dataclass(frozen=True)
class Landmark:
    """A code with its place: loss in nats (invariant and one-hot, so the same for every weight of invariance), gap to
    the bound, and the numbers of `attributes.summary`."""

    codes: Int64[Tensor, "n s"]
    loss: float
    gap: float
    place: dict[str, float]


def landmarks(sizes: Mapping[str, int], units: int, segments: int, *, seed: int = 0) -> dict[str, Landmark]:
    """The landmarks of a map of S segments with K units over factors of these sizes, all combinations once.

    attributes    one factor a segment, repeated where there are more segments than factors
    arbitrary     an orthogonal array over the factors' combinations
    identical     every segment says the first factor
    null          labels drawn without a look at the image
    """
    factors = every_combination(sizes)
    n = len(next(iter(factors.values())))
    generator = torch.Generator().manual_seed(seed)
    perfect = attribute_code(factors, sizes, units, segments)
    codes = {
        "attributes": perfect,
        "arbitrary": arbitrary_code(factors, sizes, units, segments),
        "identical": perfect[:, :1].expand(-1, segments).contiguous(),
        "null": torch.randint(units, (n, segments), generator=generator),
    }
    return {name: landmark(code, factors, units) for name, code in codes.items()}


def landmark(codes: Int[Tensor, "n s"], factors: Mapping[str, Int[Tensor, "n"]], units: int) -> Landmark:
    """A code of labels in 0..units-1, both views alike, with its loss and its place."""
    q = one_hot(codes, units, torch.float64)
    terms = code_terms(q, q)
    loss = float(terms.diagonal + terms.off_diagonal)
    bound = lower_bound(units, segments=codes.shape[1])
    return Landmark(codes, loss, loss - bound, summary(codes, factors))
