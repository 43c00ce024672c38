"""Every control goes red: a declared wrong loss, or a dropped premise, fails its check by an assertion, not a crash."""

import pytest

from proofs_checks.objective import Assembled
from proofs_checks.profiles import QUICK, quick_examples
from proofs_checks.register import run
from proofs_checks.trial import CHECKS, Plan, try_check, try_control

KILLS = [(name, mutant) for name, check in sorted(CHECKS.items()) for mutant in check.kills]
WITH_PREMISES = sorted(name for name, check in CHECKS.items() if check.breaks_without)


@pytest.mark.parametrize(("name", "mutant"), KILLS)
def test_wrong_loss_is_refuted(name, mutant):
    outcome = try_control(CHECKS[name], mutant, QUICK.controls)
    assert outcome.verdict == "refuted", f"{mutant} survived {name} ({outcome.verdict}: {outcome.message})"


@pytest.mark.parametrize("name", WITH_PREMISES)
def test_conclusion_fails_without_the_premise(name):
    premises = try_check(name, Plan(QUICK, controls="none")).premises
    assert len(premises) == len(CHECKS[name].breaks_without)
    assert set(premises.values()) == {"refuted"}, premises


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_reassembled_objective_passes_like_the_library(name):
    """The parts that the wrong losses are made of are themselves right."""
    outcome = run(CHECKS[name], Assembled, examples=quick_examples(4 * CHECKS[name].cost))
    if outcome.error is not None:
        raise outcome.error
