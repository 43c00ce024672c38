"""An adapter of somebody's MUSIC: what it may offer, and how a check's questions are put to it.

    loss(z1, z2, segments, temperature=1.0, weights=(1.0, 1.0, 1.0)) -> scalar     needed; the last two are optional
    codes(z, segments, temperature=1.0) -> (N, S, K)                               optional, as are the following
    joint(q1, q2) -> (S, S, K, K)
    terms(q1, q2) -> (diagonal, off_diagonal, invariance)
    phi(p) -> p log p, elementwise

z1, z2: logits (N, D), D = S * K; weights: of the diagonal, off-diagonal and invariance term. The adapter is a function
(the loss; the others are attributes of it), an object with these methods, or a class of such objects that is called
without arguments, once an example. `NotImplementedError` says that a question is not supported.

Codes are asked through logits, their logarithms: a code of exactly zero is a logit of -1000, whose exponential is
zero. What needs an input or a part that the adapter lacks is `NotAsked`; nothing of our own is put in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from proofs_checks.conformance.target import (
    NotAsked,
    TargetError,
    call,
    drawn,
    load,
    make,
    parameters,
    require_scalar,
    require_tensor,
)
from proofs_checks.objective import Objective

OPTIONS = ("temperature", "weights")
PARTS = {"codes": ("z", "segments"), "joint": ("q1", "q2"), "terms": ("q1", "q2"), "phi": ("p",)}
"""Optional parts, with the arguments that they have to take."""
ZERO = -1000.0
"""The logit of a code that is zero."""


class Target:
    """A loaded adapter: `fresh()` makes the `Objective` that asks it. TargetError if it is none."""

    def __init__(self, path: str) -> None:
        self.path, self._found = path, load(path)
        sample = make(path, self._found)
        self.options = parameters(path, self._loss_of(sample), ("z1", "z2", "segments"), OPTIONS)
        self.parts = {name for name in PARTS if callable(getattr(sample, name, None))}
        self.warm = "codes" in self.parts and "temperature" in parameters(
            path, sample.codes, PARTS["codes"], ("temperature",)
        )
        for name in self.parts - {"codes"}:
            parameters(path, getattr(sample, name), PARTS[name], ())
        self._probe(sample)

    def _loss_of(self, sample: Any) -> Callable[..., Any]:
        loss = getattr(sample, "loss", sample)
        if not callable(loss):
            raise TargetError(f"target {self.path}: expected a function or an object with a method loss, got {loss!r}")
        return loss

    def _probe(self, sample: Any) -> None:
        n, s, k = 4, 2, 3
        z1, z2 = (drawn(n, s * k, seed=seed).requires_grad_() for seed in (1, 2))
        q1, q2 = (torch.softmax(z.detach().view(n, s, k), -1) for z in (z1, z2))
        loss = call(self.path, f"loss of logits ({n}, {s * k})", lambda: self._loss_of(sample)(z1, z2, s))
        require_scalar(self.path, "loss", loss, differentiable=True)
        calls = {
            "codes": (lambda: sample.codes(z1.detach(), s), (n, s, k)),
            "joint": (lambda: sample.joint(q1, q2), (s, s, k, k)),
            "phi": (lambda: sample.phi(q1), (n, s, k)),
        }
        for name in sorted(self.parts & set(calls)):
            function, shape = calls[name]
            require_tensor(self.path, name, call(self.path, name, function), shape)
        if "terms" in self.parts:
            terms = call(self.path, "terms", lambda: sample.terms(q1, q2))
            if not isinstance(terms, tuple | list) or len(terms) != 3:
                raise TargetError(f"target {self.path}: terms: expected three scalars, got {type(terms).__name__}")
            for name, term in zip(("diagonal", "off_diagonal", "invariance"), terms, strict=True):
                require_scalar(self.path, f"terms, {name},", term)

    @property
    def offers(self) -> list[str]:
        """What the adapter has, the loss first."""
        return ["loss", *(name for name in OPTIONS if name in self.options), *(p for p in PARTS if p in self.parts)]

    @property
    def lacks(self) -> list[str]:
        """What the adapter could have and has not."""
        return [name for name in (*OPTIONS, *PARTS) if name not in self.offers]

    def fresh(self) -> Adapted:
        """Its answers, from a new instance where the path names a class."""
        sample = make(self.path, self._found)
        return Adapted(self, sample, self._loss_of(sample))


def supported(what: str, function: Callable[..., Any], *arguments: Any, **chosen: Any) -> Any:
    """What the adapter answers, in float64 if it was asked in float64; NotAsked where it says that it does not."""
    try:
        answer = function(*arguments, **chosen)
    except NotImplementedError as reason:
        raise NotAsked(f"{what} ({str(reason) or 'not implemented'})") from reason
    if arguments[0].dtype != torch.float64:
        return answer
    return tuple(x.double() for x in answer) if isinstance(answer, tuple | list) else answer.double()


class Adapted(Objective):
    """The questions of a check, put to an adapter."""

    def __init__(self, target: Target, sample: Any, loss: Callable[..., Any]) -> None:
        self.target, self.sample, self.loss, self.name = target, sample, loss, target.path

    def _part(self, name: str) -> Callable[..., Any]:
        if name not in self.target.parts:
            raise NotAsked(name)
        return getattr(self.sample, name)

    def _weighed(
        self, z1: Tensor, z2: Tensor, segments: int, weights: tuple[float, float, float], temperature: float = 1.0
    ) -> Tensor:
        chosen: dict[str, Any] = {}
        if temperature != 1.0:
            chosen["temperature"] = temperature
        if tuple(weights) != (1.0, 1.0, 1.0):
            chosen["weights"] = tuple(float(weight) for weight in weights)
        for name in chosen:
            if name not in self.target.options:
                raise NotAsked(name)
        return supported("loss", self.loss, z1, z2, segments, **chosen)

    def codes(self, z: Tensor, segments: int, temperature: float = 1.0) -> Tensor:
        part = self._part("codes")
        if temperature != 1.0 and not self.target.warm:
            raise NotAsked("temperature of codes")
        chosen = {"temperature": temperature} if self.target.warm else {}
        return supported("codes", part, z, segments, **chosen)

    def joint(self, q1: Tensor, q2: Tensor) -> Tensor:
        return supported("joint", self._part("joint"), q1, q2)

    def phi(self, p: Tensor) -> Tensor:
        return supported("phi", self._part("phi"), p)

    def code_terms(self, q1: Tensor, q2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if "terms" in self.target.parts:
            diagonal, off_diagonal, invariance = supported("terms", self.sample.terms, q1, q2)
            return diagonal, off_diagonal, invariance
        if "weights" not in self.target.options:
            raise NotAsked("terms or weights")
        diagonal, off_diagonal, invariance = (
            self._of_codes(q1, q2, weights) for weights in ((1, 0, 0), (0, 1, 0), (0, 0, 1))
        )
        # no finite logits have codes that never agree: at -1000 one such pair of N S costs about 1000 / (N S)
        never = bool((agreement(q1, q2) == 0).any()) and float(invariance) > -ZERO / 2 / q1.shape[:2].numel()
        return diagonal, off_diagonal, torch.full_like(invariance, torch.inf) if never else invariance

    def code_loss(self, q1: Tensor, q2: Tensor, lam: float = 0.0) -> Tensor:
        lam = float(lam)
        if lam != 1.0 and are_one(q1, q2):
            # the invariance term of equal one-hot codes is zero: every weight is the same question
            lam = lam if "weights" in self.target.options else 1.0
        unreachable = lam != 0 and bool((agreement(q1, q2) == 0).any())
        live = q1.requires_grad or q2.requires_grad
        if unreachable or live or (lam != 1.0 and "weights" not in self.target.options):
            if "terms" not in self.target.parts:
                raise NotAsked("terms" if unreachable or live else "weights")
            return super().code_loss(q1, q2, lam)
        return self._of_codes(q1, q2, (1, 1, lam))

    def _of_codes(self, q1: Tensor, q2: Tensor, weights: tuple[float, float, float]) -> Tensor:
        if q1.requires_grad or q2.requires_grad:
            raise NotAsked("terms, differentiable in codes")
        return self._weighed(as_logits(q1), as_logits(q2), q1.shape[1], weights)

    def logit_loss(self, z1: Tensor, z2: Tensor, segments: int, temperature: float = 1.0, lam: float = 1.0) -> Tensor:
        return self._weighed(z1, z2, segments, (1.0, 1.0, lam), temperature)


def agreement(q1: Tensor, q2: Tensor) -> Tensor:
    """The inner products <q1, q2> of every sample and segment, (N, S)."""
    return (q1 * q2).sum(-1)


def are_one(q1: Tensor, q2: Tensor) -> bool:
    """Whether two views have the same one-hot codes."""
    return torch.equal(q1, q2) and bool(((q1 == 0) | (q1 == 1)).all())


def as_logits(q: Tensor) -> Tensor:
    """Logits (N, D) whose softmax at temperature one has the codes q (N, S, K)."""
    return torch.where(q > 0, q.log(), torch.full_like(q, ZERO)).reshape(len(q), -1)
