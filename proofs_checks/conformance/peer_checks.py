"""The checks of a peer: its optimum, its value at collapse, what it does not depend on, loops, and two processes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from proofs_checks.conformance import loops
from proofs_checks.conformance.peers import PEERS, Inputs, Peer
from proofs_checks.conformance.processes import in_two_processes
from proofs_checks.conformance.target import TargetError, call, describe, load, make, parameters, require_scalar

DRAWS = 3
TOLERANCE = 1e-6
"""Relative to 1 + |value|: guards that public code adds under roots and in norms are smaller, faults are not."""
SLOPE = 1e-5
"""The same for gradients, which central differences know to about 1e-8."""
MEANS = {
    "optimum": "another equation, another scale, or views paired wrongly",
    "collapse": "another constant in front or in the logarithm, a guard, or no guard where variance is zero",
    "unchanged": "a normalisation that is missing or mixes the views",
    "loops": "another equation: which negatives, which mean, which divisor (N or N - 1), which sum over directions",
    "gradient": "a gradient that is stopped, passes where it should not, or is scaled",
    "two processes": "the statistics of half a batch: nothing is gathered, or it is summed where a mean belongs",
}
"""What it usually means when a check fails."""
CHECKS = tuple(MEANS)


class PeerTarget:
    """A loaded adapter of a peer. TargetError if it is none."""

    def __init__(self, path: str, peer: Peer) -> None:
        self.path, self.peer, self._found = path, peer, load(path)
        sample = make(path, self._found)
        if not callable(sample):
            raise TargetError(f"target {path}: expected a function of ({', '.join(peer.arguments)}), got {sample!r}")
        # numbers may be keyword-only, so only the tensors are bound by position
        taken = parameters(path, sample, peer.arguments, tuple(peer.numbers), tuple(peer.numbers))
        if missing := sorted(set(peer.numbers) - taken):
            raise TargetError(f"target {path}: {', '.join(missing)}: expected a parameter of that name")
        inputs = tuple(x.requires_grad_() if x.is_floating_point() else x for x in peer.draw(0))
        value = call(path, f"{peer.name} of drawn inputs", lambda: self(inputs))
        require_scalar(path, peer.name, value, differentiable=True)

    def __call__(self, inputs: Inputs, **numbers: float) -> Tensor:
        """The loss of the inputs, from a new instance where the path names a class."""
        return make(self.path, self._found)(*inputs, **{**self.peer.numbers, **numbers})


@dataclass
class PeerFinding:
    """What became of one check: 'held', 'refuted', 'crashed' or 'not stated'; cases: how many; off: the largest
    difference from what is stated, relative (see `decide`); where: the case that decided."""

    check: str
    verdict: str
    cases: int = 0
    off: float = 0.0
    where: str = ""
    answer: float | None = None
    expected: float | None = None

    @property
    def red(self) -> bool:
        """Whether it speaks against the target."""
        return self.verdict in ("refuted", "crashed")

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


Case = tuple[str, Callable[[], Any], Any]
"""What it is, how to compute it, and what is stated."""


def decide(check: str, cases: list[Case], tolerance: float, least: float = 1.0) -> PeerFinding:
    """Compute the cases one by one; the first that fails decides, else the one that is furthest off.

    tolerance: relative to `least` plus the largest stated value; where all of those are zero, to one."""
    finding = PeerFinding(check, "held" if cases else "not stated", len(cases))
    for what, compute, stated in cases:
        try:
            answer, expected = np.asarray(compute(), dtype=float), np.asarray(stated, dtype=float)
        except Exception as failure:
            return PeerFinding(check, "crashed", len(cases), math.nan, f"{what}: {describe(failure)}")
        off = np.abs(answer - expected) / (least + np.abs(expected).max() or 1.0)
        place = np.unravel_index(int(np.argmax(np.where(np.isnan(off), np.inf, off))), off.shape)
        numbers = float(off[place]), what, float(answer[place]), float(expected[place])
        if not numbers[0] <= tolerance:
            return PeerFinding(check, "refuted", len(cases), *numbers)
        if numbers[0] >= finding.off:
            finding.off, finding.where, finding.answer, finding.expected = numbers
    return finding


def slopes(target: PeerTarget, inputs: Inputs, place: int) -> np.ndarray:
    """The target's gradient to one of the inputs; zero if it has none."""
    live = tuple(x.clone().requires_grad_() if x.is_floating_point() else x for x in inputs)
    (slope,) = torch.autograd.grad(target(live), live[place], materialize_grads=True)
    return slope.numpy()


def expected_slopes(peer: Peer, inputs: Inputs, place: int) -> np.ndarray:
    """The same by central differences of the loops; zero for an input that receives no gradient."""
    if peer.arguments[place] in peer.still:
        return np.zeros(inputs[place].shape)

    def along(x: np.ndarray) -> float:
        moved = (torch.from_numpy(x) if i == place else y for i, y in enumerate(inputs))
        return peer.loops(*moved, **peer.numbers)

    scale = float(inputs[place].abs().max())
    return loops.slope(along, inputs[place].numpy(), step=1e-5 * scale)


def half_of(peer: Peer, inputs: Inputs, rank: int) -> Inputs:
    """One process's half of the batch; what is shared stays whole, labels (H, N) are cut along N."""
    parts = []
    for name, x in zip(peer.arguments, inputs, strict=True):
        axis = 1 if name == "labels" else 0
        parts.append(x if name in peer.shared else x.chunk(2, dim=axis)[rank])
    return tuple(parts)


def values_of_half(rank: int, tasks: list[tuple[str, str]]) -> list[float]:
    """What one of two processes returns for its half of the first drawn batch, a value a task: (path, peer)."""
    values = []
    for path, name in tasks:
        peer = PEERS[name]
        values.append(float(make(path, load(path))(*half_of(peer, peer.draw(1), rank), **peer.numbers)))
    return values


def judge_peer(path: str, peer: Peer) -> list[PeerFinding]:
    """All checks of a peer on the target that a dotted path names. TargetError if it is no adapter of it."""
    target = PeerTarget(path, peer)
    drawn = [peer.draw(seed) for seed in range(1, 1 + DRAWS)]

    def stated(cases) -> list[Case]:
        return [(x.what, lambda x=x: float(target(x.inputs, **x.numbers)), x.value) for x in cases]

    unchanged = [
        (what, lambda change=change, x=x: float(target(change(x))), float(target(x).detach()))
        for what, change in peer.unchanged.items()
        for x in drawn
    ]
    by_loops = [
        (f"draw {i}", lambda x=x: float(target(x)), peer.loops(*x, **peer.numbers)) for i, x in enumerate(drawn, 1)
    ]
    places = [i for i, x in enumerate(drawn[0]) if x.is_floating_point()]
    gradients = [
        (peer.arguments[i], lambda i=i: slopes(target, drawn[0], i), expected_slopes(peer, drawn[0], i)) for i in places
    ]

    def both() -> float:
        return float(np.mean(in_two_processes(values_of_half, [(path, peer.name)])))

    return [
        decide("optimum", stated(peer.optimum), TOLERANCE),
        decide("collapse", stated(peer.collapse), TOLERANCE * 10),
        decide("unchanged", unchanged, TOLERANCE),
        decide("loops", by_loops, TOLERANCE),
        decide("gradient", gradients, SLOPE, least=0.0),
        decide("two processes", [("each with half of draw 1", both, float(target(drawn[0]).detach()))], TOLERANCE),
    ]
