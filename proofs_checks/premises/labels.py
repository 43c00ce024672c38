"""Hard, invariant codes as strategies: orthogonal arrays of every construction, fragments of them, arbitrary tables.

The constructions themselves, each with its proof by counting, are in `designs.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import strategies as st

from proofs_checks.numbers.tolerance import loss_tolerance
from proofs_checks.premises import designs
from proofs_checks.premises.strategies import Draw, seeds


@dataclass(frozen=True)
class Table:
    """Labels (N, S) of a hard, invariant code over K units, with the name of its construction."""

    labels: np.ndarray
    k: int
    label: str

    @property
    def codes(self) -> torch.Tensor:
        """The one-hot codes (N, S, K) of the labels."""
        return designs.one_hot(self.labels, self.k)

    def tolerance(self, lam: float = 0.0) -> float:
        """By how much the loss of these codes may be off."""
        return loss_tolerance(*self.labels.shape, self.k, lam=lam)

    def __repr__(self) -> str:
        return f"Table{self.labels.shape}, K={self.k}, {self.label}"


ARRAYS: dict[str, Callable[[], tuple[np.ndarray, int]]] = {
    **{f"Bush {k}": lambda k=k: (designs.bush(k), k) for k in (2, 3, 4, 5, 7, 8)},
    **{f"triple {k}": lambda k=k: (designs.triple(k), k) for k in (3, 6, 10)},
    "Plackett-Burman": lambda: (designs.plackett_burman(), 2),
    "Bush 2 x Bush 3": lambda: (designs.product(designs.bush(2), 2, designs.bush(3, 3), 3), 6),
    "two copies of Bush 3": lambda: (np.tile(designs.bush(3), (2, 1)), 3),
}


def shuffled(labels: np.ndarray, k: int, seed: int, segments: int | None = None) -> np.ndarray:
    """Labels with samples, segments and the units of every segment in random order; `segments` of the columns."""
    rng = np.random.default_rng(seed)
    labels = labels[rng.permutation(len(labels))][:, rng.permutation(labels.shape[1])[:segments]]
    return np.stack([rng.permutation(k)[column] for column in labels.T], axis=1)


@st.composite
def arrays(draw: Draw, names: tuple[str, ...] = tuple(ARRAYS)) -> Table:
    """Draw an orthogonal array of any construction, shuffled, on two or more of its segments."""
    name, seed = draw(st.sampled_from(names)), draw(seeds)
    labels, k = ARRAYS[name]()
    segments = draw(st.integers(2, labels.shape[1]))
    return Table(shuffled(labels, k, seed, segments), k, f"{name}, seed {seed}")


@st.composite
def fragments(draw: Draw, units: tuple[int, ...] = (3, 4, 5, 7, 8)) -> Table:
    """Draw a partial Bush array, shuffled: N = m K < K^2 samples, two of which agree at most once."""
    k = draw(st.sampled_from(units))
    slopes, segments, seed = draw(st.integers(1, k - 1)), draw(st.integers(2, k)), draw(seeds)
    labels = shuffled(designs.partial_bush(k, slopes, segments), k, seed)
    return Table(labels, k, f"{slopes} slopes, seed {seed}")


@st.composite
def tables(draw: Draw, k: tuple[int, int] = (2, 5), s: tuple[int, int] = (2, 5), n: tuple[int, int] = (1, 14)) -> Table:
    """Draw any hard invariant code. k, s, n: inclusive ranges of units, segments, samples."""
    units, segments, samples, seed = draw(st.integers(*k)), draw(st.integers(*s)), draw(st.integers(*n)), draw(seeds)
    return Table(np.random.default_rng(seed).integers(units, size=(samples, segments)), units, f"any, seed {seed}")
