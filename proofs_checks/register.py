"""The register: claims, the checks that carry them, and the runner that tries a check on an objective.

A check is one function, registered by the decorator `check`:

    @check("C1", given={"codes": strategies.codes(min_k=3)}, kills=("off_sign",))
    def loss_lies_above_three_log_k(objective, codes):
        \"\"\"Statement; premises; why.\"\"\"
        at_least(objective.code_loss(codes.q1, codes.q2), -3 * log(codes.k), ...)

`kills` names the wrong losses on which it must fail, by an assertion; `breaks_without` names premises, each with a
function that repeats the conclusion on a case outside the premise and must fail there too. Both kinds are controls.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, Verbosity, example, given, seed, settings
from hypothesis.strategies import SearchStrategy

from proofs_checks.objective import Objective

VERDICTS = ("proven", "holds under premises", "numerical only", "false as worded")
SOURCES = ("excerpt", "preprint", "follow-up", "HOME", "project")


@dataclass(frozen=True)
class Claim:
    """One claim of the theory, with its proof.

    statement: one sentence of plain text; latex: the formula; words: the phrase of the source, verbatim, or None;
    premises: what has to hold, exactly; verdict: one of VERDICTS; proof: a few lines; corrected: for a claim that is
    false as worded, the form that is true; where: where a premise is used, or what happens without it; fair: a weaker
    reading of the words that is true, where they allow one; rests_on: claims whose checks carry this one too.
    """

    id: str
    statement: str
    latex: str
    source: str
    premises: str
    verdict: str
    proof: str
    words: str | None = None
    corrected: str | None = None
    where: str | None = None
    fair: str | None = None
    rests_on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict of claim {self.id} is {self.verdict!r}; it must be one of {VERDICTS}")
        if self.source not in SOURCES:
            raise ValueError(f"source of claim {self.id} is {self.source!r}; it must be one of {SOURCES}")
        if (self.verdict == "false as worded") != (self.corrected is not None):
            raise ValueError(f"claim {self.id} needs a corrected form if, and only if, it is false as worded")
        if self.fair is not None and self.words is None:
            raise ValueError(f"claim {self.id} has a fair reading but no words to read")


@dataclass(frozen=True)
class Check:
    """A property to test, the claims that it carries, and its controls.

    cost: divides the number of examples of the quick profile; the other fields are the arguments of `check`.
    """

    name: str
    claims: tuple[str, ...]
    body: Callable[..., None]
    given: Mapping[str, SearchStrategy]
    kills: tuple[str, ...]
    breaks_without: tuple[tuple[str, Callable[[Objective], None]], ...]
    examples: tuple[Mapping[str, Any], ...]
    cost: float

    @property
    def section(self) -> str:
        """The file that holds it, without its ending."""
        return self.body.__module__.rsplit(".", 1)[-1]


CHECKS: dict[str, Check] = {}


def check(
    *claims: str,
    given: Mapping[str, SearchStrategy] | None = None,
    kills: Sequence[str] = (),
    breaks_without: Sequence[tuple[str, Callable[[Objective], None]]] = (),
    examples: Sequence[Mapping[str, Any]] = (),
    cost: float = 1.0,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register the decorated function as a check of `claims`.

    given: strategies of its arguments, without which it runs once; examples: arguments that are always tried, and
    first; kills, breaks_without: its controls; cost: as in `Check`. ValueError if another check has that name.
    """

    def register(body: Callable[..., None]) -> Callable[..., None]:
        name = body.__name__
        if name in CHECKS and CHECKS[name].body.__module__ != body.__module__:
            raise ValueError(f"two checks are called {name!r}; names of checks must be unique")
        CHECKS[name] = Check(
            name, tuple(claims), body, dict(given or {}), tuple(kills), tuple(breaks_without), tuple(examples), cost
        )
        return body

    return register


class NotANumber(AssertionError):
    """An assertion that failed because a value is NaN: it says that the numerics broke, not which equation is wrong."""


# what a run measures ------------------------------------------------------------------------------


@dataclass
class Ledger:
    """Margins seen while a check runs: the smallest slack of its inequalities, the largest share of a tolerance."""

    slack: float = math.inf
    share: float = 0.0
    tried: int = 0


_LEDGERS: list[Ledger] = [Ledger()]


def note_margin(slack: float) -> None:
    """Report by how much an inequality held; the runner keeps the smallest."""
    _LEDGERS[-1].slack = min(_LEDGERS[-1].slack, float(slack))


def note_share(share: float) -> None:
    """Report which share of its tolerance an equality used up; the runner keeps the largest."""
    _LEDGERS[-1].share = max(_LEDGERS[-1].share, float(share))


# the runner ---------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What became of a check on an objective.

    verdict: 'held', 'refuted' (an assertion failed) or 'crashed' (anything else); tried: examples; slack: of the
    tightest inequality, None without one; share: the largest share of its tolerance that an equality used.
    """

    check: str
    verdict: str
    tried: int
    slack: float | None
    share: float
    seconds: float
    message: str = ""

    # what stopped it; no field, so that it stays out of data and comparisons
    error = None


def run(
    check: Check,
    objective: Callable[[], Objective],
    *,
    examples: int,
    entropy: int | None = None,
    shrink: bool = False,
    nan_refutes: bool = True,
) -> Outcome:
    """Try `check` on a fresh objective per example, `examples` times at most.

    entropy: seed of the draws, fixed by the check's name when None; shrink: look for the smallest failing example.
    nan_refutes: without it an example that fails by a NaN alone is passed over.
    """
    ledger, started = Ledger(), time.perf_counter()

    def trial(**drawn: Any) -> None:
        ledger.tried += 1
        try:
            check.body(objective(), **drawn)
        except NotANumber:
            if nan_refutes:
                raise

    # the fixed seed of a derandomised run is made from the name
    trial.__name__ = trial.__qualname__ = check.name
    tested: Callable[[], None] = trial
    if check.given:
        decorated = given(**check.given)(trial)
        for pinned in check.examples:
            decorated = example(**pinned)(decorated)
        phases = [Phase.explicit, Phase.generate] + ([Phase.shrink] if shrink else [])
        tested = settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=entropy is None,
            phases=phases,
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        )(decorated)
        if entropy is not None:
            tested = seed(entropy)(tested)
    verdict, error = "held", None
    _LEDGERS.append(ledger)
    try:
        with torch.autograd.set_detect_anomaly(False):
            tested()
    except Exception as failure:
        verdict, error = "refuted" if isinstance(failure, AssertionError) else "crashed", failure
    finally:
        _LEDGERS.pop()
    message = "" if error is None else f"{type(error).__name__}: {error}".splitlines()[0][:300]
    slack = None if ledger.slack == math.inf else ledger.slack
    seconds = time.perf_counter() - started
    outcome = Outcome(check.name, verdict, ledger.tried, slack, ledger.share, seconds, message)
    outcome.error = error
    return outcome
