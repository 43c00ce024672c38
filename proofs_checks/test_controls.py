"""Every control goes red: a declared wrong loss, or a dropped premise, fails its check by an assertion, not by a crash."""

import pytest

import proofs_checks.checks  # noqa: F401  (registers the checks)
from proofs_checks.mutants import MUTANTS
from proofs_checks.objective import Assembled, Objective
from proofs_checks.profiles import QUICK, quick_examples
from proofs_checks.register import CHECKS, run

KILLS = [(name, mutant) for name, check in sorted(CHECKS.items()) for mutant in check.kills]
PREMISES = [(name, premise) for name, check in sorted(CHECKS.items()) for premise, _ in check.breaks_without]


@pytest.mark.parametrize(("name", "mutant"), KILLS)
def test_wrong_loss_is_refuted(name, mutant):
    outcome = run(CHECKS[name], MUTANTS[mutant], examples=QUICK.controls)
    assert outcome.verdict == "refuted", f"{mutant} survived {name} ({outcome.verdict}: {outcome.message})"


@pytest.mark.parametrize(("name", "premise"), PREMISES)
def test_conclusion_fails_without_the_premise(name, premise):
    broken = dict(CHECKS[name].breaks_without)[premise]
    with pytest.raises(AssertionError):
        broken(Objective())


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_reassembled_objective_passes_like_the_library(name):
    """The parts that the wrong losses are made of are themselves right."""
    outcome = run(CHECKS[name], Assembled, examples=quick_examples(2 * CHECKS[name].cost))
    if outcome.error is not None:
        raise outcome.error
