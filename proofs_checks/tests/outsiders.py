"""Adapters for the tests: every wrong loss as somebody else's implementation, and targets of a faulty form."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from proofs_checks.objective import Assembled, Objective
from proofs_checks.wrong import MUTANTS


class Outside:
    """An objective behind the interface of an adapter; it knows the weight of the invariance term alone."""

    made: Callable[[], Objective] = Assembled

    def __init__(self) -> None:
        self.objective = type(self).made()

    def loss(self, z1: Tensor, z2: Tensor, segments: int, temperature=1.0, weights=(1.0, 1.0, 1.0)) -> Tensor:
        if tuple(weights[:2]) != (1.0, 1.0):
            raise NotImplementedError("weights of the entropy terms")
        return self.objective.logit_loss(z1, z2, segments, temperature, weights[2])

    def codes(self, z: Tensor, segments: int, temperature: float = 1.0) -> Tensor:
        return self.objective.codes(z, segments, temperature)

    def joint(self, q1: Tensor, q2: Tensor) -> Tensor:
        return self.objective.joint(q1, q2)

    def terms(self, q1: Tensor, q2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.objective.code_terms(q1, q2)

    def phi(self, p: Tensor) -> Tensor:
        return self.objective.phi(p)


for _name, _made in MUTANTS.items():
    globals()[_name] = type(_name, (Outside,), {"made": staticmethod(_made)})


def alone(name: str) -> Callable[..., Tensor]:
    """The loss of a wrong loss and nothing else: temperature and weights one."""
    return lambda z1, z2, segments: MUTANTS[name]().logit_loss(z1, z2, segments)


for _name in MUTANTS:
    globals()[f"{_name}_alone"] = alone(_name)


class Single(Outside):
    """Computes in float32 whatever it is given."""

    def loss(self, z1: Tensor, z2: Tensor, segments: int, temperature=1.0, weights=(1.0, 1.0, 1.0)) -> Tensor:
        return super().loss(z1.float(), z2.float(), segments, temperature, weights)

    def codes(self, z: Tensor, segments: int, temperature: float = 1.0) -> Tensor:
        return super().codes(z.float(), segments, temperature)

    def joint(self, q1: Tensor, q2: Tensor) -> Tensor:
        return super().joint(q1.float(), q2.float())

    def terms(self, q1: Tensor, q2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return super().terms(q1.float(), q2.float())


def short(z1, z2):
    return (z1 * z2).sum()


def vector(z1, z2, segments):
    return (z1 * z2).sum(1)


def integer(z1, z2, segments):
    return (z1 * z2).sum().long()


def a_float(z1, z2, segments):
    return 1.0


def detached(z1, z2, segments):
    return (z1 * z2).sum().detach()


def raises(z1, z2, segments):
    raise RuntimeError("first line\nsecond line")


class NeedsArguments:
    def __init__(self, size):
        self.size = size


class OneTerm(Outside):
    def terms(self, q1, q2):
        return q1.sum()


class FlatJoint(Outside):
    def joint(self, q1, q2):
        return super().joint(q1, q2).flatten(1)


class CodesOfNothing(Outside):
    def codes(self, z):
        return z


def crashes_for_one_segment(z1, z2, segments):
    """Divides by S - 1."""
    return Assembled().logit_loss(z1, z2, segments) + 0 / (segments - 1)


# peers ----------------------------------------------------------------------------------------------


def simclr_without_positive(z1, z2, temperature):
    """The denominator lacks the positive pair."""
    n = len(z1)
    z = torch.nn.functional.normalize(torch.cat([z1, z2]), dim=1)
    scores = (z @ z.T / temperature).fill_diagonal_(-torch.inf)
    place = torch.arange(2 * n).roll(n)
    positive = scores[torch.arange(2 * n), place]
    masked = scores.scatter(1, place.unsqueeze(1), -torch.inf)
    return (torch.logsumexp(masked, 1) - positive).mean()


def simclr_not_normalised(z1, z2, temperature):
    n = len(z1)
    z = torch.cat([z1, z2])
    return torch.nn.functional.cross_entropy(
        (z @ z.T / temperature).fill_diagonal_(-torch.inf), torch.arange(2 * n).roll(n)
    )


def byol_not_stopped(prediction, target):
    return 2 - 2 * torch.cosine_similarity(prediction, target, dim=1).mean()


def barlow_mixed(z1, z2, off_diagonal_weight):
    """Both views standardised with the statistics of both together."""
    both = torch.cat([z1, z2])
    a, b = ((z - both.mean(0)) / both.std(0, unbiased=False) for z in (z1, z2))
    c = a.T @ b / len(a)
    d = c.diagonal()
    return (1 - d).square().sum() + off_diagonal_weight * (c - torch.diag(d)).square().sum()
