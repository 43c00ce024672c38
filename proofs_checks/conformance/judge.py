"""One check on one target: the smallest example on which it fails, by how much, and whether that is arithmetic.

While a check asks, a `Witness` notes every question. Where the check fails, each answer is compared with the
library's, on which the check holds. If every answer lies within the target's measured limits of it, arithmetic is to
blame and not the equation: the example counts as `within limits`. Otherwise the check is refuted. In the checks of
numerics arithmetic is the subject, and only what float32 may be off is excused.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import asdict, dataclass, field
from typing import Any

import hypothesis
import torch
from hypothesis.errors import Unsatisfiable
from torch import Tensor

from proofs_checks.conformance.adapter import Target, agreement
from proofs_checks.conformance.limits import FINEST, SINGLE, Limits, measure
from proofs_checks.conformance.target import NotAsked, describe, drawn
from proofs_checks.objective import MUSIC, Codes, Logits, Objective
from proofs_checks.profiles import quick_examples
from proofs_checks.register import Check, NotANumber, run

NUMERICS = "numerics"
"""The section whose subject is arithmetic."""
SHOWN = 36
"""Numbers of an example that are kept with it."""
DERIVATIVES = {1: "gradient", 2: "second derivative"}
EXACT = 1e-14
"""Rounding in float64 relative to the parts of an answer; FINEST relative to the answer."""
HOPELESS = 40
"""Examples that cannot be asked, in a row from the first, after which no more are drawn."""


@dataclass
class Question:
    """What was asked and answered; `order` of the derivatives that were taken of the answer."""

    name: str
    arguments: tuple[Any, ...]
    answers: tuple[Tensor, ...]
    order: int = 0

    def note(self, _: Tensor) -> None:
        """A hook of the answers: a gradient passes, and gradients are enabled if it will be differentiated."""
        self.order = max(self.order, 2 if torch.is_grad_enabled() else 1)


@dataclass
class Difference:
    """An answer and the library's: what, both numbers, the absolute difference in nats (or nats per logit).

    kind: 'same' (rounding in float64), 'coarse' (within the resolution), 'beyond' (out of reach, finite) or 'wrong'.
    """

    what: str
    answer: float
    expected: float
    off: float
    kind: str


class Witness(Objective):
    """Puts questions to an objective and notes them with their answers."""

    def __init__(self, objective: Objective) -> None:
        self.objective, self.questions = objective, []
        self.questions: list[Question]

    def _ask(self, name: str, *arguments: Any) -> Any:
        answer = getattr(self.objective, name)(*arguments)
        tensors = answer if isinstance(answer, tuple) else (answer,)
        kept = tuple(x.detach().clone() if isinstance(x, Tensor) else x for x in arguments)
        question = Question(name, kept, tuple(x.detach().clone() for x in tensors))
        for x in tensors:
            if x.requires_grad:
                x.register_hook(question.note)
        self.questions.append(question)
        return answer

    def codes(self, z: Tensor, segments: int, temperature: float = 1.0) -> Tensor:
        return self._ask("codes", z, segments, temperature)

    def joint(self, q1: Tensor, q2: Tensor) -> Tensor:
        return self._ask("joint", q1, q2)

    def phi(self, p: Tensor) -> Tensor:
        return self._ask("phi", p)

    def code_terms(self, q1: Tensor, q2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self._ask("code_terms", q1, q2)

    def code_loss(self, q1: Tensor, q2: Tensor, lam: float = 0.0) -> Tensor:
        return self._ask("code_loss", q1, q2, lam)

    def logit_loss(self, z1: Tensor, z2: Tensor, segments: int, temperature: float = 1.0, lam: float = 1.0) -> Tensor:
        return self._ask("logit_loss", z1, z2, segments, temperature, lam)


# the target's answers beside the library's ----------------------------------------------------------


def answers_and_slopes(objective: Objective, question: Question) -> list[tuple[str, Tensor]]:
    """The named answers of an objective, and after them the derivatives that were taken: the gradient to every tensor,
    and of the second ones the Hessian's product with one fixed direction."""
    live = question.order > 0
    arguments = [x.clone().requires_grad_() if live and isinstance(x, Tensor) else x for x in question.arguments]
    answer = getattr(objective, question.name)(*arguments)
    tensors = answer if isinstance(answer, tuple) else (answer,)
    name = question.name.replace("_", " ")
    named = [(name, x.detach()) for x in tensors]
    inputs = [x for x in arguments if isinstance(x, Tensor)]
    following = sum(x.sum() for x in tensors)
    for order in range(1, question.order + 1):
        if not following.requires_grad:
            following = following + 0 * sum(x.sum() for x in inputs)
        slopes = torch.autograd.grad(following, inputs, materialize_grads=True, create_graph=True)
        named += [(f"{DERIVATIVES[order]} of the {name}, view {i}", x.detach()) for i, x in enumerate(slopes, 1)]
        following = sum((x * drawn(*x.shape, seed=7, dtype=x.dtype)).sum() for x in slopes)
    return named


def reached(question: Question, limits: Limits) -> bool:
    """Whether two views agree by more than e^-reach everywhere; and, where a gradient to codes was to follow (the
    logarithm of the joint), whether every code is larger than that, and every cell of the joint than a coarse
    resolution."""
    if question.name in ("codes", "phi", "joint"):
        return True
    q1, q2 = question.arguments[:2]
    least = math.exp(-limits.reach)
    if question.name == "logit_loss":
        _, _, segments, temperature, _ = question.arguments
        q1, q2 = (MUSIC.codes(q, segments, temperature) for q in (q1, q2))
    elif question.order:
        smallest = float(torch.minimum(q1, q2).min())
        if smallest < least or (limits.coarse and float(MUSIC.joint(q1, q2).min()) < limits.resolution):
            return False
    return limits.reach == math.inf or bool((agreement(q1, q2) > least).all())


def compare(objective: Objective, questions: list[Question], limits: Limits) -> list[Difference]:
    """Every question put again to a fresh objective and to the library; one difference, the largest, an answer."""
    found = []
    for question in questions:
        beyond = not reached(question, limits)
        pairs = zip(answers_and_slopes(objective, question), answers_and_slopes(MUSIC, question), strict=True)
        for place, ((what, again), (_, expected)) in enumerate(pairs):
            # as it was answered then: an objective may have a memory
            answer = question.answers[place] if place < len(question.answers) else again
            found.append(_difference(what, answer.double(), expected.double(), question, limits, beyond))
    return found


def scale_of(question: Question) -> float:
    """How large the parts are that an answer is the sum of: entropies, up to 3 log K; one for everything else."""
    if question.name not in ("code_terms", "code_loss", "logit_loss"):
        return 1.0
    first = question.arguments[0]
    units = first.shape[1] // question.arguments[2] if question.name == "logit_loss" else first.shape[2]
    return 1 + 3 * math.log(units)


def _difference(
    what: str, answer: Tensor, expected: Tensor, question: Question, limits: Limits, beyond: bool
) -> Difference:
    off = torch.where(answer == expected, torch.zeros_like(expected), (answer - expected).abs())
    worst = int(torch.where(off.isnan(), torch.full_like(off, math.inf), off).flatten().argmax())
    size = scale_of(question) + torch.where(expected.isfinite(), expected, 0.0).abs()
    order = next((order for order, word in DERIVATIVES.items() if what.startswith(word)), 0)
    if order:
        # entries of a batch mean are of the order of one over the number of samples, and as coarse as the largest
        size = torch.full_like(expected, 1 / len(question.arguments[0])) + expected.abs().max()
    same = off <= (0.0 if limits.coarse else FINEST * torch.minimum(size, expected.abs().max()) + EXACT * size)
    kind = "wrong"
    if bool(same.all()):
        kind = "same"
    elif limits.coarse and bool((off <= 4.0**order * limits.resolution * size).all()):
        kind = "coarse"
    elif beyond and bool(answer.isfinite().all()):
        kind = "beyond"
    return Difference(what, *(float(x.flatten()[worst]) for x in (answer, expected, off)), kind)


def is_arithmetic(differences: list[Difference]) -> bool:
    """Whether the target's limits explain a failure: some answer is off, none by more than they allow. (Where all are
    the library's and the check fails all the same, what it does with them is at fault.)"""
    kinds = {x.kind for x in differences}
    return "wrong" not in kinds and bool(kinds & {"coarse", "beyond"})


# one check -------------------------------------------------------------------------------------------


@dataclass
class Finding:
    """What became of one check.

    verdict: 'held', 'within limits' (held but for rounding, or beyond the reach), 'refuted', 'crashed' or 'not asked'.
    asked: examples that could be asked; excused: those of them within limits. needs: what the target lacks to be
    asked more. example, values: the smallest failing one, in words and in numbers where they are few. off: by how much
    the worst answer differs from the library's, in nats; of a check within limits the largest one that its resolution
    explains, none where all lie beyond its reach.
    """

    check: str
    section: str
    claims: tuple[str, ...]
    verdict: str
    asked: int = 0
    excused: int = 0
    needs: list[str] = field(default_factory=list)
    message: str = ""
    example: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    what: str = ""
    answer: float | None = None
    expected: float | None = None
    off: float | None = None

    @property
    def red(self) -> bool:
        """Whether it speaks against the target."""
        return self.verdict in ("refuted", "crashed")

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def numbers_of(name: str, value: Any) -> dict[str, Any]:
    """The tensors of a drawn argument as nested lists where they are small, numbers as they are."""
    if isinstance(value, Codes | Logits):
        pairs = {"q1": value.q1, "q2": value.q2} if isinstance(value, Codes) else {"z1": value.z1, "z2": value.z2}
        return {key: x.tolist() for key, x in pairs.items() if x.numel() <= SHOWN}
    return {name: value} if isinstance(value, bool | int | float | str) else {}


class _Trial:
    """What one run of a check on a target has seen so far."""

    def __init__(self, check: Check, target: Target, limits: Limits) -> None:
        self.check, self.target, self.limits = check, target, limits
        self.asked = self.excused = self.refused = 0
        self.needs: set[str] = set()
        self.roughest: Difference | None = None
        self.failure: tuple[AssertionError, dict[str, Any], list[Difference]] | None = None
        if check.section == NUMERICS:
            # float32 is good enough for these; coarser arithmetic is what they look for, and so is a reach
            self.limits = limits if limits.resolution <= SINGLE else Limits()
            self.limits = dataclasses.replace(self.limits, reach=math.inf)

    def body(self, _: Objective, **arguments: Any) -> None:
        """The check's body on a fresh objective; passes over what cannot be asked and what is excused."""
        if self.refused >= HOPELESS and not self.asked:
            return
        witness = Witness(self.target.fresh())
        try:
            self.check.body(witness, **arguments)
        except NotAsked as reason:
            self.needs.add(str(reason))
            self.refused += 1
            if self.check.given:
                hypothesis.reject()
            return
        except AssertionError as failure:
            differences = compare(self.target.fresh(), witness.questions, self.limits)
            unknown = isinstance(failure, NotANumber) and self.check.section != NUMERICS
            if not unknown and not is_arithmetic(differences):
                self.failure = failure, arguments, differences
                raise
            self.excused += 1
            coarse = [x for x in differences if x.kind == "coarse"]
            self.roughest = max([*coarse, *([self.roughest] if self.roughest else [])], key=_size, default=None)
        if witness.questions:
            self.asked += 1


def _size(difference: Difference) -> float:
    return math.inf if math.isnan(difference.off) else difference.off


def judge(check: Check, target: Target, limits: Limits, *, examples: int | None = None, shrink: bool = True) -> Finding:
    """Try one check on a target, with the examples of the quick profile by default."""
    seen = _Trial(check, target, limits)

    @functools.wraps(check.body)
    def body(objective: Objective, **arguments: Any) -> None:
        seen.body(objective, **arguments)

    count = examples or quick_examples(check.cost)
    outcome = run(dataclasses.replace(check, body=body), Objective, examples=count, shrink=shrink)
    finding = Finding(check.name, check.section, check.claims, "held", seen.asked, seen.excused, sorted(seen.needs))
    if outcome.verdict == "refuted" and seen.failure is not None:
        return _refuted(finding, *seen.failure)
    if outcome.verdict == "crashed" and not isinstance(outcome.error, Unsatisfiable):
        finding.verdict, finding.message = "crashed", describe(outcome.error)
    elif not seen.asked:
        finding.verdict = "not asked"
    elif seen.excused:
        finding.verdict = "within limits"
        if seen.roughest is not None:
            finding.what, finding.off = seen.roughest.what, seen.roughest.off
    return finding


def _refuted(
    finding: Finding, failure: AssertionError, arguments: dict[str, Any], differences: list[Difference]
) -> Finding:
    finding.verdict, finding.message = "refuted", str(failure).splitlines()[0][:300]
    finding.example = ", ".join(f"{name}={value!r}"[:200] for name, value in arguments.items()) or "the check's own"
    for name, value in arguments.items():
        finding.values.update(numbers_of(name, value))
    if differences:
        worst = max((x for x in differences if x.kind == "wrong"), key=_size, default=max(differences, key=_size))
        finding.what, finding.answer, finding.expected, finding.off = (
            worst.what,
            worst.answer,
            worst.expected,
            worst.off,
        )
    return finding


def limits_of(target: Target) -> Limits:
    """The target's limits, measured on its loss."""
    return measure(lambda z1, z2, segments: target.fresh().logit_loss(z1, z2, segments))
