"""Premises as strategies: codes and logits of all shapes.

Hypothesis draws the structure (sizes, kinds, how the views relate, temperature, weights) and one integer seed; the bulk
comes from a local `torch.Generator` with that seed. So an example replays exactly, and no global generator is touched.

Kinds of logits: `soft` (normal), `peaked`, `hard` (softmax exactly one-hot), `huge` (up to 1e4), `tied` (few distinct
values), `constant` (no sample dependence), `uniform` (zeros), `dead` (some units never used), `mixed` (another
temperature for every code). Views: `same`, `near` (a small disturbance), `independent`, `rolled` (paired with another
sample), `flipped` (a few samples differ).
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from proofs_checks.objective import Codes, Logits
from proofs_checks.premises.designs import bush, one_hot

Draw = Callable[[st.SearchStrategy], object]


def generator(seed: int) -> torch.Generator:
    """A generator of its own for one example, so that it replays exactly."""
    return torch.Generator().manual_seed(seed)


seeds = st.integers(0, 2**48 - 1)
weights = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.0, 3.0, allow_subnormal=False, width=32))
"""Weights lambda of the invariance term; the two forms in use come often."""


# bulk ---------------------------------------------------------------------------------------------


def _hard(generator: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    units = torch.randint(shape[-1], shape[:-1], generator=generator)
    return torch.nn.functional.one_hot(units, shape[-1]).double()


def _normal(generator: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _mixed(generator: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    scales = torch.tensor([0.0, 0.1, 1.0, 5.0, 30.0, 1000.0], dtype=torch.float64)
    chosen = scales[torch.randint(len(scales), shape[:-1], generator=generator)]
    return chosen.unsqueeze(-1) * _normal(generator, shape)


def _dead(generator: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    alive = torch.rand(shape[1:], generator=generator, dtype=torch.float64) < 0.6
    alive[..., 0] = True
    return torch.where(alive, 2 * _normal(generator, shape), torch.tensor(-2000.0, dtype=torch.float64))


KINDS: dict[str, Callable[[torch.Generator, tuple[int, ...]], Tensor]] = {
    "soft": _normal,
    "peaked": lambda g, shape: 6 * _normal(g, shape),
    "hard": lambda g, shape: 2000 * _hard(g, shape),
    "huge": lambda g, shape: 3000 * _normal(g, shape).clamp(-3, 3),
    "tied": lambda g, shape: torch.randint(3, shape, generator=g).double(),
    "constant": lambda g, shape: 3 * _normal(g, (1, *shape[1:])).expand(shape),
    "uniform": lambda g, shape: torch.zeros(shape, dtype=torch.float64),
    "dead": _dead,
    "mixed": _mixed,
}
SOFT = ("soft", "peaked", "tied", "constant", "uniform")
"""Kinds whose codes are positive everywhere and whose logits are moderate."""
VIEWS = ("same", "near", "independent", "rolled", "flipped")


def logits_of(kind: str, view: str, shape: tuple[int, int, int], seed: int) -> tuple[Tensor, Tensor]:
    """Two views' logits (N, S, K) of one of the kinds and views above, from the seed alone."""
    g = generator(seed)
    z1 = KINDS[kind](g, shape).contiguous()
    if view == "same":
        return z1, z1.clone()
    if view == "near":
        return z1, z1 + 0.3 * _normal(g, shape)
    if view == "rolled":
        return z1, z1.roll(1, 0)
    other = KINDS[kind](g, shape).contiguous()
    if view == "flipped":
        return z1, torch.where(torch.rand((shape[0], 1, 1), generator=g) < 0.3, other, z1)
    return z1, other


# strategies ---------------------------------------------------------------------------------------


def _draw_structure(
    draw: Draw, sizes: tuple[tuple[int, int], ...], kinds: tuple[str, ...], views: tuple[str, ...]
) -> tuple[str, str, tuple[int, ...]]:
    kind, view = draw(st.sampled_from(kinds)), draw(st.sampled_from(views))
    return kind, view, tuple(draw(st.integers(*size)) for size in sizes)


@st.composite
def codes(
    draw: Draw,
    *,
    k: tuple[int, int] = (2, 6),
    s: tuple[int, int] = (2, 4),
    n: tuple[int, int] = (1, 12),
    kinds: tuple[str, ...] = tuple(KINDS),
    views: tuple[str, ...] = VIEWS,
) -> Codes:
    """Draw codes of any kind, their views related in any way. n, s, k: inclusive ranges of samples, segments, units."""
    kind, view, shape = _draw_structure(draw, (n, s, k), kinds, views)
    seed = draw(seeds)
    z1, z2 = logits_of(kind, view, shape, seed)
    return Codes(torch.softmax(z1, -1), torch.softmax(z2, -1), f"{kind}, {view}, seed {seed}")


def hard_codes(**sizes: tuple[int, int]) -> st.SearchStrategy[Codes]:
    """Draw one-hot codes, not necessarily balanced, not necessarily invariant."""
    return codes(kinds=("hard",), **sizes)


@st.composite
def logits(
    draw: Draw,
    *,
    k: tuple[int, int] = (2, 6),
    s: tuple[int, int] = (2, 4),
    n: tuple[int, int] = (1, 12),
    kinds: tuple[str, ...] = tuple(KINDS),
    views: tuple[str, ...] = VIEWS,
    temperatures: tuple[float, ...] = (1.0, 0.5, 2.0, 0.1),
) -> Logits:
    """Draw logits (N, D) of any kind, with a temperature. n, s, k: inclusive ranges of samples, segments, units."""
    kind, view, shape = _draw_structure(draw, (n, s, k), kinds, views)
    t, seed = draw(st.sampled_from(temperatures)), draw(seeds)
    z1, z2 = logits_of(kind, view, shape, seed)
    return Logits(z1.reshape(shape[0], -1), z2.reshape(shape[0], -1), shape[1], t, f"{kind}, {view}, seed {seed}")


# exact arrays ----------------------------------------------------------------------------------------

ORDERS = (2, 3, 4, 5, 7)
"""Units K of the arrays drawn below: prime powers, for which `designs.bush` has up to K + 1 segments."""


@lru_cache(maxsize=64)
def array(k: int, segments: int) -> np.ndarray:
    """Labels (K^2, S) of the Bush array, made and counted once."""
    return bush(k, segments)


@st.composite
def orthogonal(draw: Draw, *, k: tuple[int, ...] = ORDERS, s: tuple[int, int] = (2, 4)) -> Codes:
    """Draw one-hot codes, equal in both views, on an orthogonal array: samples, segments and units shuffled."""
    units = draw(st.sampled_from(k))
    segments, seed = draw(st.integers(s[0], min(s[1], units + 1))), draw(seeds)
    g = generator(seed)
    columns = torch.randperm(units + 1, generator=g)[:segments]
    labels = torch.from_numpy(array(units, units + 1))[torch.randperm(units**2, generator=g)][:, columns]
    for column in range(segments):
        labels[:, column] = torch.randperm(units, generator=g)[labels[:, column]]
    q = one_hot(labels, units)
    return Codes(q, q.clone(), f"array, seed {seed}")


@st.composite
def near_optimal(draw: Draw, *, k: tuple[int, int] = (2, 7), s: tuple[int, int] = (2, 4)) -> Codes:
    """Orthogonal arrays, a little spoilt: every code smoothed by an amount of its own, and in some a few symbols of the
    second view moved (a share of their weight), so that the gap is small but each of its parts is there."""
    q = draw(orthogonal(k=tuple(order for order in ORDERS if k[0] <= order <= k[1]), s=s)).q1
    scale, moved = 10.0 ** -draw(st.integers(1, 5)), draw(st.sampled_from([0.0, 0.0, 1e-3, 0.1, 0.5]))
    seed = draw(seeds)
    g = generator(seed)
    views = []
    for view in range(2):
        amounts = scale * torch.rand(q.shape[:2], generator=g, dtype=torch.float64).unsqueeze(-1)
        spread = torch.softmax(_normal(g, tuple(q.shape)), -1)
        code = (1 - amounts) * q + amounts * spread
        if view and moved:
            chosen = torch.rand(q.shape[:2], generator=g).unsqueeze(-1) < 0.1
            code = torch.where(chosen, (1 - moved) * code + moved * code.roll(1, -1), code)
        views.append(code)
    return Codes(*views, f"spoilt array, scale {scale:.0e}, moved {moved}, seed {seed}")


def smooth(q: Tensor, amount: float) -> Tensor:
    """Codes moved towards the uniform ones: (1 - amount) q + amount / K."""
    return (1 - amount) * q + amount / q.shape[-1]
