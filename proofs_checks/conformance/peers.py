"""What is stated of the ten peers: their optimum, their value at collapse, what they do not depend on, and the loops.

A peer's adapter is a function of tensors, called as the table of `PEERS` says, with its numbers by keyword:

    simclr(z1, z2, temperature)             moco(query, key, queue, temperature)         rows of queue of norm one
    byol(prediction, target)                simsiam(p1, p2, z1, z2)                      one direction; both
    swav(scores1, scores2, codes1, codes2, temperature)                                  scores: cosines
    deepcluster, sela(z1, z2, prototypes, labels, temperature)                           (H, K, D) and (H, N)
    wmse(z1, z2)                                                                         whole batch, no shrinkage
    barlow_twins(z1, z2, off_diagonal_weight)                                            scale one
    vicreg(z1, z2), vicreg_printed(z1, z2)         variance term halved as released, and not, as in the paper

z: embeddings (N, D) of two views before any normalisation. All values are means over the batch, in nats where there is
a logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from proofs_checks.conformance import loops
from proofs_checks.conformance.target import drawn

N, D, K = 8, 3, 4
Inputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class Stated:
    """A value that a loss is stated to have at some inputs, with these numbers by keyword."""

    what: str
    inputs: Inputs
    value: float
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Peer:
    """A peer's statements.

    arguments: names of its tensors; numbers: of its keywords, with the values used; draw: inputs from a seed; loops:
    the value of such inputs by loops over Python floats; optimum, collapse: stated values (a loss that is undefined at
    collapse states none); unchanged: named changes of the inputs that leave the value alone; still: arguments that
    receive no gradient; shared: arguments that are not split between processes.
    """

    name: str
    arguments: tuple[str, ...]
    numbers: Mapping[str, float]
    draw: Callable[[int], Inputs]
    loops: Callable[..., float]
    optimum: tuple[Stated, ...]
    collapse: tuple[Stated, ...]
    unchanged: Mapping[str, Callable[[Inputs], Inputs]]
    still: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()


def unit(x: Tensor) -> Tensor:
    """Rows of norm one."""
    return x / x.norm(dim=-1, keepdim=True)


def two(seed: int) -> Inputs:
    """Two views (N, D), the second near the first, so that no term is trivial."""
    z = drawn(N, D, seed=seed)
    return z, z + 0.7 * drawn(N, D, seed=seed + 1000)


def rows(seed: int) -> Tensor:
    """Factors (N, 1), one a sample, between 0.2 and 5."""
    return 5 ** (2 * torch.rand(N, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1)


def constant(width: int = D) -> Tensor:
    """Every sample alike."""
    return drawn(1, width, seed=5).expand(N, width).clone()


def simplex(n: int) -> Tensor:
    """n unit vectors, every two at the cosine -1 / (n - 1)."""
    return unit(torch.eye(n, dtype=torch.float64) - 1 / n)


def rescaled(*places: int) -> Callable[[Inputs], Inputs]:
    """The change that multiplies every row of the named inputs by a positive factor of its own."""

    def change(inputs: Inputs) -> Inputs:
        return tuple(x * rows(i)[: len(x)] if i in places else x for i, x in enumerate(inputs))

    return change


def columns(scale: bool) -> Callable[[Inputs], Inputs]:
    """The change that shifts every coordinate of each view, and multiplies it by a positive factor if `scale`."""

    def change(inputs: Inputs) -> Inputs:
        changed = []
        for i, z in enumerate(inputs):
            factor = rows(i + 20)[: z.shape[1]].T if scale else 1.0
            # both views shifted alike, since VICReg compares them
            changed.append(z * factor + 3 * drawn(1, z.shape[1], seed=30))
        return tuple(changed)

    return change


def triangular(inputs: Inputs) -> Inputs:
    """Each view times a lower triangular matrix with positive diagonal, plus a shift: Cholesky whitening undoes it."""
    low = torch.tensor([[2.0, 0.0, 0.0], [1.0, 3.0, 0.0], [-1.0, 0.5, 1.0]], dtype=torch.float64)
    return inputs[0] @ low.T + 1, inputs[1] @ (low * 0.3).T - 2


def exchanged(inputs: Inputs) -> Inputs:
    """The two views exchanged."""
    return inputs[1], inputs[0], *inputs[2:]


def by_pairs(inputs: Inputs) -> Inputs:
    """Both pairs of inputs exchanged."""
    return inputs[1], inputs[0], inputs[3], inputs[2]


# inputs of those that take more than two views --------------------------------------------------------

TAU = 0.4
LABELS = torch.tensor([[0, 3, 1, 2, 2, 3, 0, 1], [1, 1, 0, 2, 3, 0, 3, 2]])


def with_queue(seed: int) -> Inputs:
    """Queries, keys and a queue of five unit rows."""
    return *two(seed), unit(drawn(5, D, seed=seed + 50))


def with_clusters(seed: int) -> Inputs:
    """Two views, two heads of prototypes, and the labels."""
    return *two(seed), drawn(2, K, D, seed=seed + 60), LABELS


def with_codes(seed: int) -> Inputs:
    """Cosines of two views and their codes."""
    scores = (torch.tanh(drawn(N, K, seed=seed + i)) for i in range(2))
    return *scores, *(torch.softmax(drawn(N, K, seed=seed + 2 + i), 1) for i in range(2))


def _cluster_peer(name: str) -> Peer:
    corners, labels = torch.eye(K, dtype=torch.float64).unsqueeze(0), LABELS[:1]
    return Peer(
        name,
        ("z1", "z2", "prototypes", "labels"),
        {"temperature": TAU},
        with_clusters,
        lambda z1, z2, c, y, temperature: loops.clusters(z1.numpy(), z2.numpy(), c.numpy(), y.numpy(), temperature),
        (
            Stated(
                "every sample on its prototype",
                (corners[0, labels[0]], corners[0, labels[0]], corners, labels),
                math.log1p(3 * math.exp(-20)),
                {"temperature": 0.05},
            ),
        ),
        (
            Stated(
                "every sample as far from all prototypes",
                (torch.ones(N, K, dtype=torch.float64), torch.ones(N, K, dtype=torch.float64), corners, labels),
                math.log(K),
            ),
        ),
        {"scale of every embedding": rescaled(0, 1), "views exchanged": exchanged},
        still=("labels", "prototypes") if name == "deepcluster" else ("labels",),
        shared=("prototypes",),
    )


def _vicreg_peer(name: str, factor: float) -> Peer:
    signs = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64).repeat(2, 1)
    return Peer(
        name,
        ("z1", "z2"),
        {},
        two,
        lambda z1, z2: loops.vicreg(z1.numpy(), z2.numpy(), (25, 25, 1), factor),
        (Stated("equal, wide and uncorrelated views", (signs, signs), 0.0),),
        (Stated("every sample alike", (constant(), constant()), 50 * factor * (1 - 0.01)),),
        {"shift of every coordinate": columns(scale=False), "views exchanged": exchanged},
    )


def _peers() -> list[Peer]:
    z, signs = drawn(N, D, seed=3), 100 * torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    codes = torch.softmax(drawn(N, K, seed=4), 1)
    entropy = -float((codes * codes.log()).sum(1).mean())
    even = torch.full((N, K), 1 / K, dtype=torch.float64)
    tau, least = 0.5, lambda n, t: math.log1p((2 * n - 2) * math.exp(-n / ((n - 1) * t)))
    return [
        Peer(
            "simclr",
            ("z1", "z2"),
            {"temperature": TAU},
            two,
            lambda z1, z2, temperature: loops.simclr(z1.numpy(), z2.numpy(), temperature),
            (Stated("the corners of a simplex", (simplex(N), simplex(N)), least(N, tau), {"temperature": tau}),),
            (Stated("every sample alike", (constant(), constant()), math.log(2 * N - 1)),),
            {"scale of every embedding": rescaled(0, 1), "views exchanged": exchanged},
        ),
        Peer(
            "moco",
            ("query", "key", "queue"),
            {"temperature": TAU},
            with_queue,
            lambda q, k, rows, temperature: loops.moco(q.numpy(), k.numpy(), rows.numpy(), temperature),
            (
                Stated(
                    "an opposite queue",
                    (constant(), constant(), -unit(constant()[:2])),
                    math.log1p(2 * math.exp(-20)),
                    {"temperature": 0.1},
                ),
            ),
            (Stated("every sample alike", (constant(), constant(), unit(constant()[:4])), math.log(5)),),
            {"scale of every query and key": rescaled(0, 1)},
            still=("key", "queue"),
            shared=("queue",),
        ),
        Peer(
            "byol",
            ("prediction", "target"),
            {},
            two,
            lambda p, t: loops.byol(p.numpy(), t.numpy()),
            (Stated("predictions along their targets", (5 * z, z), 0.0), Stated("against them", (-z, z), 4.0)),
            (Stated("every sample alike", (constant(), constant()), 0.0),),
            {"scale of every prediction and target": rescaled(0, 1), "both exchanged": exchanged},
            still=("target",),
        ),
        Peer(
            "simsiam",
            ("p1", "p2", "z1", "z2"),
            {},
            lambda seed: (*two(seed), *two(seed + 7)),
            lambda p1, p2, z1, z2: loops.simsiam(*(x.numpy() for x in (p1, p2, z1, z2))),
            (Stated("predictions along the other view", (2 * z, 3 * two(1)[0], two(1)[0], z), -1.0),),
            (Stated("every sample alike", (constant(),) * 4, -1.0),),
            {"scale of every vector": rescaled(0, 1, 2, 3), "views exchanged": by_pairs},
            still=("z1", "z2"),
        ),
        Peer(
            "swav",
            ("scores1", "scores2", "codes1", "codes2"),
            {"temperature": TAU},
            with_codes,
            lambda a, b, c, d, temperature: loops.swav(*(x.numpy() for x in (a, b, c, d)), temperature),
            (
                Stated(
                    "predictions equal to the codes",
                    (0.3 * codes.log(), 0.3 * codes.log(), codes, codes),
                    entropy,
                    {"temperature": 0.3},
                ),
            ),
            (
                Stated(
                    "every sample alike, even codes", (constant(K)[:, :1].expand(N, K),) * 2 + (even,) * 2, math.log(K)
                ),
            ),
            {"views exchanged": by_pairs},
            still=("codes1", "codes2"),
        ),
        _cluster_peer("deepcluster"),
        _cluster_peer("sela"),
        Peer(
            "wmse",
            ("z1", "z2"),
            {},
            two,
            lambda z1, z2: loops.wmse(z1.numpy(), z2.numpy(), [(0, len(z1))], 0.0),
            (Stated("equal views", (z, z), 0.0), Stated("opposite views", (z, -z), 4.0)),
            (),
            {"triangular map and shift of either view": triangular, "views exchanged": exchanged},
        ),
        Peer(
            "barlow_twins",
            ("z1", "z2"),
            {"off_diagonal_weight": 0.07},
            lambda seed: tuple(100 * x for x in two(seed)),
            lambda z1, z2, off_diagonal_weight: loops.barlow_twins(z1.numpy(), z2.numpy(), off_diagonal_weight, 0.0),
            (Stated("equal uncorrelated views", (signs, signs), 0.0), Stated("opposite views", (signs, -signs), 8.0)),
            (Stated("every sample alike", (constant(), constant()), D),),
            {"scale and shift of every coordinate": columns(scale=True), "views exchanged": exchanged},
        ),
        _vicreg_peer("vicreg", 0.5),
        _vicreg_peer("vicreg_printed", 1.0),
    ]


PEERS: dict[str, Peer] = {peer.name: peer for peer in _peers()}
"""What is stated of each, by name."""
